"""The routes of provider keys."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Response

from onevault.admin import provider_key_commands as commands
from onevault.admin.entity_out import ProviderKeyOut, provider_key_out
from onevault.admin.http import (
    ActorOf,
    Desk,
    IdempotencyKey,
    IfMatch,
    OfOrganizationQuery,
    StrictRoute,
    errors,
    etag,
    version_of,
)
from onevault.admin.inputs import CreateProviderKey, UpdateProviderKey
from onevault.admin.outputs import PageOut, page_out
from onevault.admin.usage import usage_of_provider_key
from onevault.admin.usage_out import UsageOut
from onevault.core.identity import is_of_tenant


def provider_key_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin/provider-keys", tags=["provider keys"], route_class=StrictRoute)

    @routes.post("", status_code=201, responses=errors(404, 409), summary="Keep a provider key")
    async def create_provider_key(
        asked: CreateProviderKey, actor: ActorOf, response: Response, idempotency_key: IdempotencyKey = None
    ) -> ProviderKeyOut:
        """An organization's own key is used for its calls to that provider from the next one on. The credential is sealed at
        once and is in no answer, list, export, log or record."""

        async def act() -> ProviderKeyOut:
            return provider_key_out(await commands.create_provider_key(desk.office.of(actor), asked, actor=actor))

        fingerprint = f"provider-keys {_digest(asked)}"
        made = await desk.idempotency.once(idempotency_key, fingerprint, act, by=actor.name)
        etag(response, made.version)
        return made

    @routes.get("", responses=errors(), summary="List provider keys")
    async def list_provider_keys(query: OfOrganizationQuery, actor: ActorOf) -> PageOut[ProviderKeyOut]:
        """Revoked and expired ones too."""
        register = await desk.seen_by(actor)
        page = register.provider_keys(query.after, limit=query.limit, org_id=query.org_id)
        return page_out(page, provider_key_out)

    @routes.get("/{provider_key_id}", responses=errors(404), summary="Read a provider key")
    async def read_provider_key(provider_key_id: str, response: Response, actor: ActorOf) -> ProviderKeyOut:
        register = await desk.seen_by(actor)
        key = register.provider_key(provider_key_id)
        etag(response, key.version)
        return provider_key_out(key)

    @routes.patch("/{provider_key_id}", responses=errors(404, 409), summary="Change a provider key")
    async def update_provider_key(
        provider_key_id: str, asked: UpdateProviderKey, actor: ActorOf, response: Response, if_match: IfMatch = None
    ) -> ProviderKeyOut:
        """An absent field stays as it is; null takes a limit away. A new credential is used from the next call on."""
        changed = await commands.update_provider_key(
            desk.office.of(actor), provider_key_id, asked, actor=actor, version=version_of(if_match)
        )
        etag(response, changed.version)
        return provider_key_out(changed)

    @routes.delete("/{provider_key_id}", responses=errors(404, 409), summary="Revoke a provider key")
    async def revoke_provider_key(provider_key_id: str, actor: ActorOf, if_match: IfMatch = None) -> ProviderKeyOut:
        """For good: within a second no gateway calls with it, nor keeps it open in memory."""
        return provider_key_out(
            await commands.revoke_provider_key(
                desk.office.of(actor), provider_key_id, actor=actor, version=version_of(if_match)
            )
        )

    @routes.get("/{provider_key_id}/usage", responses=errors(404), summary="What was spent with a provider key")
    async def read_provider_key_usage(provider_key_id: str, actor: ActorOf) -> UsageOut:
        """Of an organization's own key: what its provider charges for the calls made with it."""
        register = await desk.seen_by(actor)
        key = register.provider_key(provider_key_id)
        zone = desk.deps.time_zone
        if not is_of_tenant(key.org_id):
            zone = register.organization(key.org_id, deleted=True).time_zone
        return await usage_of_provider_key(desk.deps, key, zone)

    return routes


def _digest(asked: CreateProviderKey) -> str:
    """The same for the same input; the credential is in it and cannot be read from it."""
    said = {name: value for name, value in asked.changes().items() if name != "credential"}
    secrets = sorted((name, secret.reveal()) for name, secret in asked.credential.items())
    return hashlib.sha256(repr((sorted(said.items()), secrets)).encode()).hexdigest()
