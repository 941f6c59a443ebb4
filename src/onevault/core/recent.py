"""Keeps the values used last, so many at most, without the bookkeeping of a queue."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At least the `maximum // 2` values used last, and no more than `maximum`.

    There are two halves: what is used is in the younger one, or comes into it. When that is full it becomes the older one, and the
    older one goes.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, maximum: int) -> None:
        self._half = maximum // 2
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def get(self, key: K) -> V | None:
        """The value, which counts as used now; None if it is not kept."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.keep(key, found)
        return found

    def keep(self, key: K, value: V) -> None:
        """Keeps a value, in place of the one with the same key."""
        if len(self._young) >= self._half and key not in self._young:
            self._old, self._young = self._young, {}
        self._young[key] = value
