"""What may be written for a quantity, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from onevault.config import quantities
from onevault.config.quantities import Refused


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (30, 30.0),
        (0.5, 0.5),
        ("30", 30.0),
        ("30s", 30.0),
        ("500ms", 0.5),
        ("2m", 120.0),
        ("1.5h", 5400.0),
        (" 30 s ", 30.0),
        ("24h", 86400.0),
    ],
)
def test_durations_are_seconds_or_have_a_unit(written: object, seconds: float) -> None:
    assert quantities.duration_s(written) == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (1, 1),
        ("32MiB", 32 << 20),
        ("64KiB", 65536),
        ("10MB", 10_000_000),
        ("10mb", 10_000_000),
        ("1 GiB", 1 << 30),
        ("512b", 512),
        ("7", 7),
    ],
)
def test_sizes_are_bytes_or_have_a_unit(written: object, size: int) -> None:
    assert quantities.size_bytes(written) == size


@pytest.mark.parametrize(
    ("written", "per_minute"),
    [(100, 100), ("100", 100), ("1000/min", 1000), ("20/s", 1200), ("60 / hour", 1), ("5/minute", 5)],
)
def test_rates_are_per_minute_or_have_a_unit(written: object, per_minute: int) -> None:
    assert quantities.per_minute(written) == per_minute


@pytest.mark.parametrize(
    ("written", "nanos"),
    [(100, 100 * 10**9), (0.1, 10**8), ("100.00", 100 * 10**9), ("$10", 10 * 10**9), ("0.000000001", 1), (0, 0)],
)
def test_money_is_exact_nanos(written: object, nanos: int) -> None:
    assert quantities.usd(written) == nanos


@pytest.mark.parametrize(
    ("written", "nanos"), [(0.15, 150_000_000), ("2.50", 2_500_000_000), (0, 0), ("0.000000001", 1)]
)
def test_prices_are_nanos_per_million_tokens(written: object, nanos: int) -> None:
    assert quantities.usd_per_million(written) == nanos


@pytest.mark.parametrize(
    ("written", "said"),
    [(True, True), ("true", True), ("On", True), ("1", True), ("no", False), ("0", False), (False, False)],
)
def test_flags_may_be_words(written: object, said: bool) -> None:
    assert quantities.flag(written) is said


@pytest.mark.parametrize(("written", "number"), [(1, 1), ("8000", 8000), ("1_000", 1000), (2.0, 2)])
def test_counts_may_be_text(written: object, number: int) -> None:
    assert quantities.count(written) == number


REFUSED: list[tuple[Callable[[object], object], list[object]]] = [
    (
        quantities.duration_s,
        ["", "soon", "-1s", 0, "0ms", "25h", True, None, [], float("nan"), float("inf"), "1e3", "1 d", "9" * 400 + "s"],
    ),
    (quantities.size_bytes, ["", "large", 0, "-1", "5GiB", 1.5, True, None, "1.5MiB", "9" * 300]),
    (quantities.per_minute, ["", "fast", "30/day", "1/h", 0, True, None, "-5/min"]),
    (quantities.usd, ["", "much", -1, "-0.01", "0.0000000001", "nan", "inf", True, None, [], 10**10]),
    (
        quantities.usd_per_million,
        ["", "cheap", -1, "0.0000000001", "nan", "-inf", True, None, {}, "1000001", "1e999999"],
    ),
    (quantities.flag, ["", "maybe", 1, 0, None, []]),
    (quantities.count, ["", "many", 0, -1, True, None, 1.5, "1.5", "٣", 10**16]),
    (quantities.text, ["", "  ", None, True, [], {}]),
]


@pytest.mark.parametrize(("read", "written"), [(read, value) for read, values in REFUSED for value in values])
def test_what_cannot_be_read_is_refused_with_what_would_be_right(
    read: Callable[[object], object], written: object
) -> None:
    with pytest.raises(Refused) as refusal:
        read(written)
    assert refusal.value.expected
    assert len(str(refusal.value)) < 200
