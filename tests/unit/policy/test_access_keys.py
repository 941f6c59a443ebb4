"""How keys are spelled, recognised and compared."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevault.core import keys

SECRET = "aB3" * 20


@given(st.binary(min_size=keys.RANDOM_BYTES_PER_KEY, max_size=keys.RANDOM_BYTES_PER_KEY), st.booleans())
def test_a_new_key_is_recognised_and_shows_little(random_bytes: bytes, test: bool) -> None:
    if sum(byte < 248 for byte in random_bytes) < keys.SECRET_CHARACTERS:
        return
    text = keys.key_text(random_bytes, test=test)
    assert keys.is_key_text(text)
    assert text.startswith("gw_test_" if test else "gw_live_")
    assert len(text) == 8 + 40
    assert keys.key_prefix(text) == text[:12]
    assert keys.key_sha256(text) == hashlib.sha256(text.encode()).digest()


def test_every_character_is_equally_likely() -> None:
    drawn: Counter[str] = Counter()
    for first in range(256):
        try:
            drawn[keys.key_text(bytes([first]) + bytes(40), test=False)[8]] += first < 248
        except ValueError:
            continue
    assert set(drawn.values()) == {4}
    assert len(drawn) == 62


def test_too_little_chance_makes_no_key() -> None:
    for random_bytes in (b"", bytes(39), b"\xff" * 128):
        with pytest.raises(ValueError, match="too few"):
            keys.key_text(random_bytes, test=False)


@pytest.mark.parametrize(
    ("text", "is_key"),
    [
        ("gw_live_" + "a" * 32, True),
        ("gw_test_" + "Z" * 64, True),
        ("gw_live_" + "a" * 31, False),
        ("gw_live_" + "a" * 65, False),
        ("gw_prod_" + "a" * 40, False),
        ("GW_LIVE_" + "a" * 40, False),
        (" gw_live_" + "a" * 40, False),
        ("gw_live_" + "a" * 40 + "\n", False),
        ("gw_live_" + "a" * 39 + "'", False),
        ("gw_live_" + "ä" * 40, False),
        ("gw_live_" + "٣" * 40, False),
        ("sk-" + "a" * 48, False),
        ("", False),
        ("a" * 100_000, False),
    ],
)
def test_only_what_is_spelled_like_a_key_is_one(text: str, is_key: bool) -> None:
    assert keys.is_key_text(text) is is_key


@pytest.mark.parametrize(
    ("presented", "is_admin"),
    [
        ("first", True),
        ("second", True),
        ("third", False),
        ("", False),
        ("first ", False),
        ("\udcff", False),
        ("x" * 513, False),
        ("gw_live_" + "a" * 40, False),
    ],
)
def test_an_admin_key_is_one_of_those_configured_and_never_an_api_key(presented: str, is_admin: bool) -> None:
    configured = [hashlib.sha256(text.encode()).digest() for text in ("first", "second", "gw_live_" + "a" * 40)]
    assert keys.is_admin_key(presented, configured) is is_admin
    assert keys.is_admin_key(presented, []) is False
