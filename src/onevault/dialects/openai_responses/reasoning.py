"""Packs what a provider needs to know its reasoning again into one text, and the texts of other dialects' makers into this one.

A reasoning item is known by its `id` and its `encrypted_content`; both go back together. In the canonical form they are one
signature, `<id>:<encrypted_content>` (neither has a colon: an id that does is left out). The content is empty where the provider
encrypts nothing and takes the text itself back under the id (DeepSeek). Without a colon it is the content alone.

A caller of this dialect gets the signatures of other makers as `encrypted_content` with the maker's name before them
(`anthropic-messages#ErUB…`), and `redacted:` after it where the maker hid its thinking whole.
"""

from __future__ import annotations

from onevault.core.chat import RedactedThinking, Thinking
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.wire.signatures import tagged, untagged

_REDACTED = "redacted:"


def packed(id: str, encrypted: str) -> str:
    """The signature of a reasoning item of this dialect."""
    return f"{'' if ':' in id else id}:{encrypted}"


def unpacked(signature: str) -> tuple[str, str]:
    """The id ("" if unknown) and the encrypted content of a signature of this dialect."""
    id, colon, encrypted = signature.partition(":")
    return (id, encrypted) if colon else ("", signature)


def encrypted_content(value: str, by: str, *, redacted: bool) -> str:
    """What a caller of this dialect gets for a signature or for hidden thinking made by `by`."""
    if by == OPENAI_RESPONSES:
        return unpacked(value)[1]
    return tagged(_REDACTED + value if redacted and by else value, by, OPENAI_RESPONSES)


def thinking_of(id: str, text: str, encrypted: str) -> Thinking | RedactedThinking:
    """A reasoning item that a caller gives back. One of another maker without a text is a signature of the part beside it,
    unless the maker hid the thinking."""
    value, by = untagged(encrypted, OPENAI_RESPONSES)
    if by == OPENAI_RESPONSES:
        signature = packed(id, value)
        if text or not value:
            return Thinking(text=text, signature=signature, signed_by=by)
        return RedactedThinking(data=signature, encrypted_by=by)
    if value.startswith(_REDACTED):
        return RedactedThinking(data=value.removeprefix(_REDACTED), encrypted_by=by)
    return Thinking(text=text, signature=value, signed_by=by)
