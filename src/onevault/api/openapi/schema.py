"""The words that schemas are written in, and what several surfaces have in common: errors, meanings, the gateway's own fields."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
TEXT: Schema = {"type": "string", "minLength": 1}
INTEGER: Schema = {"type": "integer"}
POSITIVE: Schema = {"type": "integer", "minimum": 1, "maximum": 2**31}
NUMBER: Schema = {"type": "number"}
SHARE = NUMBER | {"minimum": 0}
"""Zero or more; how much more is the provider's to say."""
BOOLEAN: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
MODEL: Schema = STRING | {"maxLength": 256}
METADATA: Schema = {"type": "object", "additionalProperties": STRING, "maxProperties": 16}


def array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def struct(properties: dict[str, Schema], required: tuple[str, ...] = (), **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def told(schema: Schema, description: str) -> Schema:
    return schema | {"description": description}


MEANINGS = {
    "model": "`provider/model`, a bare name, an alias, or `auto`.",
    "messages": "The conversation so far.",
    "system": "What the model is told before the conversation.",
    "max_tokens": "The most tokens of output.",
    "max_completion_tokens": "The most tokens of output, reasoning included.",
    "temperature": "How freely it chooses its words.",
    "top_p": "Chooses among the words that make up this share of probability.",
    "n": "How many answers; each is paid for.",
    "seed": "The same seed gives the same answer where the model can.",
    "frequency_penalty": "How much repetition counts against a word.",
    "presence_penalty": "How much having been said counts against a word.",
    "logprobs": "Whether the answer tells how probable its tokens were.",
    "top_logprobs": "How many other tokens it tells that of.",
    "stream": "Answer in server-sent events as it is written.",
    "stream_options": "`include_usage`: a last event tells the usage.",
    "stop": "Texts at which the answer ends.",
    "stop_sequences": "Texts at which the answer ends.",
    "tools": "What the model may call.",
    "tool_choice": "Whether it must call one, and which.",
    "parallel_tool_calls": "Whether it may call several at once.",
    "thinking": "Whether and how much it thinks first.",
    "reasoning_effort": "How much it thinks first.",
    "response_format": "The shape that the answer's text must have.",
    "dimensions": "How long the vectors are.",
    "encoding_format": "How the vectors are written.",
    "service_tier": "How urgent it is to the provider; tiers have prices of their own.",
    "metadata": "Up to 16 pairs of texts; kept with the record of the call.",
    "user": "The end user; kept with the record of the call.",
    "routing": "Where the call may go; the gateway's own, no provider sees it.",
    "budget": "What the call may cost; the gateway's own, no provider sees it.",
}


def asked(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """What a caller sends: fields not named here pass, and a field that may be left out may be null as well."""
    described = {name: one if "description" in one else told(one, MEANINGS[name]) for name, one in properties.items()}
    fields = {name: one if name in required else nullable(one) for name, one in described.items()}
    return struct(fields, required)


def nullable(schema: Schema) -> Schema:
    if "enum" in schema:
        return schema | {"enum": [*schema["enum"], None]}
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if isinstance(schema.get("type"), str):
        return schema | {"type": [schema["type"], "null"]}
    return schema


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


ROUTING = struct(
    {
        "providers": array(STRING, description="Only these providers, by their configured names."),
        "preferred_models": array(STRING, description="In this order, where `model` is absent or `auto`."),
        "fallback": told(BOOLEAN, "false: only the first target of the plan is tried."),
    },
    additionalProperties=False,
)
BUDGET = struct(
    {
        "max_cost_per_request": nullable(told(SHARE, "US dollars; a call that could cost more is refused.")),
        "on_insufficient": nullable(
            {
                "enum": ["reject", "clamp"],
                "description": "A call that could cost more than is left: refused, or its output limit lowered to what is paid for.",
            }
        ),
        "on_exhausted": nullable(
            {
                "enum": ["cut", "top_up"],
                "description": "A stream that goes on beyond what is held for it: ended with an error, or its hold enlarged.",
            }
        ),
    },
    additionalProperties=False,
)
EXTENSIONS = {"routing": ROUTING, "budget": BUDGET}
"""What every JSON body may say to the gateway itself; forms carry the same as JSON texts."""

PARTS = either(STRING, array(struct({"type": STRING}, ("type",))))

ERRORS: dict[str, Schema] = {
    "OpenAIError": struct(
        {
            "error": struct(
                {"message": STRING, "type": STRING, "param": nullable(STRING), "code": nullable(STRING)},
                ("message", "type", "param", "code"),
            )
        },
        ("error",),
    ),
    "AnthropicError": struct(
        {
            "type": {"const": "error"},
            "error": struct({"type": STRING, "message": STRING}, ("type", "message")),
            "request_id": STRING,
        },
        ("type", "error"),
    ),
    "GoogleError": struct(
        {
            "error": struct(
                {"code": INTEGER, "message": STRING, "status": STRING, "details": array(OBJECT)},
                ("code", "message", "status"),
            )
        },
        ("error",),
    ),
}
