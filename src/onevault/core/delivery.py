"""Notices as they are kept and sent out: the words for it, and the ports behind which that is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from onevault.core.identity import ScopeId, Window
from onevault.core.money import Nanos
from onevault.core.notices import Notice


class Kept(msgspec.Struct, frozen=True):
    """A notice in the vault. `number` grows with every notice; lists go on from it."""

    number: int
    notice_id: str
    notice: Notice


class Told(msgspec.Struct, frozen=True):
    """A notice on its way into the vault, with the webhooks that want it."""

    notice_id: str
    notice: Notice
    webhook_ids: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which notices: of a tenant, and of these only those that are as said. Times are wall time in ns."""

    tenant_id: str
    org_id: str | None = None
    kind: str | None = None
    since_ns: int | None = None
    notice_id: str | None = None


class NoticeStore(Protocol):
    """Keeps notices, each `once` of a tenant once, over any number of processes. An unreachable store raises its driver's error."""

    async def keep(self, told: Sequence[Told], *, now_ns: int) -> int:
        """Keeps those that are not there yet, and with each a delivery to every webhook that wants it, all together or nothing.
        To repeat it is harmless. Answers how many were new."""

    async def page(self, asked: Asked, *, after: int | None, limit: int, newest_first: bool) -> list[Kept]:
        """Notices in the order of their numbers, from beyond `after`."""

    async def newest(self) -> int:
        """The number of the newest; 0 before the first."""

    async def forget(self, *, before_ns: int) -> int:
        """Deletes what happened before, with its deliveries, but for what is to happen once for all time. Answers how many."""


class Standing(msgspec.Struct, frozen=True):
    """What a scope has used in a window."""

    scope: ScopeId
    spent: Nanos
    tokens: int
    requests: int


class Standings(Protocol):
    """What all scopes have used, as far as the store knows calls. An unreachable store raises its driver's error."""

    async def page(self, window: Window, label: str, *, after: str, limit: int) -> list[Standing]:
        """Of a window (`2026-11-21`, `2026-11`, "" for all time), in the order of scopes, from beyond `after`."""

    async def told(self, tenant_id: str, once: Collection[str]) -> set[str]:
        """Which of these notices are kept already."""


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up: the tries are used up, or the webhook is gone or switched off."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notice to one webhook. `due_ns` is when it is tried (again); `last_*` tell of the last try, never in a receiver's words."""

    number: int
    webhook_id: str
    kept: Kept
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    due_ns: int = 0
    last_status: int | None = None
    last_error: str = ""
    ended_ns: int | None = None


class Outbox(Protocol):
    """Deliveries to come. An unreachable store raises its driver's error."""

    async def take(
        self, *, now_ns: int, until_ns: int, limit: int, each_max: int, under_way: Mapping[str, int]
    ) -> list[Delivery]:
        """Deliveries that are due and that nobody is at, the longest due first, at most `each_max` of one webhook with those that
        the caller is at: this process's until `until_ns`, then anybody's again if they were not put back."""

    async def put_back(self, delivery: Delivery) -> None:
        """What became of a delivery that was taken."""


class Deliveries(Protocol):
    """Looks at deliveries, and begins them again. An unreachable store raises its driver's error."""

    async def page(
        self, webhook_id: str, *, state: DeliveryState | None, after: int | None, limit: int
    ) -> list[Delivery]:
        """Those of a webhook, the newest first, from beyond `after`."""

    async def find(self, webhook_id: str, number: int) -> Delivery | None:
        """One of a webhook's."""

    async def again(self, webhook_id: str, number: int, *, now_ns: int) -> bool:
        """Has a dead one tried from the beginning, now; False where there is no dead one of this number."""


class Posted(msgspec.Struct, frozen=True):
    """How a try ended. `status` None: there was no answer, and `error` says why in the gateway's own words."""

    status: int | None
    error: str = ""

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Poster(Protocol):
    """Sends bytes to addresses that tenants name."""

    async def post(self, url: str, *, headers: dict[str, str], body: bytes) -> Posted:
        """One try, over a connection of its own to an address that was checked. Follows no redirect, keeps nothing of the answer
        but its status. Never raises for what the other side does."""

    async def check(self, url: str) -> None:
        """Raises ValueError, with the reason in words that may be shown, for a URL that nothing would be sent to."""
