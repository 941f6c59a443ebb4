"""Rotates the keys of a vault for the command line, beside running gateways or without them."""

from __future__ import annotations

from onevault.bootstrap.master_keys import keyring_of, known_masters
from onevault.bootstrap.system import SystemClock
from onevault.config.credential import credential_of
from onevault.config.schema import Settings
from onevault.core.faults import Fault, FaultKind
from onevault.stores.keys.rotation import Rotated, Rotation
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import VaultUnusable, open_vault


async def rotate_keys(settings: Settings, *, data_keys: bool) -> Rotated:
    """Raises Fault INVALID_REQUEST without a master key, OSError for a vault or data keys that do not open."""
    masters = known_masters(settings)
    if not masters:
        raise Fault(
            FaultKind.INVALID_REQUEST, "No master key is known: set ONEVAULT_MASTER_KEY.", param="ONEVAULT_MASTER_KEY"
        )
    settings.gateway.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        async with open_vault(settings.gateway.data_dir, database_url=settings.gateway.vault_url) as vault:
            clock = SystemClock()
            directory = VaultDirectory(vault, clock)
            snapshot = await directory.snapshot()
            keyring = await keyring_of(settings, directory, clock, masters=masters, snapshot=snapshot)
            rotation = Rotation(
                directory,
                keyring,
                lambda text: credential_of(text).main_secret.encode(),
                tenant_id=settings.tenant.tenant_id,
                current_id=masters[0].key_id,
            )
            return await rotation.run(data_keys=data_keys)
    except VaultUnusable as error:
        raise OSError(str(error)) from None
