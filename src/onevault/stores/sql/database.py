"""What the vault needs of an engine of SQL: connections for three uses, and to know when commits have reached the disk."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Engine

from onevault.stores.sql.lease import LedgerLease


class Database(Protocol):
    """An engine of SQL that holds a vault. Everything here blocks.

    `where` names it in messages, without any secret. `reader` gives read-only transactions that see one consistent state,
    `writer` and `loader` those that change. `loads_beside_writes`: the loader may have a thread of its own.
    `keeps_old_states`: a long read transaction hinders nobody. `answer_timeout_s`:
    after so long `break_off` is called; None for an engine that always answers or fails by itself.
    """

    where: str
    reader: Engine
    writer: Engine
    loader: Engine

    @property
    def readers_max(self) -> int: ...
    @property
    def loads_beside_writes(self) -> bool: ...
    @property
    def keeps_old_states(self) -> bool: ...
    @property
    def answer_timeout_s(self) -> float | None: ...

    def prepare(self) -> None:
        """What must be there before the first connection. Raises OSError."""

    def checkpoint(self) -> bool:
        """Whether every commit is on the disk by now; False: not yet, ask again later."""

    def lease(self) -> LedgerLease | None:
        """What lets one process keep the ledger of this vault in its memory; None where the data directory's lock does."""

    def break_off(self) -> None:
        """Ends every connection: whoever waits on one gets the driver's error. The next piece of work makes a new one."""
