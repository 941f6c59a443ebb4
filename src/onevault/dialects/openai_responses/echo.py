"""Writes what an answer repeats of its request, as the responses dialect does."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.core.codec import Incoming
from onevault.dialects.wire.json_body import fields_of

_DEFAULTS = {
    "instructions": Raw(b"null"),
    "max_output_tokens": Raw(b"null"),
    "max_tool_calls": Raw(b"null"),
    "metadata": Raw(b"{}"),
    "parallel_tool_calls": Raw(b"true"),
    "previous_response_id": Raw(b"null"),
    "prompt_cache_key": Raw(b"null"),
    "reasoning": Raw(b'{"effort":null,"summary":null}'),
    "safety_identifier": Raw(b"null"),
    "temperature": Raw(b"1.0"),
    "text": Raw(b'{"format":{"type":"text"}}'),
    "tool_choice": Raw(b'"auto"'),
    "tools": Raw(b"[]"),
    "top_logprobs": Raw(b"0"),
    "top_p": Raw(b"1.0"),
    "truncation": Raw(b'"disabled"'),
    "user": Raw(b"null"),
}
_TEXT = {"format": Raw(b'{"type":"text"}')}


def echo_of(incoming: Incoming) -> bytes:
    """The fields as they stand between two others of the answer: `"instructions":null,…,"user":null,`. Nothing is ever stored."""
    given = fields_of(incoming.body)
    fields = {name: given.get(name, default) for name, default in _DEFAULTS.items()}
    for name, default in _DEFAULTS.items():
        if bytes(fields[name]) == b"null":
            fields[name] = default
    if bytes(fields["text"]).find(b'"format"') < 0:
        fields["text"] = Raw(msgspec.json.encode(_TEXT | fields_of(fields["text"])))
    return msgspec.json.encode(fields | {"store": Raw(b"false"), "background": Raw(b"false")})[1:-1] + b","
