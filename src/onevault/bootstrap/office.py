"""Opens the vault for a command that changes organizations, users or keys, beside a running gateway or without one."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from onevault.admin.office import Office, office_of
from onevault.bootstrap.notices import key_teller
from onevault.bootstrap.system import SystemClock, new_id
from onevault.bootstrap.webhooks import webhook_poster
from onevault.config.load import load
from onevault.core.delivery import Told
from onevault.core.notices import Notice
from onevault.policy.subscriptions import Subscriptions
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault, VaultUnusable, open_vault
from onevault.stores.sql.notices import VaultNotices

_KEPT_AT_ONCE = 200


class _Collected:
    """Implements `ports.Notices` for a command: all is kept at its end."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)


@asynccontextmanager
async def open_office(config: Path | None) -> AsyncGenerator[Office]:
    """What is changed is told of as a gateway would, whether one runs or not. Raises ConfigurationError, OSError for a data directory
    that cannot be used."""
    settings = load(config, os.environ)
    settings.gateway.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    collected, clock = _Collected(), SystemClock()
    try:
        async with open_vault(settings.gateway.data_dir, database_url=settings.gateway.vault_url) as vault:
            office = office_of(
                VaultDirectory(vault, clock),
                clock=clock,
                ids=new_id,
                random_bytes=secrets.token_bytes,
                tenant_id=settings.tenant.tenant_id,
                on_put=key_teller(collected, clock, tenant_id=settings.tenant.tenant_id),
                check_url=webhook_poster(settings).check,
            )
            try:
                yield office
            finally:
                await _keep(vault, office, collected.notices)
    except VaultUnusable as error:
        raise OSError(str(error)) from None


async def _keep(vault: Vault, office: Office, notices: Sequence[Notice]) -> None:
    known = office.register.known
    subscriptions = Subscriptions(known.organizations.get, known.webhooks.values())
    told = [Told(f"ntc_{new_id()}", notice, subscriptions.wanting(notice)) for notice in notices]
    for start in range(0, len(told), _KEPT_AT_ONCE):
        some = told[start : start + _KEPT_AT_ONCE]
        await VaultNotices(vault).keep(some, now_ns=office.clock.wall_ns())
