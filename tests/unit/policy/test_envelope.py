"""Envelopes open with their key, in their place, as they were sealed, and in no other way."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevault.core.secret_places import Place
from onevault.policy.envelope import NONCE_BYTES, Unreadable, key_id_of, seal, unseal

KEY = bytes(range(32))
PLACE = Place("gateway.customer_provider_keys_s", "pk_1", "api_key_encrypted")
TEXT = b"sk-canary-0123456789"


def sealed(text: bytes = TEXT, place: Place = PLACE, *, key: bytes = KEY) -> bytes:
    return seal(key, text, place, key_id="dk_1", nonce=secrets.token_bytes(NONCE_BYTES))


@given(text=st.binary(max_size=4096), row=st.text(max_size=50))
def test_what_was_sealed_is_opened_in_its_place(text: bytes, row: str) -> None:
    place = Place("gateway.t_s", row, "c")
    envelope = sealed(text, place)
    assert unseal(KEY, envelope, place) == text
    assert key_id_of(envelope) == "dk_1"


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place("gateway.customer_provider_keys_s", "pk_2", "api_key_encrypted"),
        Place("gateway.customer_provider_keys_s", "pk_1", "api_key_encrypte"),
        Place("gateway.webhook_s", "pk_1", "api_key_encrypted"),
        Place("gateway.customer_provider_keys_s", "pk_1api_key_encrypted", ""),
        Place("", "gateway.customer_provider_keys_spk_1", "api_key_encrypted"),
    ],
)
def test_an_envelope_that_was_moved_does_not_open(elsewhere: Place) -> None:
    with pytest.raises(Unreadable):
        unseal(KEY, sealed(), elsewhere)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(Unreadable):
        unseal(KEY[::-1], sealed(), PLACE)


def test_no_byte_of_it_can_be_changed_or_left_out() -> None:
    envelope = sealed()
    for position in range(len(envelope)):
        changed = bytearray(envelope)
        changed[position] ^= 1
        with pytest.raises(Unreadable):
            unseal(KEY, bytes(changed), PLACE)
        with pytest.raises(Unreadable):
            unseal(KEY, envelope[:position], PLACE)


def test_the_same_text_is_sealed_differently_each_time_and_never_shows() -> None:
    first, second = sealed(), sealed()
    assert first != second
    assert TEXT not in first


def test_a_column_s_key_opens_nothing_of_another_column() -> None:
    """Each column has a key of its own: even without the authenticated place the ciphertext would not be read."""
    other = Place(PLACE.table, PLACE.row, "other")
    nonce = bytes(NONCE_BYTES)
    one = seal(KEY, TEXT, PLACE, key_id="dk_1", nonce=nonce)
    two = seal(KEY, TEXT, other, key_id="dk_1", nonce=nonce)
    assert one[-16 - len(TEXT) : -16] != two[-16 - len(TEXT) : -16]


@pytest.mark.parametrize(("nonce", "key_id"), [(b"short", "dk_1"), (bytes(12), ""), (bytes(12), "x" * 101)])
def test_what_makes_no_envelope_is_refused(nonce: bytes, key_id: str) -> None:
    with pytest.raises(ValueError, match="an envelope needs"):
        seal(KEY, TEXT, PLACE, key_id=key_id, nonce=nonce)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_envelope_are_said_to_be_none(data: bytes) -> None:
    with pytest.raises(Unreadable):
        unseal(KEY, data, PLACE)
