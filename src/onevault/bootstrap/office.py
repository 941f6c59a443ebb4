"""Opens the vault for a command that changes organizations, users or keys, beside a running gateway or without one."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from onevault.admin.commands import Office, office_of
from onevault.bootstrap.system import SystemClock, new_id
from onevault.config.load import load
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import VaultUnusable, open_vault


@asynccontextmanager
async def open_office(config: Path | None) -> AsyncGenerator[Office]:
    """Raises ConfigurationError, OSError for a data directory that cannot be used."""
    settings = load(config, os.environ)
    settings.gateway.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        async with open_vault(settings.gateway.data_dir, database_url=settings.gateway.vault_url) as vault:
            yield office_of(
                VaultDirectory(vault, SystemClock()),
                clock=SystemClock(),
                ids=new_id,
                random_bytes=secrets.token_bytes,
                tenant_id=settings.tenant.tenant_id,
            )
    except VaultUnusable as error:
        raise OSError(str(error)) from None
