"""Keeps notices and their deliveries in the vault: each notice once, with a delivery to every webhook that wants it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, func, not_, or_, select

from onevault.core.delivery import Asked, DeliveryState, Kept, Told
from onevault.core.identity import ScopeId
from onevault.core.notices import Notice, NoticeKind
from onevault.policy.thresholds import ALL_TIME
from onevault.stores.sql import locks
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.schema.notices import notice, webhook_delivery

SOURCE: Final = "notices"


class VaultNotices:
    """Implements `core.delivery.NoticeStore`. An unreachable vault raises the driver's error
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
    if asked.notice_id is not None:
        query = query.where(notice.c.notice_id == asked.notice_id)
    if after is not None:
        query = query.where(number < after if newest_first else number > after)
    query = query.order_by(number.desc() if newest_first else number).limit(limit)
    return [kept_of(row) for row in connection.execute(query)]


def _forget(connection: Connection, before_ns: int) -> int:
    old = and_(notice.c.occurred_ns < before_ns, not_(notice.c.once.startswith(f"{ALL_TIME}|", autoescape=True)))
    numbers = select(notice.c.number).where(old)
    connection.execute(delete(webhook_delivery).where(webhook_delivery.c.notice_number.in_(numbers)))
    return connection.execute(delete(notice).where(old)).rowcount


def kept_of(row: Row[Any]) -> Kept:
    """A notice as its row has it."""
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
