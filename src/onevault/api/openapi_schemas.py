"""JSON schemas of what the data plane takes and gives; providers' own fields pass beside those named here."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
POSITIVE: Schema = {"type": "integer", "minimum": 1, "maximum": 2**31}
NUMBER: Schema = {"type": "number"}
SHARE = NUMBER | {"minimum": 0}
"""Zero or more; how much more is the provider's to say."""
BOOLEAN: Schema = {"type": "boolean"}


def array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def struct(properties: dict[str, Schema], required: tuple[str, ...] = (), **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), **more}


MEANINGS = {
    "model": "`provider/model`, a bare name, an alias, or `auto`.",
    "messages": "The conversation so far.",
    "system": "What the model is told before the conversation.",
    "input": "A text, several, or tokens.",
    "max_tokens": "The most tokens of output.",
    "max_completion_tokens": "The most tokens of output, reasoning included.",
    "temperature": "How freely it chooses its words.",
    "top_p": "Chooses among the words that make up this share of probability.",
    "n": "How many answers; each is paid for.",
    "stream": "Answer in server-sent events as it is written.",
    "stream_options": "`include_usage`: a last event tells the usage.",
    "stop": "Texts at which the answer ends.",
    "stop_sequences": "Texts at which the answer ends.",
    "tools": "What the model may call.",
    "thinking": "Whether and how much it thinks first.",
    "response_format": "The shape that the answer's text must have.",
    "dimensions": "How long the vectors are.",
    "encoding_format": "How the vectors are written.",
    "metadata": "Up to 16 pairs of texts; kept with the record of the call.",
    "user": "The end user; kept with the record of the call.",
    "routing": "Where the call may go; the gateway's own, no provider sees it.",
    "budget": "What the call may cost; the gateway's own, no provider sees it.",
}


def asked(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """What a caller sends: a field that may be left out may be null as well."""
    told = {name: {"description": MEANINGS[name]} | one for name, one in properties.items()}
    fields = {name: one if name in required else nullable(one) for name, one in told.items()}
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
        "fallback": BOOLEAN | {"description": "false: only the first target of the plan is tried."},
    },
    additionalProperties=False,
)
BUDGET = struct(
    {
        "max_cost_per_request": nullable(
            NUMBER | {"minimum": 0, "description": "US dollars; a call that could cost more is refused."}
        ),
        "on_insufficient": nullable(
            {
                "enum": ["reject", "clamp"],
                "description": "A call that could cost more than is left: refused, or its output limit lowered to what is paid for.",
            }
        ),
    },
    additionalProperties=False,
)
PARTS = {"anyOf": [STRING, array(struct({"type": STRING}, ("type",)))]}
CHAT_MESSAGE: Schema = {
    "anyOf": [
        struct({"role": {"enum": ["system", "developer", "user"]}, "content": PARTS}, ("role", "content")),
        struct({"role": {"const": "assistant"}, "content": nullable(PARTS)}, ("role",)),
        struct(
            {"role": {"const": "tool"}, "content": PARTS, "tool_call_id": STRING}, ("role", "content", "tool_call_id")
        ),
    ]
}
EXTENSIONS = {"routing": ROUTING, "budget": BUDGET}

_HELLO = [{"role": "user", "content": "Hello"}]
EXAMPLES: dict[str, dict[str, Any]] = {
    "ChatCompletionRequest": {"model": "auto", "messages": _HELLO},
    "EmbeddingsRequest": {"model": "text-embedding-3-small", "input": "Hello"},
    "MessagesRequest": {"model": "auto", "max_tokens": 100, "messages": _HELLO},
    "CountTokensRequest": {"model": "auto", "messages": _HELLO},
}

SCHEMAS: dict[str, Schema] = {
    "ChatCompletionRequest": asked(
        {
            "model": STRING | {"description": "`provider/model`, a bare name, an alias, or `auto`.", "maxLength": 256},
            "messages": array(CHAT_MESSAGE, minItems=1),
            "max_tokens": POSITIVE,
            "max_completion_tokens": POSITIVE,
            "temperature": SHARE,
            "top_p": SHARE,
            "n": {"type": "integer", "minimum": 1, "maximum": 128},
            "stream": BOOLEAN,
            "stream_options": struct({"include_usage": BOOLEAN}),
            "stop": {"anyOf": [STRING, array(STRING)]},
            "tools": array({"type": "object"}),
            "response_format": {"type": "object"},
            "metadata": {"type": "object", "additionalProperties": STRING, "maxProperties": 16},
            "user": STRING,
            **EXTENSIONS,
        },
        ("messages",),
    ),
    "ChatCompletion": struct(
        {
            "id": STRING,
            "object": {"const": "chat.completion"},
            "model": STRING,
            "choices": array({"type": "object"}),
            "usage": {"type": "object"},
        },
        ("id", "object", "choices"),
    ),
    "EmbeddingsRequest": asked(
        {
            "model": STRING,
            "input": {
                "anyOf": [STRING | {"minLength": 1}, array(STRING, minItems=1), array({"type": "integer"}, minItems=1)]
            },
            "dimensions": POSITIVE | {"maximum": 2**20},
            "encoding_format": {"enum": ["float", "base64"]},
            "user": STRING,
            **EXTENSIONS,
        },
        ("input",),
    ),
    "Embeddings": struct({"object": {"const": "list"}, "data": array({"type": "object"})}, ("object", "data")),
    "MessagesRequest": asked(
        {
            "model": STRING,
            "messages": array(
                struct({"role": {"enum": ["user", "assistant"]}, "content": PARTS}, ("role", "content")), minItems=1
            ),
            "max_tokens": POSITIVE,
            "system": {"anyOf": [STRING, array(struct({"type": STRING}, ("type",)))]},
            "stream": BOOLEAN,
            "temperature": SHARE,
            "stop_sequences": array(STRING),
            "tools": array({"type": "object"}),
            "thinking": {"type": "object"},
            **EXTENSIONS,
        },
        ("messages", "max_tokens"),
    ),
    "Message": struct(
        {
            "id": STRING,
            "type": {"const": "message"},
            "role": {"const": "assistant"},
            "content": array({"type": "object"}),
        },
        ("id", "type", "role", "content"),
    ),
    "CountTokensRequest": asked(
        {
            "model": STRING,
            "messages": array(
                struct({"role": {"enum": ["user", "assistant"]}, "content": PARTS}, ("role", "content")), minItems=1
            ),
            "system": {"anyOf": [STRING, array(struct({"type": STRING}, ("type",)))]},
            "tools": array({"type": "object"}),
        },
        ("messages",),
    ),
    "TokenCount": struct({"input_tokens": {"type": "integer"}}, ("input_tokens",)),
    "Model": struct(
        {
            "id": STRING,
            "object": {"const": "model"},
            "owned_by": STRING,
            "context_length": {"type": ["integer", "null"]},
            "max_output_tokens": {"type": ["integer", "null"]},
            "operations": array(STRING),
            "model": STRING | {"description": "As its provider calls it."},
            "aliases": array(STRING),
            "modalities": {"type": ["object", "null"], "description": "What it takes and gives; null: not known."},
            "capabilities": {"type": ["array", "null"], "items": STRING},
            "pricing": {
                "type": ["object", "null"],
                "description": "US dollars per million tokens and per unit, with tiers; null: not known.",
            },
            "unpriced": {"type": ["string", "null"], "description": "What is missing for a price."},
        },
        ("id", "object", "owned_by"),
    ),
    "GoogleModel": struct({"name": STRING, "supportedGenerationMethods": array(STRING)}, ("name",)),
    "GoogleModelList": struct({"models": array(reference("GoogleModel")), "nextPageToken": STRING}, ("models",)),
    "GoogleError": struct(
        {"error": struct({"code": {"type": "integer"}, "message": STRING, "status": STRING}, ("code", "message"))},
        ("error",),
    ),
    "ModelList": struct({"object": {"const": "list"}, "data": array(reference("Model"))}, ("data",)),
    "Usage": struct(
        {
            "object": {"const": "usage"},
            "month": STRING,
            "day": STRING,
            "key": {"type": "object"},
            "user": {"type": "object"},
        },
        ("object", "month", "day"),
    ),
    "Request": struct(
        {
            "id": STRING,
            "object": {"const": "request"},
            "status": {"enum": ["SUCCESS", "ERROR", "TIMEOUT", "CANCELLED"]},
            "cost_usd": NUMBER,
            "cost_nanos": {"type": "integer"},
            "usage": {"type": "object"},
            "explain": {"type": "object"},
        },
        ("id", "object", "status", "cost_usd", "cost_nanos"),
    ),
    "RequestList": struct({"object": {"const": "list"}, "data": array(reference("Request"))}, ("data",)),
    "OpenAIError": struct(
        {
            "error": struct(
                {
                    "message": STRING,
                    "type": STRING,
                    "param": {"type": ["string", "null"]},
                    "code": {"type": ["string", "null"]},
                },
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
    "Health": struct(
        {
            "status": {"enum": ["healthy", "draining"]},
            "version": STRING,
            "timestamp": {"type": "string", "format": "date-time"},
            "providers": array(struct({"name": STRING, "models": {"type": "integer"}}, ("name", "models"))),
        },
        ("status", "version", "timestamp", "providers"),
    ),
    "Status": struct({"status": STRING}, ("status",)),
}
