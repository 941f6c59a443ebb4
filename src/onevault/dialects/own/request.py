"""Reads a caller's request in the gateway's own dialect: a prompt or messages, what it is for, and what it may cost.

`{prompt | messages, system?, type?, priority?, max_cost?, model?, stream?}` and, beside these, every field of an OpenAI chat
request, whose messages these are. `POST /api/v1/ai/generate` takes the same, and the tuning also inside `options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from onevault.core.codec import Extensions
from onevault.dialects.openai.chat_request import OpenAIChatIncoming, read_chat
from onevault.dialects.own.names import OWN_CHAT, OWN_GENERATE
from onevault.dialects.wire.json_body import ABSENT, decoded, fields_of, invalid, present

PRIORITIES = ("basic", "standard", "premium")
_OWN = ("prompt", "system", "type", "priority", "max_cost", "options")
_OPTIONS = frozenset(
    {
        "model",
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "n",
        "stream",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning_effort",
        "frequency_penalty",
        "presence_penalty",
    }
)


class OwnBody(msgspec.Struct, frozen=True):
    """What the own dialect has beside OpenAI's fields. `max_cost` in US dollars."""

    prompt: Annotated[str, Meta(min_length=1)] | None = None
    system: str | None = None
    messages: Raw = ABSENT
    type: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    priority: str | None = None
    max_cost: Annotated[float, Meta(ge=0, lt=1e9)] | None = None
    options: Raw = ABSENT


_BODY = msgspec.json.Decoder(OwnBody)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def read_own(body: bytes) -> OpenAIChatIncoming:
    """Raises Fault INVALID_REQUEST with the path of the field at fault."""
    return _read(body, OWN_CHAT)


def read_generate(body: bytes) -> OpenAIChatIncoming:
    """Raises as `read_own` does."""
    return _read(body, OWN_GENERATE)


def _read(body: bytes, dialect: Literal["own", "own-generate"]) -> OpenAIChatIncoming:
    own = decoded(_BODY, body)
    fields = fields_of(body)
    for name in _OWN:
        fields.pop(name, None)
    if present(own.options) is not None:
        if dialect != OWN_GENERATE:
            raise invalid("options", "is a field of /api/v1/ai/generate; here its fields stand in the body itself")
        _add_options(own.options, fields)
    _add_messages(own, fields)
    if own.system is not None:
        read_chat(msgspec.json.encode(fields))  # a fault names the messages as the caller counts them
        _add_system(own.system, fields)
    incoming = read_chat(msgspec.json.encode(fields))
    return msgspec.structs.replace(
        incoming,
        dialect=dialect,
        extensions=_with_max_cost(incoming.extensions, own.max_cost),
        metadata=_with_kind(incoming.metadata, own),
    )


def _add_options(options: Raw, fields: dict[str, Raw]) -> None:
    for name, value in decoded(_OBJECT, bytes(options), at="options").items():
        if name not in _OPTIONS:
            raise invalid(f"options.{name}", f"is not known; it may be one of {', '.join(sorted(_OPTIONS))}")
        if name in fields:
            raise invalid(f"options.{name}", "is given in the body, too")
        fields[name] = value


def _add_messages(own: OwnBody, fields: dict[str, Raw]) -> None:
    if (own.prompt is None) == (present(own.messages) is None):
        what = "is missing; give it or messages" if own.prompt is None else "and messages exclude each other"
        raise invalid("prompt", what)
    if own.prompt is not None:
        fields["messages"] = Raw(msgspec.json.encode([{"role": "user", "content": own.prompt}]))


def _add_system(system: str, fields: dict[str, Raw]) -> None:
    rest = bytes(fields["messages"]).lstrip().removeprefix(b"[")
    first = msgspec.json.encode({"role": "system", "content": system})
    fields["messages"] = Raw(b"[" + first + b"," + rest)


def _with_max_cost(extensions: Extensions, max_cost: float | None) -> Extensions:
    """The lower of `max_cost` and `budget.max_cost_per_request` holds."""
    if max_cost is None:
        return extensions
    asked = extensions.budget.max_cost_per_request
    most = max_cost if asked is None else min(asked, max_cost)
    budget = msgspec.structs.replace(extensions.budget, max_cost_per_request=most)
    return msgspec.structs.replace(extensions, budget=budget)


def _with_kind(metadata: Mapping[str, str], own: OwnBody) -> Mapping[str, str]:
    """What the call is for and how urgent it is are kept with its record."""
    if own.priority is not None and own.priority.lower() not in PRIORITIES:
        raise invalid("priority", f"must be one of {', '.join(PRIORITIES)}")
    kept = {"type": own.type, "priority": own.priority.lower() if own.priority else None}
    return {**metadata, **{name: value for name, value in kept.items() if value is not None}}
