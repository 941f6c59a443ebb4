"""What everybody who changes organizations, users or keys works with: the register, the clock, and who they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from onevault.admin.inputs import Input
from onevault.admin.register import Register
from onevault.admin.shelves import Shelves
from onevault.admin.target_limits import check_providers
from onevault.config.schema import ProviderSettings
from onevault.core.directory import Directory, Entity
from onevault.core.identity import Role
from onevault.core.ports import Clock, IdSource, Sealer
from onevault.policy.key_notices import Put
from onevault.policy.outbound import destination

RandomBytes = Callable[[int], bytes]
"""So many bytes from a cryptographic source (`secrets.token_bytes`)."""


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
