"""Leaves out of a conversation that passes the signatures that the gateway put there for another dialect's provider.

They have their maker's name before them. Entries without one are between the caller and the server that he calls, which may be one
that takes them (LiteLLM does, and Google's). What a call carries in `extra_content` goes where the same signature goes with its
maker's name in `thinking_blocks`: the gateway writes Gemini's in both places.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from onevault.dialects.openai.chat_body import ChatMessage, ThinkingBlockIn, ToolCallIn
from onevault.dialects.openai.chat_signatures import ReasoningDetail, google_signature, reasoning_details
from onevault.dialects.openai.names import OPENAI_CHAT
from onevault.dialects.wire.json_body import ABSENT, fields_of, present
from onevault.dialects.wire.signatures import is_anothers, untagged

_SAYING = ("content", "refusal", "tool_calls", "function_call", "audio", "images", "files", "opaque_blocks")
_RAWS = msgspec.json.Decoder(list[Raw]).decode


def messages_without_foreign(messages: Sequence[ChatMessage], body: bytes) -> Raw | None:
    """The request's `messages`, or None where they may stay as they came. One that said nothing else is left out."""
    foreign = {i: found for i, message in enumerate(messages) if _may_sign(message) and (found := _foreign(message))}
    if not foreign:
        return None
    kept: list[Raw] = []
    for i, raw in enumerate(_RAWS(fields_of(body)["messages"])):
        left = _without(foreign[i], messages[i], raw) if i in foreign else raw
        if left is not None:
            kept.append(left)
    return Raw(msgspec.json.encode(kept))


def _may_sign(message: ChatMessage) -> bool:
    return message.role == "assistant" and bool(
        message.thinking_blocks or message.tool_calls or message.reasoning_details
    )


def _foreign(message: ChatMessage) -> set[str]:
    """The signatures of others in a message, as they stand there."""
    found = [_signature(block) for block in message.thinking_blocks or ()]
    found += [_signature(detail) for detail in reasoning_details(message.reasoning_details)]
    found += [google_signature(call.extra_content) for call in message.tool_calls or ()]
    return {text for text in found if text is not None and is_anothers(text, OPENAI_CHAT)}


def _signature(entry: ThinkingBlockIn | ReasoningDetail) -> str | None:
    return entry.signature or entry.data


def _without(foreign: set[str], message: ChatMessage, raw: Raw) -> Raw | None:
    fields = fields_of(raw)
    _keep("thinking_blocks", message.thinking_blocks or (), foreign, fields)
    _keep("reasoning_details", reasoning_details(message.reasoning_details), foreign, fields)
    if message.tool_calls:
        unsigned = foreign | {untagged(text, OPENAI_CHAT)[0] for text in foreign}
        calls = zip(message.tool_calls, _RAWS(fields["tool_calls"]), strict=True)
        fields["tool_calls"] = Raw(msgspec.json.encode([_call(call, given, unsigned) for call, given in calls]))
    if all(present(fields.get(name, ABSENT)) is None for name in _SAYING):
        return None
    return Raw(msgspec.json.encode(fields))


def _keep(
    name: str, entries: Sequence[ThinkingBlockIn | ReasoningDetail], foreign: set[str], fields: dict[str, Raw]
) -> None:
    """Leaves the field out where it would be empty."""
    if not any(_signature(entry) in foreign for entry in entries):
        return
    kept = [
        given for entry, given in zip(entries, _RAWS(fields[name]), strict=True) if _signature(entry) not in foreign
    ]
    if kept:
        fields[name] = Raw(msgspec.json.encode(kept))
    else:
        del fields[name]


def _call(call: ToolCallIn, raw: Raw, foreign: set[str]) -> Raw:
    if google_signature(call.extra_content) not in foreign:
        return raw
    fields = fields_of(raw)
    extra = fields_of(fields["extra_content"])
    google = fields_of(extra["google"])
    del google["thought_signature"]
    _put("google", google, extra)
    _put("extra_content", extra, fields)
    return Raw(msgspec.json.encode(fields))


def _put(name: str, value: dict[str, Raw], fields: dict[str, Raw]) -> None:
    if value:
        fields[name] = Raw(msgspec.json.encode(value))
    else:
        del fields[name]
