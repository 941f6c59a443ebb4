"""The routes of API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from onevault.admin import key_commands as commands
from onevault.admin.entity_out import KeyOut, NewKeyOut, key_out, new_key_out
from onevault.admin.http import (
    ActorOf,
    Desk,
    IdempotencyKey,
    IfMatch,
    ListQuery,
    StrictRoute,
    errors,
    etag,
    version_of,
)
from onevault.admin.inputs import CreateKey, RotateKey, UpdateKey
from onevault.admin.outputs import PageOut, page_out
from onevault.core.faults import Fault, FaultKind

_ALL_DEFAULTS = CreateKey.model_validate({})
_USUAL_ROTATION = RotateKey.model_validate({})


def key_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin/users/{user_id}/api-keys", tags=["api keys"], route_class=StrictRoute)

    @routes.post("", status_code=201, responses=errors(404, 409), summary="Create an API key")
    async def create_key(
        user_id: str,
        actor: ActorOf,
        response: Response,
        asked: Annotated[CreateKey, Body()] = _ALL_DEFAULTS,
        idempotency_key: IdempotencyKey = None,
    ) -> NewKeyOut:
        """`api_key` is shown in this answer and never again: a repetition with the same Idempotency-Key makes no second
        key, and is answered with 409 that names the first one."""

        async def act() -> NewKeyOut:
            made = await commands.create_key(desk.office.of(actor), user_id, asked, actor=actor)
            return new_key_out(made.key, made.text)

        fingerprint = f"keys of {user_id} {asked.fingerprint()}"
        made = await desk.idempotency.once(idempotency_key, fingerprint, act, keep=_already_shown, by=actor.name)
        etag(response, made.version)
        return made

    @routes.get("", responses=errors(404), summary="List a user's API keys")
    async def list_keys(user_id: str, query: ListQuery, actor: ActorOf) -> PageOut[KeyOut]:
        """Revoked ones too."""
        register = await desk.seen_by(actor)
        register.user(user_id)
        page = register.keys(user_id, query.after, limit=query.limit)
        return page_out(page, key_out)

    @routes.get("/{key_id}", responses=errors(404), summary="Read an API key")
    async def read_key(user_id: str, key_id: str, response: Response, actor: ActorOf) -> KeyOut:
        register = await desk.seen_by(actor)
        key = register.key(user_id, key_id)
        etag(response, key.version)
        return key_out(key)

    @routes.patch("/{key_id}", responses=errors(404, 409), summary="Change an API key")
    async def update_key(
        user_id: str, key_id: str, asked: UpdateKey, actor: ActorOf, response: Response, if_match: IfMatch = None
    ) -> KeyOut:
        """An absent field stays as it is; null takes a limit away. Holds for the key's next call."""
        version = version_of(if_match)
        changed = await commands.update_key(desk.office.of(actor), user_id, key_id, asked, actor=actor, version=version)
        etag(response, changed.version)
        return key_out(changed)

    @routes.delete("/{key_id}", responses=errors(404, 409), summary="Revoke an API key")
    async def revoke_key(user_id: str, key_id: str, actor: ActorOf, if_match: IfMatch = None) -> KeyOut:
        """For good and at once. Revoking it again changes nothing."""
        version = version_of(if_match)
        return key_out(await commands.revoke_key(desk.office.of(actor), user_id, key_id, actor=actor, version=version))

    @routes.post(
        "/{key_id}/rotate", status_code=201, responses=errors(404, 409), summary="Put a new API key in the place of one"
    )
    async def rotate_key(
        user_id: str,
        key_id: str,
        actor: ActorOf,
        response: Response,
        asked: Annotated[RotateKey, Body()] = _USUAL_ROTATION,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> NewKeyOut:
        """The new key may do what the old one may, until the same time, and shares its limits and usage. The old key works for
        `overlap` more seconds. `api_key` is shown in this answer and never again."""
        version = version_of(if_match)

        async def act() -> NewKeyOut:
            office = desk.office.of(actor)
            made = await commands.rotate_key(office, user_id, key_id, asked, actor=actor, version=version)
            return new_key_out(made.key, made.text)

        fingerprint = f"rotate {user_id} {key_id} {asked.fingerprint()}"
        made = await desk.idempotency.once(idempotency_key, fingerprint, act, keep=_already_shown, by=actor.name)
        etag(response, made.version)
        return made

    return routes


def _already_shown(made: NewKeyOut) -> NewKeyOut | Fault:
    message = (
        f"This Idempotency-Key already made {made.key_id}, whose text was shown once. "
        "If it was lost, revoke that key and make another."
    )
    return Fault(FaultKind.CONFLICT, message, param="Idempotency-Key")
