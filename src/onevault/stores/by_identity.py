"""Remembers what was worked out for a caller's scopes and limits, so that it is not worked out with every call."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from onevault.core.identity import Limit, ScopeId

_KNOWN_MAX: Final = 20_000

T = TypeVar("T")


class ByIdentity(Generic[T]):
    """Remembers what was worked out for the very same scopes and limits (they change only with the configuration)."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[object, object, T]] = {}

    def get(self, scopes: tuple[ScopeId, ...], limits: tuple[Limit, ...]) -> T | None:
        known = self._known.get((id(scopes), id(limits)))
        return known[2] if known is not None else None

    def put(self, scopes: tuple[ScopeId, ...], limits: tuple[Limit, ...], found: T) -> T:
        """Keeps scopes and limits alive too, so that their identity is not given to others."""
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[id(scopes), id(limits)] = scopes, limits, found
        return found
