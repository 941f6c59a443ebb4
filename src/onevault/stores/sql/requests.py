"""Reads settled calls back out of the vault, exactly as they were recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select, tuple_

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ScopeId
from onevault.core.money import Nanos
from onevault.core.records import AttemptRecord, Caller, Outcome, Settled
from onevault.core.usage import Usage, UsageSource
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.hashing import hash_key
from onevault.stores.sql.loader import Loader
from onevault.stores.sql.resets import link_condition
from onevault.stores.sql.schema import calls

RECENT_MAX = 1_000
_LOOK_AGAIN_S = 0.1

_hub, _facts, _detail = calls.api_request_h, calls.api_request_s, calls.api_request_detail_s
_link, _attempt = calls.api_request_l, calls.api_request_attempt_s


class VaultRequests:
    """The port `Requests` on the vault. Unreachable vault: raises Fault STORE_UNAVAILABLE from `find`'s flush."""

    def __init__(self, vault: Vault, loader: Loader, *, others_load_s: float = 0.0) -> None:
        """`others_load_s`: how long other processes, whose journals are not here, take at the most to bring in theirs."""
        self._vault = vault
        self._loader = loader
        self._others_load_s = others_load_s

    async def find(self, call_id: str) -> Settled | None:
        """A settled call; one that ended a moment ago is loaded from the journal first."""
        found = await self._vault.read(lambda connection: _find(connection, call_id))
        if found is None:
            await self._loader.flush()
            found = await self._vault.read(lambda connection: _find(connection, call_id))
        waited_s = 0.0
        while found is None and waited_s < self._others_load_s:
            await asyncio.sleep(_LOOK_AGAIN_S)
            waited_s += _LOOK_AGAIN_S
            found = await self._vault.read(lambda connection: _find(connection, call_id))
        return found

    async def recent(self, scope: ScopeId, *, limit: int, before: str | None) -> list[Settled]:
        """The newest calls of `org:`, `user:` or `key:`, by the moment of settlement; at most RECENT_MAX. Calls of the
        last moment may be missing until the loader has them. Raises Fault INVALID_REQUEST when `before` is no known call."""
        return await self._vault.read(lambda connection: _recent(connection, scope, min(limit, RECENT_MAX), before))


_COLUMNS = (
    _hub.c.api_request_hk,
    _hub.c.api_request_bk,
    _hub.c.load_date,
    _facts.c.request_type,
    _facts.c.prompt_tokens,
    _facts.c.completion_tokens,
    _facts.c.request_latency_ms,
    _facts.c.error_message,
    _facts.c.request_ip,
    _facts.c.user_agent,
    *(
        column
        for column in _detail.c
        if column.name not in {"api_request_hk", "load_date", "load_end_date", "hash_diff"}
    ),
)


def _calls() -> Select[Any]:
    of_hub = [
        (table.c.load_date == _hub.c.load_date) & (table.c.api_request_hk == _hub.c.api_request_hk)
        for table in (_facts, _detail)
    ]
    return select(*_COLUMNS).select_from(_hub.join(_facts, of_hub[0]).join(_detail, of_hub[1]))


def _find(connection: Connection, call_id: str) -> Settled | None:
    row = connection.execute(_calls().where(_hub.c.api_request_hk == hash_key(call_id))).one_or_none()
    return None if row is None else _settled(row, _attempts(connection, [row])[row.api_request_hk])


def _recent(connection: Connection, scope: ScopeId, limit: int, before: str | None) -> list[Settled]:
    belongs = link_condition(scope)
    if belongs is None or limit < 1:
        return []
    newest = select(_link.c.load_date, _link.c.api_request_hk).where(belongs)
    if before is not None:
        key = hash_key(before)
        moment = connection.execute(select(_hub.c.load_date).where(_hub.c.api_request_hk == key)).scalar_one_or_none()
        if moment is None:
            raise Fault(FaultKind.INVALID_REQUEST, "There is no such call to go on from.", param="before")
        newest = newest.where(
            _link.c.load_date <= moment, tuple_(_link.c.load_date, _link.c.api_request_hk) < (moment, key)
        )
    page = newest.order_by(_link.c.load_date.desc(), _link.c.api_request_hk.desc()).limit(limit).subquery()
    query = _calls().join(page, page.c.api_request_hk == _hub.c.api_request_hk)
    rows = connection.execute(query.order_by(_hub.c.load_date.desc(), _hub.c.api_request_hk.desc())).all()
    attempts = _attempts(connection, rows)
    return [_settled(row, attempts[row.api_request_hk]) for row in rows]


def _attempts(connection: Connection, rows: Sequence[Row[Any]]) -> dict[bytes, tuple[AttemptRecord, ...]]:
    found: dict[bytes, list[AttemptRecord]] = {row.api_request_hk: [] for row in rows}
    if not rows:
        return {}
    query = select(_attempt).where(
        _attempt.c.load_date.in_({row.load_date for row in rows}), _attempt.c.api_request_hk.in_(list(found))
    )
    for row in connection.execute(query.order_by(_attempt.c.attempt)):
        found[row.api_request_hk].append(
            AttemptRecord(
                provider=row.provider_bk,
                deployment=row.deployment,
                model=row.model,
                started_ns=row.started_ns,
                latency_ms=row.latency_ms,
                first_event_ms=row.first_event_ms,
                status=row.status,
                fault=row.fault,
                provider_text=row.provider_text,
            )
        )
    return {key: tuple(attempts) for key, attempts in found.items()}


def _settled(row: Row[Any], attempts: tuple[AttemptRecord, ...]) -> Settled:
    return Settled(
        call_id=row.api_request_bk,
        at_ns=row.settled_ns,
        started_ns=row.started_ns,
        caller=Caller(row.tenant_bk, row.customer_bk, row.user_bk, row.api_key_bk),
        scopes=tuple(map(ScopeId, row.scopes)),
        time_zone=row.time_zone,
        held=row.held,
        amount_held=Nanos(row.amount_held_nanos),
        cost=Nanos(row.cost_nanos),
        tokens_held=row.tokens_held,
        usage=Usage(
            input_tokens=row.prompt_tokens,
            output_tokens=row.completion_tokens,
            cache_read_tokens=row.cache_read_tokens,
            cache_write_tokens=row.cache_write_tokens,
            cache_write_1h_tokens=row.cache_write_1h_tokens,
            reasoning_tokens=row.reasoning_tokens,
            input_audio_tokens=row.input_audio_tokens,
            output_audio_tokens=row.output_audio_tokens,
            input_image_tokens=row.input_image_tokens,
            output_image_tokens=row.output_image_tokens,
            characters=row.characters,
            audio_ms=row.audio_ms,
            images=row.images,
            searches=row.searches,
            tier=row.service_tier,
            cache_read_audio_tokens=row.cache_read_audio_tokens,
            input_video_tokens=row.input_video_tokens,
        ),
        usage_source=UsageSource(row.usage_source),
        outcome=Outcome(row.outcome),
        fault=row.fault,
        fault_message=row.error_message or "",
        request_type=row.request_type,
        dialect=row.dialect,
        stream=row.stream,
        model_asked=row.model_asked,
        provider=row.provider_bk,
        model=row.model,
        price_version=row.price_version,
        route_reason=row.route_reason,
        latency_ms=row.request_latency_ms,
        attempts=attempts,
        excluded=tuple((name, reason) for name, reason in row.excluded),
        request_ip=row.request_ip or "",
        user_agent=row.user_agent or "",
        end_user=row.end_user,
        metadata=dict(row.metadata),
        provider_key=row.provider_key_bk or "",
        grace=bool(row.grace),
    )
