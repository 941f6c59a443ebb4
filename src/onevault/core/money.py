"""Money as integer nanos (0.000 000 001 US dollar); no float ever holds it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NewType

Nanos = NewType("Nanos", int)
"""An amount of US dollars in billionths. Negative only in corrections."""

NANOS_PER_USD = 1_000_000_000
_NANO_PLACES = 9
ZERO = Nanos(0)
USD_MAX = 1_000_000_000
"""The largest amount that configuration and the admin API take: a billion dollars still fits 64 bits of nanos."""


def nanos_from_usd(amount: str | int | float | Decimal) -> Nanos:
    """The exact nanos of an amount of dollars as a person or a JSON document wrote it.

    A float is read by its shortest decimal form, which is what its author typed.
    Raises ValueError for what is not a finite amount, finer than a nano, or beyond ±USD_MAX.
    """
    try:
        exact = Decimal(str(amount))
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount of US dollars") from None
    if not exact.is_finite() or abs(exact) > USD_MAX:
        raise ValueError(f"{amount!r} is not an amount between 0 and {USD_MAX} US dollars")
    sign, digits, exponent = exact.as_tuple()
    places = int(exponent) + _NANO_PLACES
    value = int("".join(map(str, digits)))
    if places >= 0:
        value *= 10**places
    else:
        # Not by Decimal's own arithmetic, which rounds to 28 digits in silence.
        value, rest = divmod(value, 10**-places) if -places <= len(digits) else (0, value)
        if rest:
            raise ValueError(f"{amount!r} is finer than a billionth of a dollar")
    return Nanos(-value if sign else value)


def format_usd(amount: Nanos) -> str:
    """Dollars with six decimals, or up to nine where the amount needs them: `0.000123`, `1.500000`, `0.000000001`."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), NANOS_PER_USD)
    digits = f"{fraction:09d}"
    return f"{sign}{whole}.{digits[:6]}{digits[6:].rstrip('0')}"


def usd_for_json(amount: Nanos) -> float:
    """The JSON number that reads as this amount (exact to the nano below 8,388,608 dollars, where its digits end); for display only."""
    return amount / NANOS_PER_USD


def divided_up(numerator: int, denominator: int) -> int:
    """Integer division that rounds away from the customer's favour by less than one nano: the only rounding of money."""
    return -(-numerator // denominator)
