"""Money is exact: what a person writes becomes nanos without rounding, or is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevault.core.money import Nanos, divided_up, format_usd, nanos_from_usd, usd_for_json


@pytest.mark.parametrize(
    ("written", "nanos"),
    [
        ("1", 1_000_000_000),
        (0.1, 100_000_000),
        (19.99, 19_990_000_000),
        ("0.000000001", 1),
        ("1e3", 1_000_000_000_000),
        ("1.500000000000000000000000000000", 1_500_000_000),
        (Decimal("-2.5"), -2_500_000_000),
        ("0e-99999999", 0),
    ],
)
def test_amounts_are_read_exactly(written: str | float | Decimal, nanos: int) -> None:
    assert nanos_from_usd(written) == nanos


@pytest.mark.parametrize(
    "written",
    [
        "",
        "ten",
        "nan",
        "inf",
        "1e99",
        "1000000001",
        "0.0000000001",
        "1e-99999999",
        "0.10000000000000000000000000000001",
    ],
)
def test_what_is_not_an_amount_is_refused(written: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message names the amount
        nanos_from_usd(written)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(0, "0.000000"), (1, "0.000000001"), (123_000, "0.000123"), (1_500_000_000, "1.500000"), (-1_000, "-0.000001")],
)
def test_amounts_are_shown_with_six_decimals_or_as_many_as_they_need(nanos: int, text: str) -> None:
    assert format_usd(Nanos(nanos)) == text


@given(st.integers(min_value=0, max_value=2**23 * 10**9))
def test_what_is_shown_reads_back_as_the_same_amount(nanos: int) -> None:
    assert nanos_from_usd(format_usd(Nanos(nanos))) == nanos
    assert nanos_from_usd(usd_for_json(Nanos(nanos))) == nanos


@given(st.integers(min_value=0), st.integers(min_value=1))
def test_division_rounds_up_by_less_than_one(numerator: int, denominator: int) -> None:
    assert 0 <= divided_up(numerator, denominator) * denominator - numerator < denominator
