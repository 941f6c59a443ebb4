"""Which calendar day and month a moment lies in, in an organization's time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NS_PER_S = 1_000_000_000
_QUARTER_NS = 900 * NS_PER_S
"""Every time zone's midnight falls on a quarter of an hour of UTC, so a quarter never straddles two days."""


def day_and_month(at_ns: int, time_zone: str) -> tuple[str, str]:
    """The labels of the windows that a moment (ns since the epoch) counts in: `("2026-11-21", "2026-11")`."""
    return _labels(at_ns // _QUARTER_NS, time_zone)


@lru_cache(maxsize=4096)
def _labels(quarter: int, time_zone: str) -> tuple[str, str]:
    local = datetime.fromtimestamp(quarter * 900, tz=UTC).astimezone(ZoneInfo(time_zone))
    return f"{local:%Y-%m-%d}", f"{local:%Y-%m}"


def seconds_to_next_day(at_ns: int, time_zone: str) -> float:
    """How long until the running day ends there."""
    return _seconds_to(at_ns, time_zone, months=False)


def seconds_to_next_month(at_ns: int, time_zone: str) -> float:
    """How long until the running month ends there."""
    return _seconds_to(at_ns, time_zone, months=True)


def _seconds_to(at_ns: int, time_zone: str, *, months: bool) -> float:
    return _end_s(at_ns // _QUARTER_NS, time_zone, months=months) - at_ns / NS_PER_S


@lru_cache(maxsize=4096)
def _end_s(quarter: int, time_zone: str, *, months: bool) -> float:
    zone = ZoneInfo(time_zone)
    local = datetime.fromtimestamp(quarter * 900, tz=UTC).astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    following = (
        (midnight.replace(day=1) + timedelta(days=32)).replace(day=1) if months else midnight + timedelta(days=1)
    )
    return following.replace(tzinfo=zone).timestamp()
