"""Keeps what goes on beside the calls going: a job that fails in a way nobody foresaw is told of and begun again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from onevault.core.ports import Clock

AGAIN_AFTER_S = 1.0
_log = structlog.get_logger("onevault.jobs")


async def kept_going(name: str, job: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Runs a job that has no end until it is cancelled."""
    while True:
        try:
            await job()
        except Exception as error:  # noqa: BLE001  # the edge: whatever it was, the job must go on
            _log.error("job failed", job=name, error=type(error).__name__, message=str(error))
        await clock.sleep(AGAIN_AFTER_S)


async def once_done(name: str, job: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Runs a job to its end; one that fails is begun again."""
    while True:
        try:
            await job()
        except Exception as error:  # noqa: BLE001  # the edge: as above
            _log.error("job failed", job=name, error=type(error).__name__, message=str(error))
            await clock.sleep(AGAIN_AFTER_S)
        else:
            return
