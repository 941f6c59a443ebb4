"""Which stores a gateway works with: those in its process, or those that several processes share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from onevault.core.directory import Directory
from onevault.core.ports import Journal, Ledger, Rates
from onevault.stores.grace.engine import FailureModes, GraceStanding
from onevault.stores.journal.writer import JournalStatus
from onevault.stores.snapshot.directory import DirectoryStanding
from onevault.stores.sql.answers import VaultAnswers
from onevault.stores.sql.change_log import VaultChangeLog
from onevault.stores.sql.deliveries import VaultDeliveries
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.notices import VaultNotices
from onevault.stores.sql.requests import VaultRequests
from onevault.stores.sql.standings import VaultStandings
from onevault.stores.sql.usage import VaultUsage


class LedgerHealth(msgspec.Struct, frozen=True):
    """Whether the ledger counts at this moment, and what there is to know of it. Names no secret."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Stores:
    """What bootstrap hands to the rooms above as ports. `ledger_health` asks the ledger's store. `failure_modes` is to be
    told what organizations may spend while the ledger is away; `ledger_mode` says how that stands."""

    ledger: Ledger
    rates: Rates
    journal: Journal
    journal_status: Callable[[], JournalStatus]
    loader: Loader
    directory: Directory
    change_log: VaultChangeLog
    answers: VaultAnswers
    requests: VaultRequests
    history: VaultUsage
    notices: VaultNotices
    deliveries: VaultDeliveries
    standings: VaultStandings
    ledger_health: Callable[[], Awaitable[LedgerHealth]]
    failure_modes: FailureModes
    ledger_mode: Callable[[], GraceStanding]
    directory_standing: Callable[[], DirectoryStanding]
