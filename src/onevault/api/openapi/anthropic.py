"""Anthropic's surfaces as they are described."""

from __future__ import annotations

from onevault.api.openapi.operations import EVENTS, JSON, call
from onevault.api.openapi.schema import (
    BOOLEAN,
    EXTENSIONS,
    INTEGER,
    OBJECT,
    PARTS,
    POSITIVE,
    SHARE,
    STRING,
    Schema,
    array,
    asked,
    either,
    struct,
)

TAG = "Anthropic"
_HELLO = [{"role": "user", "content": "Hello"}]
_COUNTED: dict[str, Schema] = {
    "model": STRING,
    "messages": array(
        struct({"role": {"enum": ["user", "assistant"]}, "content": PARTS}, ("role", "content")), minItems=1
    ),
    "system": either(STRING, array(struct({"type": STRING}, ("type",)))),
    "tools": array(OBJECT),
}

OPERATIONS = {
    "POST /v1/messages create_message": call(
        TAG,
        "Message",
        "MessagesRequest",
        {JSON: "Message", EVENTS: None},
        example={"model": "auto", "max_tokens": 100, "messages": _HELLO},
        error="AnthropicError",
    ),
    "POST /v1/messages/count_tokens count_tokens": call(
        TAG,
        "Tokens of a message, counted",
        "CountTokensRequest",
        {JSON: "TokenCount"},
        example={"model": "auto", "messages": _HELLO},
        error="AnthropicError",
    ),
}

SCHEMAS: dict[str, Schema] = {
    "MessagesRequest": asked(
        {
            **_COUNTED,
            "max_tokens": POSITIVE,
            "stream": BOOLEAN,
            "temperature": SHARE,
            "stop_sequences": array(STRING),
            "thinking": OBJECT,
            **EXTENSIONS,
        },
        ("messages", "max_tokens"),
    ),
    "Message": struct(
        {"id": STRING, "type": {"const": "message"}, "role": {"const": "assistant"}, "content": array(OBJECT)},
        ("id", "type", "role", "content"),
    ),
    "CountTokensRequest": asked(_COUNTED, ("messages",)),
    "TokenCount": struct({"input_tokens": INTEGER}, ("input_tokens",)),
}
