"""Creates, changes and ends provider keys: customers' own, and those of the tenant that the configuration names."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from onevault.admin.changing import following, is_to_come, is_version, put, put_changed, put_ended, whose
from onevault.admin.inputs import CreateProviderKey, UpdateProviderKey
from onevault.admin.office import Actor, Office
from onevault.config.credential import Credential, read_credential
from onevault.config.quantities import Refused
from onevault.config.secret import Secret
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ProviderKey, Status, is_of_tenant
from onevault.core.secret_places import Place

TABLE, COLUMN = "gateway.customer_provider_keys_s", "api_key_encrypted"
NO_SEALER = (
    "No master key is configured, so no secret can be kept: set ONEVAULT_MASTER_KEY to 32 random bytes in base64."
)


async def create_provider_key(office: Office, asked: CreateProviderKey, *, actor: Actor) -> ProviderKey:
    """Seals the credential; it is nowhere else afterwards. Raises Fault NOT_FOUND for the organization or the provider, CONFLICT
    where the organization has an active key for the provider already, INVALID_REQUEST for a credential of the wrong kind."""
    async with office.register.newest() as register:
        org_id = whose(office, asked.org_id, actor)
        credential = _credential(office, asked.provider, asked.credential)
        is_to_come(office, asked.expires_at_ms)
        if is_of_tenant(org_id):
            _fits_the_tenant(asked)
        key = ProviderKey(
            provider_key_id=f"pk_{office.ids()}",
            org_id=org_id,
            provider=asked.provider,
            credential=credential.kind,
            sealed=b"",
            encryption_key_id="",
            tail="",
            fingerprint="",
            created_at_ms=office.now_ms,
        )
        changes = {name: value for name, value in asked.changes().items() if name not in _OF_ITS_OWN}
        key = msgspec.structs.replace(key, **changes)
        if (other := register.provider_key_in(org_id, key.slot)) is not None:
            raise Fault(FaultKind.CONFLICT, _taken(key, other), param="name" if is_of_tenant(org_id) else "provider")
        return await put(office, await _sealed(office, key, credential), actor)


async def update_provider_key(
    office: Office, provider_key_id: str, asked: UpdateProviderKey, *, actor: Actor, version: int | None = None
) -> ProviderKey:
    """Changes what was said. A new credential takes the old one's place at once; the scope in which it counts stays.
    Raises Fault CONFLICT for a key that was revoked or has expired, or where `version` is no longer the newest."""
    async with office.register.newest() as register:
        before = register.provider_key(provider_key_id)
        is_version(before, version)
        if before.status is not Status.ACTIVE:
            message = f"This provider key is {before.status.value} and cannot be changed; create another."
            raise Fault(FaultKind.CONFLICT, message, param="provider_key_id")
        changes = asked.changes()
        if "expires_at_ms" in changes:
            is_to_come(office, asked.expires_at_ms)
        if is_of_tenant(before.org_id):
            _fits_the_tenant(asked, name=str(changes.get("name", before.name)))
        given = changes.pop("credential", None)
        after = msgspec.structs.replace(before, **changes)
        other = register.provider_key_in(after.org_id, after.slot)
        if other is not None and other.provider_key_id != provider_key_id:
            raise Fault(FaultKind.CONFLICT, _taken(after, other), param="name")
        if given is not None:
            credential = _credential(office, before.provider, asked.credential)
            after = msgspec.structs.replace(after, last_validated_ms=None)
            return await put(office, following(await _sealed(office, after, credential)), actor)
        return await put_changed(office, before, after, actor)


async def revoke_provider_key(
    office: Office, provider_key_id: str, *, actor: Actor, version: int | None = None
) -> ProviderKey:
    """Ends it for good: no call is made with it afterwards. Revoking a revoked key changes nothing."""
    async with office.register.newest() as register:
        before = register.provider_key(provider_key_id)
        if before.status is Status.REVOKED:
            return before
        is_version(before, version)
        return await put_ended(office, before, Status.REVOKED, actor)


_OF_ITS_OWN = ("org_id", "provider", "credential")


def _fits_the_tenant(asked: UpdateProviderKey, *, name: str | None = None) -> None:
    if not (asked.name if name is None else name):
        message = "name: is needed for a key of the whole tenant; the configuration names it as `api_key: vault:NAME`"
        raise Fault(FaultKind.INVALID_REQUEST, message, param="name")
    for field, alias in (
        ("daily_limit", "daily_spending_limit_usd"),
        ("monthly_limit", "monthly_spending_limit_usd"),
        ("allowed_models", "allowed_models"),
    ):
        if getattr(asked, field) is not None:
            message = f"{alias}: belongs to an organization's own key; a key of the whole tenant stands for its configured one"
            raise Fault(FaultKind.INVALID_REQUEST, message, param=alias)


def _taken(key: ProviderKey, other: ProviderKey) -> str:
    if is_of_tenant(key.org_id):
        return f"Another active key of the tenant has this name: {other.provider_key_id}."
    return (
        f"The organization has an active key for this provider: {other.provider_key_id}. "
        "Change its credential, or revoke it first."
    )


def _credential(office: Office, provider: str, given: Mapping[str, Secret]) -> Credential:
    entries = office.providers()
    entry = entries.get(provider)
    if entry is None:
        message = f"provider: no such provider is configured; there are: {', '.join(entries) or 'none'}"
        raise Fault(FaultKind.NOT_FOUND, message, param="provider")
    try:
        return read_credential({name: secret.reveal() for name, secret in given.items()}, entry)
    except Refused as refusal:
        field, _, reason = str(refusal).partition(": ")
        message = f"credential.{field}: {reason} (expected: {refusal.expected})"
        raise Fault(FaultKind.INVALID_REQUEST, message, param=f"credential.{field}") from None


async def _sealed(office: Office, key: ProviderKey, credential: Credential) -> ProviderKey:
    if office.sealer is None:
        raise Fault(FaultKind.STORE_UNAVAILABLE, NO_SEALER)
    sealed = await office.sealer.seal(credential.to_bytes(), Place(TABLE, key.provider_key_id, COLUMN))
    return msgspec.structs.replace(
        key,
        credential=credential.kind,
        sealed=sealed.envelope,
        encryption_key_id=sealed.encryption_key_id,
        tail=credential.tail,
        fingerprint=await office.sealer.fingerprint(credential.main_secret.encode(), "provider-key"),
    )
