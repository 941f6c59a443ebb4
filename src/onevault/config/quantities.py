"""Reads what people write for quantities (`30s`, `32MiB`, `1000/min`, `12.50`) and says what would have been right."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from onevault.core.money import NANOS_PER_USD, Nanos, nanos_from_usd

DURATION_S_MAX: Final = 86_400.0
COUNT_MAX: Final = 10**15
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|m|min|h)?")
_SECONDS: Final = {
    "ms": Decimal("0.001"), "s": Decimal(1), "sec": Decimal(1), "m": Decimal(60), "min": Decimal(60), "h": Decimal(3600),
}  # fmt: skip
_SIZE: Final = re.compile(r"(\d+)\s*(b|kib|kb|mib|mb|gib|gb)?", re.IGNORECASE)
_BYTES: Final = {
    "b": 1, "kib": 1 << 10, "kb": 1000, "mib": 1 << 20, "mb": 1000**2, "gib": 1 << 30, "gb": 1000**3,
}  # fmt: skip
_RATE: Final = re.compile(r"(\d+)\s*/\s*(s|sec|second|m|min|minute|h|hour)")
_MINUTES: Final = {"s": 60, "sec": 60, "second": 60, "m": 1, "min": 1, "minute": 1}

SECONDS_EXPECTED: Final = 'seconds as a number, or with a unit: "30s", "500ms", "2m", "1h"'
SIZE_EXPECTED: Final = 'bytes as a number, or with a unit: "32MiB", "64KiB", "10MB"'
RATE_EXPECTED: Final = 'a whole number per minute, or with a unit: "1000/min", "20/s"'
FLAG_EXPECTED: Final = "true or false"
PRICE_EXPECTED: Final = "US dollars per million tokens: 0 to 1000000, nine decimals at most"
USD_PER_MILLION_MAX: Final = 1_000_000
USD_PER_UNIT_MAX: Final = 1_000
USD_EXPECTED: Final = "an amount of US dollars: 100.00"


class Refused(ValueError):
    """A value that cannot be read. `expected` says what would be right."""

    def __init__(self, message: str, expected: str) -> None:
        super().__init__(message)
        self.expected = expected


def flag(written: object) -> bool:
    """True or false; also as the text that an environment variable holds (`true`, `1`, `yes`, `on`)."""
    if isinstance(written, bool):
        return written
    if isinstance(written, str) and (word := written.strip().lower()) in _FLAGS:
        return _FLAGS[word]
    raise Refused(f"{_shown(written)} is neither true nor false", FLAG_EXPECTED)


_FLAGS: Final = {
    "true": True, "1": True, "yes": True, "on": True,
    "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip


def count(written: object, *, at_least: int = 1, at_most: int = COUNT_MAX) -> int:
    """A whole number within bounds, also as text."""
    expected = (
        f"a whole number from {at_least} to {at_most}" if at_most < COUNT_MAX else f"a whole number from {at_least}"
    )
    text = written.strip().replace("_", "") if isinstance(written, str) else written
    if isinstance(text, str) and re.fullmatch(r"-?[0-9]{1,18}", text):
        text = int(text)
    if isinstance(text, float) and text.is_integer():
        text = int(text)
    if isinstance(text, bool) or not isinstance(text, int):
        raise Refused(f"{_shown(written)} is not a whole number", expected)
    if not at_least <= text <= at_most:
        raise Refused(f"{text} is out of bounds", expected)
    return text


def duration_s(written: object, *, at_most_s: float = DURATION_S_MAX) -> float:
    """Seconds, above 0 and at most a day, or as said."""
    seconds: Decimal
    if isinstance(written, int | float) and not isinstance(written, bool):
        seconds = Decimal(str(written))
    elif isinstance(written, str) and (match := _DURATION.fullmatch(written.strip())):
        seconds = Decimal(match[1]) * _SECONDS[match[2] or "s"]
    else:
        raise Refused(f"{_shown(written)} is not a duration", SECONDS_EXPECTED)
    if not seconds.is_finite() or not 0 < seconds <= Decimal(at_most_s):
        most = "24h" if at_most_s == DURATION_S_MAX else f"{at_most_s:g}s"
        raise Refused(f"{_shown(written)} is out of bounds", f"more than 0 and at most {most}")
    return float(seconds)


def size_bytes(written: object) -> int:
    """Bytes, at least 1 and at most 4 GiB."""
    size: int
    if isinstance(written, int) and not isinstance(written, bool):
        size = written
    elif isinstance(written, str) and (match := _SIZE.fullmatch(written.strip())):
        size = int(match[1]) * _BYTES[(match[2] or "b").lower()]
    else:
        raise Refused(f"{_shown(written)} is not a size", SIZE_EXPECTED)
    if not 0 < size <= 4 << 30:
        raise Refused(f"{_shown(written)} is out of bounds", "more than 0 and at most 4GiB")
    return size


def per_minute(written: object) -> int:
    """A rate in whole requests per minute."""
    if isinstance(written, str) and (match := _RATE.fullmatch(written.strip().lower())):
        number, unit = int(match[1]), match[2]
        if unit in _MINUTES:
            return count(number * _MINUTES[unit])
        if number % 60 == 0:
            return count(number // 60)
        raise Refused(f"{_shown(written)} is no whole number per minute", RATE_EXPECTED)
    try:
        return count(written)
    except Refused as refusal:
        raise Refused(str(refusal), RATE_EXPECTED) from None


def usd(written: object) -> Nanos:
    """An amount of dollars, not negative, exact to the nano."""
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        raise Refused(f"{_shown(written)} is not an amount of US dollars", USD_EXPECTED)
    try:
        amount = nanos_from_usd(written.strip().lstrip("$") if isinstance(written, str) else written)
    except ValueError as problem:
        raise Refused(str(problem), USD_EXPECTED) from None
    if amount < 0:
        raise Refused(f"{_shown(written)} is negative", USD_EXPECTED)
    return amount


def usd_per_unit(written: object) -> Nanos:
    """A price of one request, image, search or minute: dollars, exact to the nano."""
    amount = usd(written)
    if amount > USD_PER_UNIT_MAX * NANOS_PER_USD:
        raise Refused(f"{_shown(written)} is out of bounds", f"0 to {USD_PER_UNIT_MAX} US dollars")
    return amount


def usd_per_million(written: object) -> int:
    """A price in dollars per million tokens as nanos per million tokens; refused where that is not a whole number."""
    refusal = Refused(f"{_shown(written)} is not a price", PRICE_EXPECTED)
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        raise refusal
    try:
        usd = Decimal(str(written).strip().lstrip("$"))
    except InvalidOperation:
        raise refusal from None
    if not usd.is_finite() or not 0 <= usd <= USD_PER_MILLION_MAX:
        raise refusal
    digits, exponent = usd.as_tuple().digits, int(usd.as_tuple().exponent)
    if exponent < -40 or len(digits) > 60:
        raise refusal
    nanos = Fraction(usd) * NANOS_PER_USD
    if nanos.denominator != 1:
        raise refusal
    return nanos.numerator


def text(written: object) -> str:
    """A text that is not empty; a number is taken as it reads (`version: 0.5`)."""
    if isinstance(written, int | float) and not isinstance(written, bool):
        return str(written)
    if not isinstance(written, str) or not written.strip():
        raise Refused(f"{_shown(written)} is not a text", "a text")
    return written.strip()


def _shown(written: object) -> str:
    """The value as it may be shown: what stands where a quantity should is no secret, but it is kept short."""
    if isinstance(written, str):
        return repr(written if len(written) <= 40 else written[:37] + "…")
    if written is None or isinstance(written, bool):
        return {None: "nothing", True: "true", False: "false"}[written]
    if isinstance(written, int | float):
        return str(written)
    return {"dict": "a mapping", "list": "a list"}.get(type(written).__name__, f"a {type(written).__name__}")
