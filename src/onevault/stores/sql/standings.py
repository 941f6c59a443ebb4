"""Reads what scopes have used in windows, as far as calls are in the vault, and which notices were told of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, select

from onevault.core.delivery import Standing
from onevault.core.identity import ScopeId, Window
from onevault.core.money import Nanos
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.schema.derived import scope_usage
from onevault.stores.sql.schema.notices import notice

_ASKED_AT_ONCE: Final = 500


class VaultStandings:
    """Implements `core.delivery.Standings`. An unreachable vault raises the driver's error (`sqlalchemy.exc.SQLAlchemyError`)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def page(self, window: Window, label: str, *, after: str, limit: int) -> list[Standing]:
        """As the port says."""
        of = scope_usage.c
        query = (
            select(of.scope, of.money_nanos, of.tokens, of.requests)
            .where(of.time_window == window.value, of.label == label, of.scope > after)
            .order_by(of.scope)
            .limit(limit)
        )
        return await self._vault.read(
            lambda connection: [
                Standing(ScopeId(row.scope), Nanos(row.money_nanos), row.tokens, row.requests)
                for row in connection.execute(query)
            ]
        )

    async def told(self, tenant_id: str, once: Collection[str]) -> set[str]:
        """As the port says."""
        return await self._vault.read(lambda connection: _told(connection, tenant_id, list(once)))


def _told(connection: Connection, tenant_id: str, once: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(once), _ASKED_AT_ONCE):
        some = once[start : start + _ASKED_AT_ONCE]
        rows = connection.execute(select(notice.c.once).where(notice.c.tenant_bk == tenant_id, notice.c.once.in_(some)))
        found.update(row.once for row in rows)
    return found
