"""Begins what must be done when a call is over, each part as soon as its turn comes, and waits for all of it at the very end.

A shared store is told all of it in one message so, and none of it is lost where the caller has been cancelled.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from onevault.pipeline.uncancelled import resumed, uncancelled


class Closing:
    """To be entered around all stages that `begin` something."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun: list[tuple[Coroutine[Any, Any, None], Any]] = []

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Does it as far as it does not wait. Raises what it raises so far."""
        try:
            waiting_for = work.send(None)
        except StopIteration:
            return
        self._begun.append((work, waiting_for))

    async def __aenter__(self) -> Closing:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Raises the first of what was raised, once all is finished."""
        if self._begun:
            await uncancelled(self._finish())

    async def _finish(self) -> None:
        raised: BaseException | None = None
        for work, waiting_for in self._begun:
            try:
                await resumed(work, waiting_for)
            except Exception as error:  # noqa: BLE001  # one that fails keeps none of the others from being finished
                raised = raised or error
        if raised is not None:
            raise raised
