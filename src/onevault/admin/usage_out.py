"""How the admin API shows what a scope has used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from onevault.admin.outputs import Output, usd
from onevault.admin.target_limits import limits_shown
from onevault.core.identity import Limit, LimitSet, Metric, Window
from onevault.core.money import usd_for_json
from onevault.core.ports import Figures


class TargetUsageOut(Output):
    """What counts in the limits for one provider or one model alone; it counts as long as there are such limits."""

    provider: str | None = Field(description="Of which provider entry; null: of a model.")
    model: str | None = Field(description="Of which model; null: of a provider.")
    limits: dict[str, float | int | None] = Field(description="As they were set.")
    month_usage_usd: float
    month_usage_nanos: int
    day_usage_usd: float
    day_usage_nanos: int
    total_usage_usd: float
    total_usage_nanos: int
    held_usd: float = Field(description="Reserved for calls in flight, not yet spent.")
    held_nanos: int
    request_count: int = Field(description="This month.")
    token_count: int = Field(description="This month.")
    day_request_count: int
    day_token_count: int


class UsageOut(Output):
    """Amounts in US dollars are for people; those in nanos (billionths of a dollar) are exact."""

    object: Literal["usage"] = "usage"
    scope: str
    time_zone: str = Field(description="In which the day and the month begin.")
    month: str = Field(examples=["2026-11"])
    month_usage_usd: float
    month_usage_nanos: int
    limit_usd: float | None = Field(description="Of the month; null: no limit.")
    limit_nanos: int | None
    remaining_usd: float | None = Field(description="Of the month's limit, after what is spent and what is held.")
    remaining_nanos: int | None
    held_usd: float = Field(description="Reserved for calls in flight, not yet spent.")
    held_nanos: int
    request_count: int = Field(description="This month.")
    token_count: int = Field(description="This month.")
    day: str = Field(examples=["2026-11-21"])
    day_usage_usd: float
    day_usage_nanos: int
    day_limit_usd: float | None
    day_limit_nanos: int | None
    day_remaining_usd: float | None
    day_remaining_nanos: int | None
    day_request_count: int
    total_usage_usd: float
    total_usage_nanos: int
    overshoot_usd: float = Field(description="What providers charged beyond what was held.")
    overshoot_nanos: int
    targets: list[TargetUsageOut] = Field(description="Of each provider and model that has limits of its own here.")


def target_usage_out(figures: Figures, *, is_model: bool, name: str, limits: LimitSet) -> TargetUsageOut:
    """The figures of a scope for one provider or model alone, beside its limits."""
    return TargetUsageOut(
        provider=None if is_model else name,
        model=name if is_model else None,
        limits=limits_shown(limits),
        month_usage_usd=usd_for_json(figures.spent_month),
        month_usage_nanos=figures.spent_month,
        day_usage_usd=usd_for_json(figures.spent_day),
        day_usage_nanos=figures.spent_day,
        total_usage_usd=usd_for_json(figures.spent_total),
        total_usage_nanos=figures.spent_total,
        held_usd=usd_for_json(figures.held),
        held_nanos=figures.held,
        request_count=figures.requests_month,
        token_count=figures.tokens_month,
        day_request_count=figures.requests_day,
        day_token_count=figures.tokens_day,
    )


def usage_out(
    figures: Figures, limits: tuple[Limit, ...], *, time_zone: str, targets: Sequence[TargetUsageOut] = ()
) -> UsageOut:
    """A scope's figures beside the limits of money that hold for it."""
    maximum = {limit.window: limit.maximum for limit in limits if limit.metric is Metric.MONEY}
    month, day = maximum.get(Window.MONTH), maximum.get(Window.DAY)
    month_left = None if month is None else figures.left(Window.MONTH, month)
    day_left = None if day is None else figures.left(Window.DAY, day)
    return UsageOut(
        scope=figures.scope,
        time_zone=time_zone,
        month=figures.month,
        month_usage_usd=usd_for_json(figures.spent_month),
        month_usage_nanos=figures.spent_month,
        limit_usd=usd(month),
        limit_nanos=month,
        remaining_usd=usd(month_left),
        remaining_nanos=month_left,
        held_usd=usd_for_json(figures.held),
        held_nanos=figures.held,
        request_count=figures.requests_month,
        token_count=figures.tokens_month,
        day=figures.day,
        day_usage_usd=usd_for_json(figures.spent_day),
        day_usage_nanos=figures.spent_day,
        day_limit_usd=usd(day),
        day_limit_nanos=day,
        day_remaining_usd=usd(day_left),
        day_remaining_nanos=day_left,
        day_request_count=figures.requests_day,
        total_usage_usd=usd_for_json(figures.spent_total),
        total_usage_nanos=figures.spent_total,
        overshoot_usd=usd_for_json(figures.overshoot),
        overshoot_nanos=figures.overshoot,
        targets=list(targets),
    )
