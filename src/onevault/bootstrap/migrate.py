"""Brings the vault to this version of the schema without starting a gateway: for deployments that do so first."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from onevault.config.schema import Settings
from onevault.stores.sql.engine import Vault, VaultUnusable


class Migrated(NamedTuple):
    """Which vault came from which version of the schema to which. 0: there was nothing."""

    vault: str
    before: int
    after: int


async def migrate_vault(settings: Settings) -> Migrated:
    """Creates what is missing. Gateways may run meanwhile, and several may do this at once. Raises OSError where it cannot be done."""
    try:
        vault = Vault(settings.gateway.data_dir, database_url=settings.gateway.vault_url)
        try:
            before, after = await asyncio.to_thread(vault.bring_up)
        finally:
            await vault.close()
    except VaultUnusable as error:
        raise OSError(str(error)) from None
    return Migrated(vault.database.where, before, after)
