"""Leaves out of a conversation that passes what Anthropic would refuse in it: thinking that others signed, or that nobody did."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from onevault.dialects.anthropic.body import Block, MessageIn
from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.wire.json_body import fields_of
from onevault.dialects.wire.signatures import is_anothers

_THINKING = ("thinking", "redacted_thinking")
_RAWS = msgspec.json.Decoder(list[Raw]).decode


def messages_without_foreign(messages: Sequence[MessageIn], body: bytes) -> Raw | None:
    """The request's `messages`, or None where they may stay as they came.

    A message that had nothing else is left out: Anthropic refuses one without content, and takes two of one role in a row.
    """
    marked = {
        i
        for i, message in enumerate(messages)
        if isinstance(message.content, list)
        for block in message.content
        if block.type in _THINKING and _is_foreign(block)
    }
    if not marked:
        return None
    kept: list[Raw] = []
    for i, raw in enumerate(_RAWS(fields_of(body)["messages"])):
        left = _without_foreign(messages[i], raw) if i in marked else raw
        if left is not None:
            kept.append(left)
    return Raw(msgspec.json.encode(kept))


def _is_foreign(block: Block) -> bool:
    """A signature of no characters is how the gateway tells thinking of a provider that signs none."""
    if block.type == "thinking":
        return block.signature == "" or is_anothers(block.signature, ANTHROPIC_MESSAGES)
    return block.type == "redacted_thinking" and is_anothers(block.data, ANTHROPIC_MESSAGES)


def _without_foreign(message: MessageIn, raw: Raw) -> Raw | None:
    fields = fields_of(raw)
    blocks = zip(message.content, _RAWS(fields["content"]), strict=True)
    kept = [given for block, given in blocks if not (isinstance(block, Block) and _is_foreign(block))]
    if not kept:
        return None
    fields["content"] = Raw(msgspec.json.encode(kept))
    return Raw(msgspec.json.encode(fields))
