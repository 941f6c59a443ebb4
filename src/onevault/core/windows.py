"""Which calendar day and month a moment lies in, in an organization's time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NS_PER_S = 1_000_000_000
_NO_ZONES = ("localtime", "posixrules", "Factory")
_SPELT_OTHERWISE = ("right/", "posix/")
_QUARTER_NS = 900 * NS_PER_S
"""Every time zone's midnight falls on a quarter of an hour of UTC, so a quarter never straddles two days."""


def is_place(time_zone: str) -> bool:
    """Whether a name of the time zone database means the same everywhere, and counts no leap seconds: not that of the machine's own
    setting, by which two replicas would count in different days."""
    return time_zone not in _NO_ZONES and not time_zone.startswith(_SPELT_OTHERWISE)


def day_and_month(at_ns: int, time_zone: str) -> tuple[str, str]:
    """The labels of the windows that a moment (ns since the epoch) counts in: `("2026-11-21", "2026-11")`."""
    return _labels(at_ns // _QUARTER_NS, time_zone)


@lru_cache(maxsize=4096)
def _labels(quarter: int, time_zone: str) -> tuple[str, str]:
    local = datetime.fromtimestamp(quarter * 900, tz=UTC).astimezone(ZoneInfo(time_zone))
    return f"{local:%Y-%m-%d}", f"{local:%Y-%m}"


def seconds_to_next_day(at_ns: int, time_zone: str) -> float:
    """How long until the running day ends there."""
    return _ends_s(at_ns // _QUARTER_NS, time_zone)[0] - at_ns / NS_PER_S


def seconds_to_next_month(at_ns: int, time_zone: str) -> float:
    """How long until the running month ends there."""
    return _ends_s(at_ns // _QUARTER_NS, time_zone)[1] - at_ns / NS_PER_S


@lru_cache(maxsize=4096)
def _ends_s(quarter: int, time_zone: str) -> tuple[float, float]:
    """When the day and the month that a moment lies in end, since the epoch."""
    zone = ZoneInfo(time_zone)
    local = datetime.fromtimestamp(quarter * 900, tz=UTC).astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    next_day, next_month = midnight + timedelta(days=1), (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return next_day.replace(tzinfo=zone).timestamp(), next_month.replace(tzinfo=zone).timestamp()
