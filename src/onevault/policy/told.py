"""Decides which limits a caller is told of, and in whose figures."""

from __future__ import annotations

import msgspec

from onevault.core.identity import Limit, Metric, ScopeId, Window
from onevault.core.ports import Admission, QuotaStanding


def is_told(limit: Limit) -> bool:
    """Whether it is a limit that calls use up, and whose figures are the caller's business: what all organizations of a tenant have
    used together is not. (Limits per minute are told of by themselves.)"""
    window = limit.window
    if (
        window is not Window.DAY
        and window is not Window.MONTH
        and not (window is Window.TOTAL and limit.metric is Metric.MONEY)
    ):
        return False
    return not limit.scope.startswith("tenant:")


def told_scope(scopes: tuple[ScopeId, ...]) -> ScopeId:
    """Whose month is told where no limit of money holds: the user's."""
    return next((scope for scope in scopes if scope.startswith("user:")), scopes[0])


def tightest(whole: Admission, at_target: Admission) -> Admission:
    """A call's admission, with the standing in the rates of its provider or model wherever less is left of those."""
    requests = whole.requests
    if at_target.requests is not None and (requests is None or at_target.requests.remaining < requests.remaining):
        requests = at_target.requests
    quotas: dict[Window, QuotaStanding] = {}
    for quota in (*whole.quotas, *at_target.quotas):
        known = quotas.get(quota.window)
        if known is None or quota.remaining < known.remaining:
            quotas[quota.window] = quota
    return msgspec.structs.replace(
        whole, requests=requests, quotas=tuple(quotas.values()), grace=whole.grace or at_target.grace
    )
