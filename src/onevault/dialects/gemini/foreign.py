"""Makes a conversation that passes one that Google takes, where others answered in it before.

What another provider signed is left out, with the thoughts that it signed. Google's newest models want the first function call of
each of their turns signed, so in such a conversation the calls that they did not make get Google's stand-in for a signature
(ai.google.dev/gemini-api/docs/thought-signatures).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from onevault.dialects.gemini.body import ContentIn, PartIn
from onevault.dialects.gemini.models import facts_of
from onevault.dialects.gemini.signatures import ANY_SIGNATURE, is_anothers
from onevault.dialects.wire.json_body import fields_of

_SIGNATURE = "thoughtSignature"
_STAND_IN = Raw(msgspec.json.encode(ANY_SIGNATURE))
_RAWS = msgspec.json.Decoder(list[Raw]).decode


def contents_without_foreign(model: str, contents: Sequence[ContentIn], spelled: bytes) -> Raw | None:
    """The request's `contents`, or None where they may stay as they came.

    `spelled` is the request in the canonical spelling. A content that had nothing else is left out: Google refuses one without
    parts, and takes two of one role in a row.
    """
    foreign = {i for i, content in enumerate(contents) for part in content.parts or () if _is_foreign(part)}
    if not foreign:
        return None
    unsigned = _unsigned_calls(contents) if facts_of(model).wants_signatures else frozenset()
    kept: list[Raw] = []
    for i, raw in enumerate(_RAWS(fields_of(spelled)["contents"])):
        if i in foreign or i in unsigned:
            left = _changed(contents[i], raw, sign=i in unsigned)
            if left is not None:
                kept.append(left)
        else:
            kept.append(raw)
    return Raw(msgspec.json.encode(kept))


def _is_foreign(part: PartIn) -> bool:
    return part.thought_signature is not None and is_anothers(part.thought_signature)


def _unsigned_calls(contents: Sequence[ContentIn]) -> frozenset[int]:
    """Where a turn's first call has no signature of Google's. Contents of the model in a row are one turn."""
    found: set[int] = set()
    called = False
    for i, content in enumerate(contents):
        if content.role != "model":
            called = False
            continue
        call = None if called else next((part for part in content.parts or () if part.function_call), None)
        if call is not None:
            called = True
            if not call.thought_signature or _is_foreign(call):
                found.add(i)
    return frozenset(found)


def _changed(content: ContentIn, raw: Raw, *, sign: bool) -> Raw | None:
    fields = fields_of(raw)
    kept: list[Raw] = []
    thoughts = 0  # at the end of `kept`, as long as nobody signed them
    for part, given in zip(content.parts or (), _RAWS(fields["parts"]), strict=True):
        if part.thought and _is_foreign(part):
            del kept[len(kept) - thoughts :]
            thoughts = 0
            continue
        thoughts = thoughts + 1 if part.thought and not part.thought_signature else 0
        if sign and part.function_call is not None:
            kept.append(_with_signature(given, _STAND_IN))
            sign = False
        elif not _is_foreign(part):
            kept.append(given)
        elif part.text != "":
            kept.append(_with_signature(given, None))
    if not kept:
        return None
    fields["parts"] = Raw(msgspec.json.encode(kept))
    return Raw(msgspec.json.encode(fields))


def _with_signature(part: Raw, signature: Raw | None) -> Raw:
    fields = fields_of(part)
    fields.pop(_SIGNATURE, None)
    if signature is not None:
        fields[_SIGNATURE] = signature
    return Raw(msgspec.json.encode(fields))
