"""Refuses keys that protect nothing: placeholders, words, and what is too short to be unguessable."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

ADMIN_KEY_CHARACTERS_MIN: Final = 16
DISTINCT_MIN: Final = 8
MASTER_KEY_BYTES: Final = 32
ADMIN_KEY_EXPECTED: Final = "at least 16 random characters, as `openssl rand -hex 32` gives"
MASTER_KEY_EXPECTED: Final = "32 random bytes in base64, as `openssl rand -base64 32` gives"

_PLACEHOLDERS: Final = re.compile(
    r"change[-_ ]?me|replace[-_ ]?me|place[-_ ]?holder|your|example|insert|password|passw0rd|secret|admin|token|api|key|test"
    r"|default|qwerty|letmein|here|demo|dummy|sample|onevault|gateway|12345678|1234|abcd|xxx+|\*+|[-_.<>{}\[\]]",
    re.IGNORECASE,
)

_STAND_IN: Final = re.compile(
    r"(sk-(ant-|proj-)?)?(change[-_]?me.*|replace[-_]?me.*|your[-_].*|insert[-_].*|place[-_]?holder|<.*>|\.{2,}|x{3,}|\*+)?",
    re.IGNORECASE,
)


def weak_admin_key(key: str) -> str | None:
    """Why this must not guard the admin API; None where nothing speaks against it."""
    if len(key) < ADMIN_KEY_CHARACTERS_MIN:
        return f"shorter than {ADMIN_KEY_CHARACTERS_MIN} characters"
    if len(set(key)) < DISTINCT_MIN or len(_PLACEHOLDERS.sub("", key)) < DISTINCT_MIN:
        return "a placeholder or easily guessed"
    return None


def placeholder(key: str) -> bool:
    """Whether a provider's key only stands for one (`changeme`, `your-api-key-here`, `sk-...`, `<key>`)."""
    return _STAND_IN.fullmatch(key) is not None


def bad_master_key(key: str) -> str | None:
    """Why this cannot wrap other keys; None where it can."""
    try:
        raw = base64.b64decode(key.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        return "not base64"
    if len(raw) != MASTER_KEY_BYTES:
        return f"{len(raw)} bytes and not {MASTER_KEY_BYTES}"
    return "not random" if len(set(raw)) < DISTINCT_MIN else None
