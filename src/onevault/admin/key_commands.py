"""Creates, rotates, changes and revokes API keys."""

from __future__ import annotations

import msgspec

from onevault.admin.changing import following, is_to_come, is_version, put, put_changed, put_ended
from onevault.admin.inputs import CreateKey, RotateKey, UpdateKey
from onevault.admin.office import Actor, Office
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ApiKey, Status
from onevault.core.keys import RANDOM_BYTES_PER_KEY, key_prefix, key_sha256, key_text


class NewKey(msgspec.Struct, frozen=True):
    """A key as it was made; `text` is nowhere else and cannot be shown again."""

    key: ApiKey
    text: str


def new_key(office: Office, user_id: str, asked: CreateKey) -> NewKey:
    """As it is to be put; whether it may be is not looked at."""
    text = key_text(office.random_bytes(RANDOM_BYTES_PER_KEY), test=asked.test)
    key = ApiKey(
        key_id=f"key_{office.ids()}",
        user_id=user_id,
        sha256=key_sha256(text),
        prefix=key_prefix(text),
        created_at_ms=office.now_ms,
    )
    return NewKey(msgspec.structs.replace(key, **office.changes(asked)), text)


async def create_key(office: Office, user_id: str, asked: CreateKey, *, actor: Actor) -> NewKey:
    """A key of the user. Its text is in the result alone."""
    async with office.register.newest() as register:
        register.user(user_id)
        is_to_come(office, asked.expires_at_ms)
        made = new_key(office, user_id, asked)
        await put(office, made.key, actor)
        return made


async def rotate_key(
    office: Office, user_id: str, key_id: str, asked: RotateKey, *, actor: Actor, version: int | None = None
) -> NewKey:
    """A key like this one in its place; this one works until the overlap ends, and both count in one scope meanwhile.

    Raises Fault CONFLICT for a key that no longer works: there is nothing to go on from.
    """
    async with office.register.newest() as register:
        before = register.key(user_id, key_id)
        is_version(before, version)
        now_ms = office.now_ms
        if before.status is not Status.ACTIVE or (before.expires_at_ms is not None and before.expires_at_ms <= now_ms):
            message = "This API key is revoked or has expired; make a new one instead."
            raise Fault(FaultKind.CONFLICT, message, param="key_id")
        text = key_text(office.random_bytes(RANDOM_BYTES_PER_KEY), test=before.test)
        made = msgspec.structs.replace(
            before,
            key_id=f"key_{office.ids()}",
            sha256=key_sha256(text),
            prefix=key_prefix(text),
            counts_as=before.counts_as or before.key_id,
            created_at_ms=now_ms,
            version=1,
        )
        await put(office, made, actor)
        if asked.overlap:
            ends_at_ms = now_ms + asked.overlap * 1000
            ends_at_ms = ends_at_ms if before.expires_at_ms is None else min(ends_at_ms, before.expires_at_ms)
            after = msgspec.structs.replace(before, expires_at_ms=ends_at_ms)
        else:
            after = msgspec.structs.replace(before, status=Status.REVOKED)
        if after != before:
            await put(office, following(after), actor)
        return NewKey(made, text)


async def update_key(
    office: Office, user_id: str, key_id: str, asked: UpdateKey, *, actor: Actor, version: int | None = None
) -> ApiKey:
    """Changes what was said. Raises Fault CONFLICT for a revoked key, or where `version` is no longer the newest."""
    async with office.register.newest() as register:
        before = register.key(user_id, key_id)
        is_version(before, version)
        if before.status is not Status.ACTIVE:
            raise Fault(FaultKind.CONFLICT, "This API key is revoked and cannot be changed.", param="key_id")
        changes = office.changes(asked)
        if "expires_at_ms" in changes:
            is_to_come(office, asked.expires_at_ms)
        return await put_changed(office, before, msgspec.structs.replace(before, **changes), actor)


async def revoke_key(office: Office, user_id: str, key_id: str, *, actor: Actor, version: int | None = None) -> ApiKey:
    """Ends the key for good. Revoking a revoked key changes nothing."""
    async with office.register.newest() as register:
        before = register.key(user_id, key_id)
        if before.status is Status.REVOKED:
            return before
        is_version(before, version)
        return await put_ended(office, before, Status.REVOKED, actor)
