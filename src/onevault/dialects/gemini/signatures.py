"""Carries thought signatures of all providers in Gemini's `thoughtSignature`, which its clients take for base64.

Another provider's signature goes with its maker's name before it, the whole once more in base64. Encrypted reasoning, which has no
place of its own here, goes the same way with a mark.
"""

from __future__ import annotations

import base64
import binascii

from onevault.core.chat import RedactedThinking, Thinking
from onevault.dialects.gemini.names import GEMINI
from onevault.dialects.wire.signatures import tagged, untagged

ANY_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
"""Google's documented stand-in for the signature of a call that another model made."""

_TAG_BEGINS = tuple("YZabcde")
"""The first character in base64 of a text that begins with a small letter, as every tag does. Google's own begin with others."""

_REDACTED = "redacted:"
_UNKNOWN = "unknown"
_URL_SAFE = str.maketrans("-_", "+/")


def standard_base64(text: str) -> str:
    """Base64 as everybody else writes it: Google takes the alphabet for URLs, too, and leaves out the padding."""
    if "-" in text or "_" in text:
        text = text.translate(_URL_SAFE)
    return text + "=" * (-len(text) % 4) if len(text) % 4 else text


def written(signature: str, by: str) -> str:
    """A signature for a caller of this dialect."""
    return signature if by == GEMINI else _wrapped(tagged(signature, by or _UNKNOWN, GEMINI))


def redacted_written(data: str, by: str) -> str:
    """Encrypted reasoning for a caller of this dialect."""
    return _wrapped(tagged(_REDACTED + data, by or _UNKNOWN, GEMINI))


def is_anothers(text: str) -> bool:
    """Whether what a caller gives back was signed by another than Google."""
    return text.startswith(_TAG_BEGINS) and _unwrapped(text)[1] != GEMINI


def read(text: str, thought: str) -> Thinking | RedactedThinking:
    """What a caller gives back, as the thinking that it belongs to; `thought` is the text of that, if it was shown."""
    value, by = _unwrapped(text)
    if by == GEMINI:
        return Thinking(text=thought, signature=standard_base64(value), signed_by=GEMINI)
    by = "" if by == _UNKNOWN else by
    if value.startswith(_REDACTED):
        return RedactedThinking(data=value.removeprefix(_REDACTED), encrypted_by=by)
    return Thinking(text=thought, signature=value, signed_by=by)


def _wrapped(text: str) -> str:
    return base64.b64encode(text.encode(errors="replace")).decode()


def _unwrapped(text: str) -> tuple[str, str]:
    try:
        inner = base64.b64decode(standard_base64(text), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return text, GEMINI
    value, by = untagged(inner, GEMINI)
    return (text, GEMINI) if by == GEMINI else (value, by)
