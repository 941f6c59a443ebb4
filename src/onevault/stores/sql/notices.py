"""Keeps notices and their deliveries in the vault: each notice once, each delivery with one process at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, func, not_, or_, select, update

from onevault.core.delivery import Asked, Delivery, DeliveryState, Kept, Told
from onevault.core.identity import ScopeId
from onevault.core.notices import Notice, NoticeKind
from onevault.policy.thresholds import ALL_TIME
from onevault.stores.sql import locks
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.schema.notices import notice, webhook_delivery

SOURCE: Final = "notices"
_CANDIDATES_MAX: Final = 200


class VaultNotices:
    """Implements `core.delivery.NoticeStore` and `Outbox`. An unreachable vault raises the driver's error
    (`sqlalchemy.exc.SQLAlchemyError`)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def keep(self, told: Sequence[Told], *, now_ns: int) -> int:
        return await self._vault.write(lambda connection: _keep(connection, told, now_ns))

    async def page(self, asked: Asked, *, after: int | None, limit: int, newest_first: bool) -> list[Kept]:
        return await self._vault.read(lambda connection: _page(connection, asked, after, limit, newest_first))

    async def newest(self) -> int:
        return await self._vault.read(_newest)

    async def forget(self, *, before_ns: int) -> int:
        return await self._vault.write(lambda connection: _forget(connection, before_ns))

    async def take(self, *, now_ns: int, until_ns: int, limit: int, each_max: int) -> list[Delivery]:
        """Asks with a reading first: mostly nothing is due, and a writing would wait for others."""
        due = await self._vault.read(lambda connection: _due(connection, now_ns, limit, each_max))
        return await self._vault.write(lambda connection: _take(connection, due, now_ns, until_ns)) if due else []

    async def put_back(self, delivery: Delivery) -> None:
        await self._vault.write(lambda connection: _put_back(connection, delivery))


def _newest(connection: Connection) -> int:
    return connection.execute(select(func.max(notice.c.number))).scalar_one() or 0


def _keep(connection: Connection, told: Sequence[Told], now_ns: int) -> int:
    # One writer at a time, so that numbers come into sight in their order and nobody who goes on from one misses another.
    locks.alone(connection, locks.NOTICES)
    kept = 0
    now = datetime.fromtimestamp(now_ns // 1000 / 1_000_000, tz=UTC)
    for each in told:
        said = each.notice
        once = said.once or each.notice_id
        same = and_(notice.c.tenant_bk == said.tenant_id, notice.c.once == once)
        if connection.execute(select(notice.c.number).where(or_(same, notice.c.notice_id == each.notice_id))).first():
            continue
        kept += 1
        number = connection.execute(
            notice.insert()
            .values(
                notice_id=each.notice_id,
                tenant_bk=said.tenant_id,
                customer_bk=said.org_id,
                kind=said.kind.value,
                scope=said.scope,
                once=once,
                occurred_ns=said.at_ns,
                facts=said.facts,
                load_date=now,
                record_source=SOURCE,
            )
            .returning(notice.c.number)
        ).scalar_one()
        for webhook_id in each.webhook_ids:
            connection.execute(
                webhook_delivery.insert().values(
                    webhook_bk=webhook_id,
                    notice_number=number,
                    state=DeliveryState.PENDING.value,
                    attempts=0,
                    due_ns=now_ns,
                    leased_until_ns=0,
                    load_date=now,
                )
            )
    return kept


def _page(connection: Connection, asked: Asked, after: int | None, limit: int, newest_first: bool) -> list[Kept]:
    number = notice.c.number
    query = select(notice).where(notice.c.tenant_bk == asked.tenant_id)
    if asked.org_id is not None:
        query = query.where(notice.c.customer_bk == asked.org_id)
    if asked.kind is not None:
        query = query.where(notice.c.kind == asked.kind)
    if asked.since_ns is not None:
        query = query.where(notice.c.occurred_ns >= asked.since_ns)
    if after is not None:
        query = query.where(number < after if newest_first else number > after)
    query = query.order_by(number.desc() if newest_first else number).limit(limit)
    return [_kept(row) for row in connection.execute(query)]


def _forget(connection: Connection, before_ns: int) -> int:
    old = and_(notice.c.occurred_ns < before_ns, not_(notice.c.once.startswith(f"{ALL_TIME}|", autoescape=True)))
    numbers = select(notice.c.number).where(old)
    connection.execute(delete(webhook_delivery).where(webhook_delivery.c.notice_number.in_(numbers)))
    return connection.execute(delete(notice).where(old)).rowcount


def _is_free(now_ns: int) -> Any:
    state, due, leased = webhook_delivery.c.state, webhook_delivery.c.due_ns, webhook_delivery.c.leased_until_ns
    return and_(state == DeliveryState.PENDING.value, due <= now_ns, leased <= now_ns)


def _due(connection: Connection, now_ns: int, limit: int, each_max: int) -> list[int]:
    columns = (webhook_delivery.c.number, webhook_delivery.c.webhook_bk)
    rows = connection.execute(
        select(*columns).where(_is_free(now_ns)).order_by(webhook_delivery.c.due_ns).limit(_CANDIDATES_MAX)
    )
    chosen: list[int] = []
    of_one: dict[str, int] = {}
    for number, webhook_id in rows:
        of_one[webhook_id] = of_one.get(webhook_id, 0) + 1
        if of_one[webhook_id] <= each_max and len(chosen) < limit:
            chosen.append(number)
    return chosen


def _take(connection: Connection, numbers: Sequence[int], now_ns: int, until_ns: int) -> list[Delivery]:
    taken = []
    for number in numbers:
        mine = and_(webhook_delivery.c.number == number, _is_free(now_ns))
        if connection.execute(update(webhook_delivery).where(mine).values(leased_until_ns=until_ns)).rowcount:
            row = connection.execute(
                select(notice, webhook_delivery.c.webhook_bk, webhook_delivery.c.attempts, webhook_delivery.c.due_ns)
                .join_from(webhook_delivery, notice, notice.c.number == webhook_delivery.c.notice_number)
                .where(webhook_delivery.c.number == number)
            ).one()
            taken.append(
                Delivery(
                    number=number,
                    webhook_id=row.webhook_bk,
                    kept=_kept(row),
                    attempts=row.attempts,
                    due_ns=row.due_ns,
                )
            )
    return taken


def _put_back(connection: Connection, delivery: Delivery) -> None:
    connection.execute(
        update(webhook_delivery)
        .where(webhook_delivery.c.number == delivery.number)
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


def _kept(row: Row[Any]) -> Kept:
    said = Notice(
        kind=NoticeKind(row.kind),
        tenant_id=row.tenant_bk,
        at_ns=row.occurred_ns,
        org_id=row.customer_bk,
        scope=None if row.scope is None else ScopeId(row.scope),
        once=row.once,
        facts=row.facts,
    )
    return Kept(row.number, row.notice_id, said)
