"""Which windows a scope remembers beside the running one: those that a clock or a time zone can still lead back to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

_DAYS_AROUND: Final = 3
"""A move from UTC+14 to UTC-11 leads back two days, a clock that is put right a little more."""
_MONTHS_AROUND: Final = 1
_DAY_LABEL_LENGTH: Final = len("2026-11-21")


def is_day(label: str) -> bool:
    """Whether a label names a day (`2026-11-21`) and not a month (`2026-11`) or the total (empty)."""
    return len(label) == _DAY_LABEL_LENGTH


def far_from(label: str, others: Iterable[str]) -> list[str]:
    """The windows among `others` that are too far from a day or month, before or after it, to come back."""
    if not label:
        return []
    around = _DAYS_AROUND if is_day(label) else _MONTHS_AROUND
    number = _number(label)
    return [other for other in others if len(other) == len(label) and abs(_number(other) - number) > around]


def _number(label: str) -> int:
    if is_day(label):
        return date.fromisoformat(label).toordinal()
    return int(label[:-3]) * 12 + int(label[-2:])
