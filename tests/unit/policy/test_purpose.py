"""Keys for one purpose each, derived from a key above them."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from onevault.policy.purpose import master_key, purpose_key

RAW = bytes(range(32))
MASTER = master_key(base64.b64encode(RAW).decode())


def test_a_purpose_key_is_hkdf_of_the_master_key_and_the_purpose() -> None:
    extracted = hmac.new(bytes(32), RAW, hashlib.sha256).digest()
    expanded = hmac.new(extracted, b"onevault/1/webhooks" + b"\x01", hashlib.sha256).digest()
    assert purpose_key(MASTER, "webhooks") == expanded
    assert purpose_key(RAW, "webhooks") == expanded


def test_each_purpose_has_a_key_of_its_own_and_none_is_the_master_key() -> None:
    purposes = ("data-key-wrapping", "snapshot-signature", "webhooks", "webhook")
    keys = {purpose_key(MASTER, purpose) for purpose in purposes}
    assert len(keys) == len(purposes)
    assert RAW not in keys


def test_a_master_key_is_known_by_an_id_that_says_nothing_of_it() -> None:
    url_safe = master_key(base64.urlsafe_b64encode(RAW).decode())
    assert url_safe.key_id == MASTER.key_id
    assert MASTER.key_id.startswith("mk_")
    assert MASTER.key_id != master_key(base64.b64encode(RAW[::-1]).decode()).key_id
    assert RAW.hex()[:16] not in MASTER.key_id
    assert repr(MASTER) == f"MasterKey({MASTER.key_id})"


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", base64.b64encode(bytes(31)).decode()])
def test_what_is_not_32_bytes_in_base64_is_no_master_key(text: str) -> None:
    with pytest.raises(ValueError, match="a master key is 32 bytes in base64"):
        master_key(text)


def test_a_purpose_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="a purpose that has a name"):
        purpose_key(MASTER, "")
