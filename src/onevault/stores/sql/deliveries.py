"""Hands deliveries out to one process at a time, keeps what became of them, and shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, select, update

from onevault.core.delivery import Delivery, DeliveryState
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.notices import kept_of
from onevault.stores.sql.schema.notices import notice, webhook_delivery

_CANDIDATES_MAX: Final = 200
_OF = webhook_delivery.c


class VaultDeliveries:
    """Implements `core.delivery.Outbox` and `Deliveries`. An unreachable vault raises the driver's error
    (`sqlalchemy.exc.SQLAlchemyError`)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def take(
        self, *, now_ns: int, until_ns: int, limit: int, each_max: int, under_way: Mapping[str, int]
    ) -> list[Delivery]:
        """Asks with a reading first: mostly nothing is due, and a writing would wait for others."""
        due = await self._vault.read(lambda connection: _due(connection, now_ns, limit, each_max, under_way))
        return await self._vault.write(lambda connection: _take(connection, due, now_ns, until_ns)) if due else []

    async def put_back(self, delivery: Delivery) -> None:
        """As the port says."""
        await self._vault.write(lambda connection: _put_back(connection, delivery))

    async def page(
        self, webhook_id: str, *, state: DeliveryState | None, after: int | None, limit: int
    ) -> list[Delivery]:
        """As the port says."""
        query = _deliveries().where(_OF.webhook_bk == webhook_id).order_by(_OF.number.desc()).limit(limit)
        if state is not None:
            query = query.where(_OF.state == state.value)
        if after is not None:
            query = query.where(_OF.number < after)
        return await self._vault.read(lambda connection: [_delivery(row) for row in connection.execute(query)])

    async def find(self, webhook_id: str, number: int) -> Delivery | None:
        """As the port says."""
        query = _deliveries().where(_OF.webhook_bk == webhook_id, _OF.number == number)
        found = await self._vault.read(lambda connection: [_delivery(row) for row in connection.execute(query)])
        return found[0] if found else None

    async def again(self, webhook_id: str, number: int, *, now_ns: int) -> bool:
        """As the port says."""
        dead = and_(_OF.webhook_bk == webhook_id, _OF.number == number, _OF.state == DeliveryState.DEAD.value)
        begun = (
            update(webhook_delivery)
            .where(dead)
            .values(state=DeliveryState.PENDING.value, attempts=0, due_ns=now_ns, leased_until_ns=0, ended_ns=None)
        )
        return await self._vault.write(lambda connection: connection.execute(begun).rowcount > 0)


def _is_free(now_ns: int) -> Any:
    return and_(_OF.state == DeliveryState.PENDING.value, _OF.due_ns <= now_ns, _OF.leased_until_ns <= now_ns)


def _due(connection: Connection, now_ns: int, limit: int, each_max: int, under_way: Mapping[str, int]) -> list[int]:
    of_one = dict(under_way)
    full = [webhook_id for webhook_id, count in of_one.items() if count >= each_max]
    # What is at its bound is not even looked at: a long queue of one webhook would hide the others' deliveries.
    query = select(_OF.number, _OF.webhook_bk).where(_is_free(now_ns), _OF.webhook_bk.not_in(full))
    chosen: list[int] = []
    for number, webhook_id in connection.execute(query.order_by(_OF.due_ns).limit(_CANDIDATES_MAX)):
        of_one[webhook_id] = of_one.get(webhook_id, 0) + 1
        if of_one[webhook_id] <= each_max and len(chosen) < limit:
            chosen.append(number)
    return chosen


def _take(connection: Connection, numbers: Sequence[int], now_ns: int, until_ns: int) -> list[Delivery]:
    taken = []
    for number in numbers:
        mine = and_(_OF.number == number, _is_free(now_ns))
        if connection.execute(update(webhook_delivery).where(mine).values(leased_until_ns=until_ns)).rowcount:
            taken.append(_delivery(connection.execute(_deliveries().where(_OF.number == number)).one()))
    return taken


def _put_back(connection: Connection, delivery: Delivery) -> None:
    connection.execute(
        update(webhook_delivery)
        .where(_OF.number == delivery.number)
        .values(
            state=delivery.state.value,
            attempts=delivery.attempts,
            due_ns=delivery.due_ns,
            leased_until_ns=0,
            last_status=delivery.last_status,
            last_error=delivery.last_error,
            ended_ns=delivery.ended_ns,
        )
    )


def _deliveries() -> Select[Any]:
    delivered = (
        _OF.number.label("delivery_number"),
        _OF.webhook_bk,
        _OF.state,
        _OF.attempts,
        _OF.due_ns,
        _OF.last_status,
        _OF.last_error,
        _OF.ended_ns,
    )
    return select(notice, *delivered).join_from(webhook_delivery, notice, notice.c.number == _OF.notice_number)


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.delivery_number,
        webhook_id=row.webhook_bk,
        kept=kept_of(row),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        due_ns=row.due_ns,
        last_status=row.last_status,
        last_error=row.last_error or "",
        ended_ns=row.ended_ns,
    )
