"""Opens a data directory only to read it, beside running gateways or without one, and has its ledger verified."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from onevault.bootstrap.redis_to_read import redis_to_read
from onevault.config.schema import Settings
from onevault.core.faults import Fault, FaultKind
from onevault.stores.journal.places import MAIN, main_place, places
from onevault.stores.sql.engine import VaultUnusable
from onevault.stores.verify.journal import RetainedJournal
from onevault.stores.verify.vault import vault_to_read
from onevault.stores.verify.verdict import verdict
from onevault.stores.verify.words import Verdict


async def verify_ledger(settings: Settings) -> tuple[Verdict, list[int]]:
    """The verdict, and the processes that have journals of the data directory. Writes nothing and takes no lock.

    Raises Fault INVALID_REQUEST for a vault elsewhere or one that this version cannot read, OSError where reading fails.
    """
    if settings.gateway.database_url is not None:
        message = "The ledger of a vault on PostgreSQL cannot be verified by this version: only one in the data directory can."
        raise Fault(FaultKind.INVALID_REQUEST, message, param="database_url")
    directory = settings.gateway.data_dir
    journals = [
        RetainedJournal(place.name, place.directory, _process_of(directory if place.name == MAIN else place.directory))
        for place in places(directory) or [main_place(directory)]  # one that is gone is told of
    ]
    running = [journal.running for journal in journals if journal.running is not None]
    try:
        async with vault_to_read(directory) as vault, redis_to_read(settings) as redis:
            return await verdict(vault, journals, shared=redis.ledger.figures_of if redis else None), running
    except VaultUnusable as error:
        raise Fault(FaultKind.INVALID_REQUEST, f"{error}.", param="data_dir") from None
    except SQLAlchemyError as error:
        raise OSError(f"{directory}: the vault cannot be read ({getattr(error, 'orig', None) or error})") from None


def _process_of(directory: Path) -> int | None:
    """Who the lock's file says has the directory, if that process lives. The lock itself is not tried: a gateway that starts at
    that very moment would find it taken."""
    try:
        process_id = int((directory / "lock").read_text(encoding="ascii"))
        os.kill(process_id, 0)
    except PermissionError:
        return process_id
    except (OSError, ValueError):
        return None
    return process_id
