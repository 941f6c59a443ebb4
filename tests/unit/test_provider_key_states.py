"""What becomes of a provider key by itself."""

from __future__ import annotations

import msgspec
import pytest

from onevault.core.identity import ProviderKey, Status
from onevault.jobs.provider_keys import VALIDATED_AGAIN_MS, next_state

NOW_MS = 1_795_262_400_000
KEY = ProviderKey(
    provider_key_id="pk_1",
    org_id="org_1",
    provider="openai",
    credential="api_key",
    sealed=b"one",
    encryption_key_id="mk_1",
    tail="",
    fingerprint="",
)


def changed(**fields: object) -> ProviderKey:
    return msgspec.structs.replace(KEY, **fields)


@pytest.mark.parametrize(
    ("key", "taken", "after"),
    [
        (KEY, None, None),
        (changed(expires_at_ms=NOW_MS + 1), None, None),
        (changed(expires_at_ms=NOW_MS), None, changed(expires_at_ms=NOW_MS, status=Status.EXPIRED, version=2)),
        (changed(expires_at_ms=NOW_MS, status=Status.REVOKED), None, None),
        (KEY, (KEY, NOW_MS), changed(last_validated_ms=NOW_MS, version=2)),
        (KEY, (changed(sealed=b"the one before"), NOW_MS), None),
        (changed(status=Status.REVOKED), (KEY, NOW_MS), None),
        (changed(last_validated_ms=NOW_MS - 1), (KEY, NOW_MS), None),
        (
            changed(last_validated_ms=NOW_MS - VALIDATED_AGAIN_MS),
            (KEY, NOW_MS),
            changed(last_validated_ms=NOW_MS, version=2),
        ),
    ],
)
def test_a_key_expires_and_is_validated_once_a_day(
    key: ProviderKey, taken: tuple[ProviderKey, int] | None, after: ProviderKey | None
) -> None:
    assert next_state(key, taken, NOW_MS) == after
