"""Chooses the stores by URL: without one for Redis, everything is in this process."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Final

from onevault.bootstrap.embedded import open_embedded
from onevault.bootstrap.stores import Stores
from onevault.config.schema import Settings
from onevault.core.ports import Clock, Notices

_SHARED: Final = "onevault.bootstrap.shared"


def open_stores(
    settings: Settings, clock: Clock, notices: Notices, *, worker: int
) -> AbstractAsyncContextManager[Stores]:
    """The stores of the worker of this number. Raises OSError where Redis is wanted and its client is not installed; entering raises
    as `open_embedded` and `open_shared` do."""
    if settings.gateway.redis_url is None:
        return open_embedded(settings, clock)
    try:
        # Not at the top: who does not use Redis need not have its client installed.
        shared = import_module(_SHARED)
    except ModuleNotFoundError as error:
        message = f"gateway.redis_url needs the package {error.name}: install onevault[redis]"
        raise OSError(message) from None
    opened: AbstractAsyncContextManager[Stores] = shared.open_shared(settings, clock, notices, worker=worker)
    return opened
