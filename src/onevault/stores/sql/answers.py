"""Keeps for a day what was answered to requests that may be repeated, for all processes of an installation and over restarts."""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from onevault.core.ports import Answered
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.schema.derived import repeatable_answer

KEPT_MS = 24 * 3600 * 1000


class VaultAnswers:
    """Implements `ports.Answers`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def begin(self, key: bytes, fingerprint: bytes, *, now_ms: int, gives_up_ms: int) -> Answered | None:
        """As the port says."""
        return await self._vault.write(
            lambda connection: _begin(connection, key, fingerprint, now_ms=now_ms, gives_up_ms=gives_up_ms)
        )

    async def keep(self, key: bytes, answer: bytes) -> None:
        """As the port says."""
        table = repeatable_answer
        statement = table.update().where(table.c.key_sha256 == key).values(answer=answer)
        await self._vault.write(lambda connection: connection.execute(statement))

    async def forget(self, key: bytes) -> None:
        """As the port says."""
        table = repeatable_answer
        statement = table.delete().where(table.c.key_sha256 == key, table.c.answer.is_(None))
        await self._vault.write(lambda connection: connection.execute(statement))


def _begin(connection: Connection, key: bytes, fingerprint: bytes, *, now_ms: int, gives_up_ms: int) -> Answered | None:
    table = repeatable_answer
    connection.execute(table.delete().where(table.c.begun_ms <= now_ms - KEPT_MS))
    given_up = table.c.answer.is_(None) & (table.c.begun_ms <= now_ms - gives_up_ms)
    connection.execute(table.delete().where(table.c.key_sha256 == key, given_up))
    try:
        with connection.begin_nested():
            connection.execute(
                table.insert().values(key_sha256=key, fingerprint=fingerprint, begun_ms=now_ms, answer=None)
            )
    except IntegrityError:
        row = connection.execute(select(table.c.fingerprint, table.c.answer).where(table.c.key_sha256 == key)).one()
        return Answered(bytes(row.fingerprint), None if row.answer is None else bytes(row.answer))
    return None
