"""Has the built-in provider run where a configuration wants it."""

from __future__ import annotations

from contextlib import AsyncExitStack

from onevault.config.schema import Settings
from onevault.simulator.server import EmbeddedSimulator
from onevault.upstream.endpoints import needs_simulator


class WantedSimulator:
    """Starts it when a configuration first wants it, at a start or later; it then runs until the stack is left."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._running: EmbeddedSimulator | None = None

    async def url(self, settings: Settings) -> str | None:
        """Where it runs; None where nothing has wanted it so far. Raises OSError where it cannot listen."""
        if self._running is None and needs_simulator(settings):
            self._running = await self._stack.enter_async_context(EmbeddedSimulator())
        return self._running.base_url if self._running is not None else None
