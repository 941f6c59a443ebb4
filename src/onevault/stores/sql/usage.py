"""Reads the rollups by which usage is shown: what a scope used in a month, by provider and model."""

from __future__ import annotations

from sqlalchemy import select

from onevault.core.identity import ScopeId
from onevault.core.ports import ModelUsage
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.schema.derived import model_usage


class VaultUsage:
    """Implements `ports.UsageHistory`: usage by month and model, from sums that are written together with the calls themselves.

    A reset of a quota leaves these figures as they are: they tell what was used, not what counts against a limit.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def by_model(self, scope: ScopeId, month: str) -> list[ModelUsage]:
        """One row for each provider and model of a month (`2026-11`, in the organization's time zone), dearest first."""
        table = model_usage.c
        query = (
            select(
                table.provider_bk,
                table.model,
                table.requests,
                table.input_tokens,
                table.output_tokens,
                table.cost_nanos,
            )
            .where(table.scope == scope, table.month_label == month)
            .order_by(table.cost_nanos.desc(), table.provider_bk, table.model)
        )
        rows = await self._vault.read(lambda connection: connection.execute(query).all())
        return [ModelUsage(*row) for row in rows]
