"""Decides which limits a caller is told of, and in whose figures."""

from __future__ import annotations

from onevault.core.identity import Limit, Metric, ScopeId, Window


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
