"""Rotation of master and data keys: it may die after any of its changes, and everything opens before, between and after."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import msgspec
import pytest
from tests.contract.vault.conftest import MovedClock

from onevault.core.directory import Change, Changes, Snapshot
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import DataKey, Organization, ProviderKey, Status, Webhook, of_tenant
from onevault.core.secret_places import Place, webhook_secret
from onevault.policy.envelope import key_id_of
from onevault.policy.purpose import MasterKey, master_key
from onevault.stores.keys.keyring import Keyring, MasterKeyMissing
from onevault.stores.keys.masters import LocalMasterKeys
from onevault.stores.keys.rotation import Rotated, Rotation
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault, open_vault

OLD, NEW, OTHER = (master_key(base64.b64encode(bytes([n] * 4 + list(range(28)))).decode()) for n in (1, 2, 3))
KEYS = {f"pk_{number}": f"sk-secret-{number}".encode() for number in range(3)}
WEBHOOKS = {"wh_one": b"whsec-one", "wh_one before": b"whsec-before", "wh_other": b"whsec-other"}
SECRETS = KEYS | WEBHOOKS
_ids = count()


class Killed(Exception):
    pass


class Dying:
    """A directory whose process dies before its change number `after`; it may also be changed by somebody else in between."""

    def __init__(self, directory: VaultDirectory, after: int) -> None:
        self.directory = directory
        self.left = after

    async def snapshot(self) -> Snapshot:
        return await self.directory.snapshot()

    async def changes(self, since: int) -> Changes:
        return await self.directory.changes(since)

    async def put(self, change: Change) -> None:
        if not self.left:
            raise Killed
        self.left -= 1
        await self.directory.put(change)

    async def put_each(self, changes: Sequence[Change]) -> list[Fault | None]:
        raise NotImplementedError


def keyring(directory: VaultDirectory | Dying, clock: MovedClock, *masters: MasterKey) -> Keyring:
    return Keyring(
        directory,
        LocalMasterKeys(masters, os.urandom) if masters else None,
        clock,
        ids=lambda: f"{next(_ids):06}",
        random_bytes=os.urandom,
        tenant_id="default",
    )


def place(key_id: str) -> Place:
    return Place("gateway.customer_provider_keys_s", key_id, "api_key_encrypted")


async def filled(directory: VaultDirectory, clock: MovedClock) -> None:
    ring = keyring(directory, clock, OLD)
    for number, (key_id, secret) in enumerate(KEYS.items()):
        org_id = f"org_{number}"
        await directory.put(Change("a", "", Organization(org_id=org_id, tenant_id="default", name=org_id)))
        sealed = await ring.seal(secret, place(key_id))
        key = ProviderKey(
            provider_key_id=key_id,
            org_id=org_id,
            provider="openai",
            credential="api_key",
            sealed=sealed.envelope,
            encryption_key_id=sealed.encryption_key_id,
            tail="",
            fingerprint=await ring.fingerprint(secret, "provider-key"),
        )
        await directory.put(Change("a", "", key))
    for webhook_id, org_id in (("wh_one", "org_0"), ("wh_other", of_tenant("default"))):
        where, before = webhook_secret(webhook_id), WEBHOOKS.get(f"{webhook_id} before")
        webhook = Webhook(
            webhook_id=webhook_id,
            org_id=org_id,
            url="https://hooks.example.com",
            sealed=(await ring.seal(WEBHOOKS[webhook_id], where)).envelope,
            previous_sealed=None if before is None else (await ring.seal(before, where)).envelope,
        )
        await directory.put(Change("a", "", webhook))


def envelopes(snapshot: Snapshot) -> list[bytes]:
    """Whatever entities have that is called sealed: something new is found here, too."""
    return [
        value
        for kept in msgspec.structs.asdict(snapshot).values()
        if isinstance(kept, dict)
        for entity in kept.values()
        if not isinstance(entity, DataKey)
        for name, value in msgspec.structs.asdict(entity).items()
        if "sealed" in name and value
    ]


async def rotated(directory: VaultDirectory | Dying, clock: MovedClock, *, data_keys: bool) -> Rotated:
    ring = keyring(directory, clock, NEW, OLD)
    rotation = Rotation(directory, ring, lambda text: text, tenant_id="default", current_id=NEW.key_id)
    return await rotation.run(data_keys=data_keys)


async def opened(directory: VaultDirectory, clock: MovedClock, *masters: MasterKey) -> dict[str, bytes]:
    snapshot = await directory.snapshot()
    ring = keyring(directory, clock, *masters)
    await ring.load(snapshot.data_keys, version=snapshot.version)
    found = {key_id: await ring.open(key.sealed, place(key_id)) for key_id, key in snapshot.provider_keys.items()}
    for webhook_id, webhook in snapshot.webhooks.items():
        found[webhook_id] = await ring.open(webhook.sealed, webhook_secret(webhook_id))
        if webhook.previous_sealed is not None:
            found[f"{webhook_id} before"] = await ring.open(webhook.previous_sealed, webhook_secret(webhook_id))
    return found


@pytest.mark.parametrize("data_keys", [False, True])
async def test_a_rotation_may_die_after_any_change_and_is_finished_by_the_next(
    tmp_path: Path, clock: MovedClock, data_keys: bool
) -> None:
    for after in range(30):
        async with open_vault(tmp_path / f"vault-{after}") as vault:
            directory = VaultDirectory(vault, clock)
            await filled(directory, clock)
            clock.now_ns += 1_000_000_000
            died = True
            try:
                await rotated(Dying(directory, after), clock, data_keys=data_keys)
                died = False
            except Killed:
                pass
            # A gateway that knows both master keys opens everything in between.
            assert await opened(directory, clock, OLD, NEW) == SECRETS
            clock.now_ns += 1_000_000_000
            await rotated(directory, clock, data_keys=data_keys)
            assert await opened(directory, clock, NEW) == SECRETS
            snapshot = await directory.snapshot()
            active = [key for key in snapshot.data_keys.values() if key.status is Status.ACTIVE]
            assert len(active) == 1
            assert {key.encryption_key_id for key in snapshot.data_keys.values()} == {NEW.key_id}
            assert {key.encryption_key_id for key in snapshot.provider_keys.values()} == {NEW.key_id}
            assert {key_id_of(sealed) for sealed in envelopes(snapshot)} == {active[0].data_key_id}
            assert len(envelopes(snapshot)) == len(SECRETS)
            # What died half-way is gone on with; only two whole rotations make two data keys more.
            assert len(snapshot.data_keys) <= (3 if data_keys else 1)
            with pytest.raises(MasterKeyMissing, match=NEW.key_id):
                await opened(directory, clock, OLD)
        if not died:
            return
    raise AssertionError("a rotation of three keys takes fewer changes than that")


async def test_a_secret_that_a_webhook_had_before_is_sealed_anew_where_only_the_present_one_is_new(
    vault: Vault, clock: MovedClock
) -> None:
    directory = VaultDirectory(vault, clock)
    await filled(directory, clock)
    ring = keyring(directory, clock, OLD)
    snapshot = await directory.snapshot()
    await ring.load(snapshot.data_keys, version=snapshot.version)
    clock.now_ns += 1_000_000_000
    await ring.make()  # a rotation begins …
    webhook = snapshot.webhooks["wh_one"]
    fresh = (await ring.seal(b"whsec-fresh", webhook_secret("wh_one"))).envelope  # … and an admin makes a new secret
    changed = msgspec.structs.replace(
        webhook, sealed=fresh, previous_sealed=webhook.sealed, version=webhook.version + 1
    )
    await directory.put(Change("a", "", changed))
    await rotated(directory, clock, data_keys=True)
    after = await directory.snapshot()
    (active,) = [key for key in after.data_keys.values() if key.status is Status.ACTIVE]
    assert {key_id_of(sealed) for sealed in envelopes(after)} == {active.data_key_id}
    found = await opened(directory, clock, NEW)
    assert (found["wh_one"], found["wh_one before"]) == (b"whsec-fresh", b"whsec-one")


async def test_keys_that_are_changed_meanwhile_are_not_overwritten(vault: Vault, clock: MovedClock) -> None:
    directory = VaultDirectory(vault, clock)
    await filled(directory, clock)

    class Interfering(Dying):
        async def put(self, change: Change) -> None:
            if isinstance(change.entity, ProviderKey) and self.left:
                self.left = 0
                before = (await self.directory.snapshot()).provider_keys[change.entity.provider_key_id]
                changed = ProviderKey(
                    **{name: getattr(before, name) for name in before.__struct_fields__}
                    | {"name": "changed meanwhile", "version": before.version + 1}
                )
                await self.directory.put(Change("admin", "", changed))
            await self.directory.put(change)

    await rotated(Interfering(directory, 1), clock, data_keys=True)
    assert await opened(directory, clock, NEW) == SECRETS
    assert "changed meanwhile" in {key.name for key in (await directory.snapshot()).provider_keys.values()}


async def test_without_the_wrapping_master_key_nothing_is_touched(vault: Vault, clock: MovedClock) -> None:
    directory = VaultDirectory(vault, clock)
    await filled(directory, clock)
    before = await directory.snapshot()
    ring = keyring(directory, clock, NEW, OTHER)
    with pytest.raises(MasterKeyMissing, match=f"{OLD.key_id} .1 data keys.; the one given is {NEW.key_id}"):
        await Rotation(directory, ring, lambda text: text, tenant_id="default", current_id=NEW.key_id).run(
            data_keys=True
        )
    with pytest.raises(MasterKeyMissing, match="none is given"):
        await keyring(directory, clock).load(before.data_keys, version=before.version)
    assert await directory.snapshot() == before


async def test_a_damaged_data_key_is_named(vault: Vault, clock: MovedClock) -> None:
    directory = VaultDirectory(vault, clock)
    await filled(directory, clock)
    (data_key,) = (await directory.snapshot()).data_keys.values()
    damaged = DataKey(
        data_key_id=data_key.data_key_id,
        tenant_id="default",
        wrapped=data_key.wrapped[:-1] + bytes([data_key.wrapped[-1] ^ 1]),
        encryption_key_id=data_key.encryption_key_id,
    )
    with pytest.raises(MasterKeyMissing, match=f"do not open although.*{data_key.data_key_id}"):
        await keyring(directory, clock, OLD).load({damaged.data_key_id: damaged}, version=1)


async def test_a_secret_of_another_row_does_not_open_and_says_so_without_it(vault: Vault, clock: MovedClock) -> None:
    directory = VaultDirectory(vault, clock)
    await filled(directory, clock)
    ring = keyring(directory, clock, OLD)
    moved = (await directory.snapshot()).provider_keys["pk_0"].sealed
    with pytest.raises(Fault) as refusal:
        await ring.open(moved, place("pk_1"))
    assert refusal.value.kind is FaultKind.STORE_UNAVAILABLE
    assert "sk-secret" not in refusal.value.message
