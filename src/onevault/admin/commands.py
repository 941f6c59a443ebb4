"""Creates, changes and ends organizations, users and keys: what the admin API and the command line both do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
from pydantic import ValidationError

from onevault.admin.errors import fault_of_validation
from onevault.admin.inputs import (
    CreateKey,
    CreateOrganization,
    CreateUser,
    Input,
    RotateKey,
    UpdateKey,
    UpdateOrganization,
    UpdateUser,
)
from onevault.admin.register import Register
from onevault.admin.shelves import Shelves
from onevault.admin.target_limits import check_providers
from onevault.config.schema import ProviderSettings
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import (
    AdminKey,
    ApiKey,
    Organization,
    ProviderKey,
    Role,
    Status,
    Team,
    Tenant,
    User,
    Webhook,
)
from onevault.core.keys import RANDOM_BYTES_PER_KEY, key_prefix, key_sha256, key_text
from onevault.core.ports import Clock, Directory, Entity, IdSource, Sealer
from onevault.policy.access import FAIL_OPEN
from onevault.policy.key_notices import Put
from onevault.policy.outbound import destination

RandomBytes = Callable[[int], bytes]
"""So many bytes from a cryptographic source (`secrets.token_bytes`)."""
I = TypeVar("I", bound=Input)  # noqa: E741 - the customary letter of a type of input


async def as_written(url: str) -> None:
    """Looks only at how a URL is written: whoever sends to it checks where it leads."""
    destination(url)


def unheard(entity: Entity) -> None:
    """For a process that serves no calls: nobody in it needs to hear of the change."""


class Actor(msgspec.Struct, frozen=True):
    """Who makes a change and from where, for the history; and what they may, which by default is everything.

    `name` is the admin key's id. `org_id` None: the whole tenant.
    """

    name: str
    address: str = ""
    role: Role = Role.OWNER
    org_id: str | None = None
    expires_at_ms: int | None = None


class NewKey(msgspec.Struct, frozen=True):
    """A key as it was made; `text` is nowhere else and cannot be shown again."""

    key: ApiKey
    text: str


def read(model: type[I], values: Mapping[str, object]) -> I:
    """Values as the admin API takes them, checked by the same rules. Raises Fault with the field at fault."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as problems:
        raise fault_of_validation(problems) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What every change needs. `register` is shared by all that change things in one process."""

    register: Register
    clock: Clock
    ids: IdSource
    random_bytes: RandomBytes
    tenant_id: str = "default"
    sealer: Sealer | None = None
    providers: Callable[[], Mapping[str, ProviderSettings]] = dict
    """The configured entries by name."""
    check_url: Callable[[str], Awaitable[None]] = as_written
    """Raises ValueError for a URL that nothing would be sent to."""

    def of(self, actor: Actor) -> Office:
        """The same office, with nothing in it that the actor may not see."""
        register = self.register.within(actor.org_id)
        return self if register is self.register else replace(self, register=register)

    @property
    def now_ms(self) -> int:
        return self.clock.wall_ns() // 1_000_000

    def changes(self, asked: Input) -> dict[str, object]:
        """What was said. Raises Fault INVALID_REQUEST for limits of providers that there are not."""
        return check_providers(asked.changes(), self.providers())


def office_of(
    directory: Directory,
    *,
    clock: Clock,
    ids: IdSource,
    random_bytes: RandomBytes,
    tenant_id: str = "default",
    on_change: Callable[[Entity], None] = unheard,
    on_put: Callable[[Sequence[Put]], None] = lambda _: None,
    check_url: Callable[[str], Awaitable[None]] = as_written,
    shelves: Shelves | None = None,
) -> Office:
    """An office of its own over a directory; on shelves of its own where none are given."""
    register = Register(directory, on_change, on_put=on_put, shelves=shelves)
    return Office(
        register=register, clock=clock, ids=ids, random_bytes=random_bytes, tenant_id=tenant_id, check_url=check_url
    )


# ---- organizations ---------------------------------------------------------------------------------------------------


_TIGHTENED = {
    "monthly_budget": "monthly_budget_usd",
    "daily_budget": "daily_budget_usd",
    "total_budget": "total_budget_usd",
    "max_cost_per_request": "max_cost_per_request_usd",
    "daily_request_limit": "daily_request_limit",
    "monthly_request_limit": "monthly_request_limit",
    "daily_token_limit": "daily_token_limit",
    "monthly_token_limit": "monthly_token_limit",
    "tokens_per_minute": "tokens_per_minute",
    "requests_per_minute": "requests_per_minute",
    "concurrent_requests": "concurrent_requests",
}
_FROM_ABOVE = (
    "provider_limits",
    "model_limits",
    "status",
    "byok",
    "time_zone",
    "failure_mode",
    "fallback_daily_limit",
    "compliance_level",
    "priority_tier",
)


def _only_tightens(before: Organization, changes: Mapping[str, object]) -> None:
    """Who is confined to an organization got its limits from above, and cannot have more: raises Fault FORBIDDEN."""
    for field, alias in _TIGHTENED.items():
        had, wanted = getattr(before, field), changes.get(field)
        if field in changes and had is not None and (not isinstance(wanted, int) or wanted > had):
            message = f"{alias}: a key to one organization can lower this limit, not raise it or take it away"
            raise Fault(FaultKind.FORBIDDEN, message, param=alias)
    for field in _FROM_ABOVE:
        if field in changes and changes[field] != getattr(before, field):
            alias = "suspended" if field == "status" else field
            message = f"{alias}: this needs an admin key to the whole tenant"
            raise Fault(FaultKind.FORBIDDEN, message, param=alias)


def with_failure_mode(organization: Organization, said: Mapping[str, object]) -> Organization:
    """Failing open needs a limit, and failing closed has none: raises Fault INVALID_REQUEST. A limit that nobody names again goes
    with its mode."""
    if organization.failure_mode == FAIL_OPEN:
        if organization.fallback_daily_limit is None:
            message = "fallback_daily_limit: fail_open needs what may be spent on a day while the ledger is away, in US dollars"
            raise Fault(FaultKind.INVALID_REQUEST, message, param="fallback_daily_limit")
        return organization
    if said.get("fallback_daily_limit") is not None:
        message = "fallback_daily_limit: it only holds with failure_mode fail_open"
        raise Fault(FaultKind.INVALID_REQUEST, message, param="fallback_daily_limit")
    return msgspec.structs.replace(organization, fallback_daily_limit=None)


async def create_organization(office: Office, asked: CreateOrganization, *, actor: Actor) -> Organization:
    """Raises Fault CONFLICT where another organization has the name, INVALID_REQUEST for a webhook that leads nowhere allowed."""
    await check_url(office, asked.webhook_url, field="webhook_url")
    async with office.register.lock:
        await office.register.refresh()
        _name_is_free(office.register, asked.name, but_for=None)
        organization = msgspec.structs.replace(
            Organization(
                org_id=f"org_{office.ids()}",
                tenant_id=office.tenant_id,
                name=asked.name,
                created_at_ms=office.now_ms,
            ),
            **office.changes(asked),
        )
        return await put(office, with_failure_mode(organization, office.changes(asked)), actor)


async def update_organization(
    office: Office, org_id: str, asked: UpdateOrganization, *, actor: Actor, version: int | None = None
) -> Organization:
    """Changes what was said. `version` is the one the caller saw: raises Fault CONFLICT if it is no longer the newest."""
    await check_url(office, asked.webhook_url, field="webhook_url")
    async with office.register.lock:
        await office.register.refresh()
        before = office.register.organization(org_id)
        is_version(before, version)
        changes = with_status(office.changes(asked))
        if actor.org_id is not None:
            _only_tightens(before, changes)
        if "name" in changes:
            _name_is_free(office.register, asked.name, but_for=org_id)
        after = with_failure_mode(msgspec.structs.replace(before, **changes), changes)
        return before if after == before else await put(office, following(after), actor)


async def delete_organization(office: Office, org_id: str, *, actor: Actor, version: int | None = None) -> Organization:
    """Ends it for good, and with it every call of its users and keys; its history and figures stay."""
    async with office.register.lock:
        await office.register.refresh()
        before = office.register.organization(org_id)
        is_version(before, version)
        return await put(office, following(msgspec.structs.replace(before, status=Status.DELETED)), actor)


# ---- users -----------------------------------------------------------------------------------------------------------


async def create_user(office: Office, asked: CreateUser, *, actor: Actor) -> User:
    """Raises Fault NOT_FOUND for the organization or the team, CONFLICT where one of its users has the e-mail address."""
    async with office.register.lock:
        await office.register.refresh()
        office.register.organization(asked.org_id)
        _team_is_there(office.register, asked.org_id, asked.team_id)
        _address_is_free(office.register, asked.org_id, asked.email, but_for=None)
        user = msgspec.structs.replace(
            User(user_id=f"usr_{office.ids()}", org_id=asked.org_id, email=asked.email, created_at_ms=office.now_ms),
            **office.changes(asked),
        )
        return await put(office, user, actor)


async def update_user(
    office: Office, user_id: str, asked: UpdateUser, *, actor: Actor, version: int | None = None
) -> User:
    """As `update_organization`."""
    async with office.register.lock:
        await office.register.refresh()
        before = office.register.user(user_id)
        is_version(before, version)
        changes = with_status(office.changes(asked))
        if "team_id" in changes:
            _team_is_there(office.register, before.org_id, asked.team_id)
        if "email" in changes:
            _address_is_free(office.register, before.org_id, asked.email, but_for=user_id)
        after = msgspec.structs.replace(before, **changes)
        return before if after == before else await put(office, following(after), actor)


async def delete_user(office: Office, user_id: str, *, actor: Actor, version: int | None = None) -> User:
    """Ends the user for good, and with it every call of its keys; its history and figures stay."""
    async with office.register.lock:
        await office.register.refresh()
        before = office.register.user(user_id)
        is_version(before, version)
        return await put(office, following(msgspec.structs.replace(before, status=Status.DELETED)), actor)


# ---- keys ------------------------------------------------------------------------------------------------------------


async def create_key(office: Office, user_id: str, asked: CreateKey, *, actor: Actor) -> NewKey:
    """A key of the user. Its text is in the result alone."""
    async with office.register.lock:
        await office.register.refresh()
        office.register.user(user_id)
        is_to_come(office, asked.expires_at_ms)
        text = key_text(office.random_bytes(RANDOM_BYTES_PER_KEY), test=asked.test)
        key = msgspec.structs.replace(
            ApiKey(
                key_id=f"key_{office.ids()}",
                user_id=user_id,
                sha256=key_sha256(text),
                prefix=key_prefix(text),
                created_at_ms=office.now_ms,
            ),
            **office.changes(asked),
        )
        return NewKey(await put(office, key, actor), text)


async def rotate_key(
    office: Office, user_id: str, key_id: str, asked: RotateKey, *, actor: Actor, version: int | None = None
) -> NewKey:
    """A key like this one in its place; this one works until the overlap ends, and both count in one scope meanwhile.

    Raises Fault CONFLICT for a key that no longer works: there is nothing to go on from.
    """
    async with office.register.lock:
        await office.register.refresh()
        before = office.register.key(user_id, key_id)
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
    """As `update_organization`. Raises Fault CONFLICT for a revoked key."""
    async with office.register.lock:
        await office.register.refresh()
        before = office.register.key(user_id, key_id)
        is_version(before, version)
        if before.status is not Status.ACTIVE:
            raise Fault(FaultKind.CONFLICT, "This API key is revoked and cannot be changed.", param="key_id")
        changes = office.changes(asked)
        if "expires_at_ms" in changes:
            is_to_come(office, asked.expires_at_ms)
        after = msgspec.structs.replace(before, **changes)
        return before if after == before else await put(office, following(after), actor)


async def revoke_key(office: Office, user_id: str, key_id: str, *, actor: Actor, version: int | None = None) -> ApiKey:
    """Ends the key for good. Revoking a revoked key changes nothing."""
    async with office.register.lock:
        await office.register.refresh()
        before = office.register.key(user_id, key_id)
        if before.status is Status.REVOKED:
            return before
        is_version(before, version)
        return await put(office, following(msgspec.structs.replace(before, status=Status.REVOKED)), actor)


# ---- the rules they share --------------------------------------------------------------------------------------------

E = TypeVar("E", Tenant, Organization, Team, User, ApiKey, AdminKey, ProviderKey, Webhook)


async def put(office: Office, entity: E, actor: Actor) -> E:
    """Makes the change, and says who did it."""
    await office.register.put(entity, actor=actor.name, address=actor.address)
    return entity


def following(entity: E) -> E:
    """The entity as its next version."""
    return msgspec.structs.replace(entity, version=entity.version + 1)


def is_version(entity: Entity, version: int | None) -> None:
    """Raises Fault CONFLICT where the caller saw another version."""
    if version is not None and version != entity.version:
        message = f"This has changed meanwhile: it is at version {entity.version}. Read it again, then change it."
        raise Fault(FaultKind.CONFLICT, message, param="If-Match")


def with_status(changes: dict[str, object]) -> dict[str, object]:
    """`suspended` as the status that it means."""
    if "suspended" in changes:
        changes["status"] = Status.SUSPENDED if changes.pop("suspended") else Status.ACTIVE
    return changes


def _name_is_free(register: Register, name: str, *, but_for: str | None) -> None:
    other = register.organization_called(name)
    if other is not None and other.org_id != but_for:
        raise Fault(FaultKind.CONFLICT, "Another organization has this name.", param="name")


def _address_is_free(register: Register, org_id: str, email: str, *, but_for: str | None) -> None:
    other = register.user_addressed(org_id, email)
    if other is not None and other.user_id != but_for:
        raise Fault(FaultKind.CONFLICT, "Another user of the organization has this e-mail address.", param="email")


def _team_is_there(register: Register, org_id: str, team_id: str | None) -> None:
    if team_id is not None and register.team(team_id).org_id != org_id:
        raise Fault(FaultKind.NOT_FOUND, "There is no such team of this organization.", param="team_id")


async def check_url(office: Office, url: str | None, *, field: str) -> None:
    """Raises Fault INVALID_REQUEST for a URL that nothing would be sent to. Names are looked up for it: not under the lock."""
    if url is None:
        return
    try:
        await office.check_url(url)
    except ValueError as refused:
        raise Fault(FaultKind.INVALID_REQUEST, f"{field}: {refused}", param=field) from None


def is_to_come(office: Office, expires_at_ms: int | None) -> None:
    """Raises Fault INVALID_REQUEST for a time that is past."""
    if expires_at_ms is not None and expires_at_ms <= office.now_ms:
        raise Fault(FaultKind.INVALID_REQUEST, "expires_at: must lie in the future", param="expires_at")
