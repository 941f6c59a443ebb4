"""Events as they happen, for whoever listens: the port, and its bounds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from onevault.core.delivery import Kept


class Listener(Protocol):
    """One who listens."""

    @property
    def is_behind(self) -> bool:
        """Whether more has happened than is kept for it: then something is missing, and it should begin again where it was."""

    async def next(self, *, timeout_s: float) -> Sequence[Kept]:
        """What has happened since, in its order; nothing where nothing has for so long. Raises what the store raises."""


class Live(Protocol):
    """What happens in any process of the installation, within about a second."""

    def listening(
        self, org_id: str, *, kinds: Collection[str] | None, after: str | None
    ) -> AbstractAsyncContextManager[Listener]:
        """Events of an organization, of these kinds (None: all), from now on, or from beyond the one with the id `after`.

        Raises Fault INVALID_REQUEST where there is none of that id, RATE_LIMITED where the organization listens too often already,
        OVERLOADED where all do; and what the store raises."""
