"""Sets the rollups of a running day and month back, so that they come out the same in whichever order the records arrive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, select

from onevault.core.identity import ScopeId, Window
from onevault.core.records import QuotaReset
from onevault.core.windows import NS_PER_S, day_and_month
from onevault.stores.sql.hashing import hash_key
from onevault.stores.sql.schema import calls, derived
from onevault.stores.sql.tally import SET_SCOPE_USAGE, Resets, RowKey, reset_keys

_LINK = calls.api_request_l
_DETAIL = calls.api_request_detail_s
_FACTS = calls.api_request_s


def link_condition(scope: ScopeId) -> ColumnElement[bool] | None:
    """Which links belong to a scope (of one for a single provider or model, to the scope that it is part of); None for a kind of scope
    that calls are not linked to."""
    kind, _, bk = scope.partition("|")[0].partition(":")
    columns = {"org": _LINK.c.customer_hk, "user": _LINK.c.user_hk, "key": _LINK.c.api_key_hk}
    column = columns.get(kind)
    return None if column is None else column == hash_key(bk)


def resets_in_force(connection: Connection) -> Resets:
    """Every rollup that was set back, with the moment up to which settlements do not count in it."""
    table = derived.scope_usage
    query = select(table.c.time_window, table.c.label, table.c.scope, table.c.reset_ns)
    return {(row[0], row[1], row[2]): row[3] for row in connection.execute(query.where(table.c.reset_ns.is_not(None)))}


def apply_resets(connection: Connection, resets: Iterable[QuotaReset], in_force: Resets) -> None:
    """Sets rollups to what the calls loaded so far add up to after each reset, and `in_force` with them."""
    for reset in sorted(resets, key=lambda reset: reset.at_ns):
        for key in reset_keys(reset):
            if reset.at_ns <= in_force.get(key, -1):
                continue
            in_force[key] = reset.at_ns
            SET_SCOPE_USAGE.run(connection, (*key, *_settled_after(connection, reset, key), reset.at_ns))


def _settled_after(connection: Connection, reset: QuotaReset, key: RowKey) -> Sequence[int]:
    """Money, tokens, requests and overshoot of the loaded calls that were settled after the reset and count in this rollup.

    Usually none: the journal brings a reset before what follows it.
    """
    belongs = link_condition(reset.scope)
    sums = [0, 0, 0, 0]
    if belongs is None:
        return sums
    same_call = (_DETAIL.c.load_date == _LINK.c.load_date) & (_DETAIL.c.api_request_hk == _LINK.c.api_request_hk)
    same_facts = (_FACTS.c.load_date == _LINK.c.load_date) & (_FACTS.c.api_request_hk == _LINK.c.api_request_hk)
    query = (
        select(
            _DETAIL.c.started_ns,
            _DETAIL.c.time_zone,
            _DETAIL.c.cost_nanos,
            _DETAIL.c.amount_held_nanos,
            _FACTS.c.total_tokens,
            _DETAIL.c.scopes,
        )
        .select_from(_LINK.join(_DETAIL, same_call).join(_FACTS, same_facts))
        .where(
            belongs,
            _LINK.c.load_date >= datetime.fromtimestamp(reset.at_ns // NS_PER_S, tz=UTC),
            _DETAIL.c.settled_ns > reset.at_ns,
        )
    )
    for started_ns, time_zone, cost, amount_held, tokens, scopes in connection.execute(query):
        if reset.scope not in scopes:
            continue
        day, month = day_and_month(started_ns, time_zone)
        if key[1] == (day if key[0] == Window.DAY.value else month):
            used = (cost, tokens, 1, max(0, cost - amount_held))
            sums = [old + new for old, new in zip(sums, used, strict=True)]
    return sums
