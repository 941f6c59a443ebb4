"""How a moment is written in the vault: UTC with microseconds, in the one form that SQLite sorts and PostgreSQL reads."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

NS_PER_S = 1_000_000_000


def timestamp(at_ns: int) -> str:
    """Nanoseconds since the epoch as `2026-11-21 04:42:14.123456` (UTC), cut to the microsecond."""
    second, rest = divmod(at_ns, NS_PER_S)
    return f"{_second(second)}{rest // 1000:06d}"


def moment(written: str | datetime) -> datetime:
    """What the driver gave for a moment: SQLite's gives the text, PostgreSQL's the moment itself."""
    return datetime.fromisoformat(written).replace(tzinfo=UTC) if isinstance(written, str) else written


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    return f"{datetime.fromtimestamp(second, tz=UTC):%Y-%m-%d %H:%M:%S}."
