"""OpenAI's surfaces for text as they are described: chat, responses, legacy completions, embeddings, moderation."""

from __future__ import annotations

from onevault.api.openapi.operations import EVENTS, JSON, call
from onevault.api.openapi.schema import (
    BOOLEAN,
    EXTENSIONS,
    INTEGER,
    METADATA,
    MODEL,
    NUMBER,
    OBJECT,
    PARTS,
    POSITIVE,
    SHARE,
    STRING,
    TEXT,
    Schema,
    array,
    asked,
    either,
    nullable,
    struct,
    told,
)

TAG = "OpenAI"
_HELLO = [{"role": "user", "content": "Hello"}]

MESSAGE = either(
    struct({"role": {"enum": ["system", "developer", "user"]}, "content": PARTS}, ("role", "content")),
    struct({"role": {"const": "assistant"}, "content": nullable(PARTS)}, ("role",)),
    struct({"role": {"const": "tool"}, "content": PARTS, "tool_call_id": STRING}, ("role", "content", "tool_call_id")),
)
TUNING: dict[str, Schema] = {
    "max_tokens": POSITIVE,
    "temperature": SHARE,
    "top_p": SHARE,
    "n": {"type": "integer", "minimum": 1, "maximum": 128},
    "stop": either(STRING, array(STRING)),
    "seed": INTEGER,
    "frequency_penalty": NUMBER,
    "presence_penalty": NUMBER,
    "tools": array(OBJECT),
    "tool_choice": either(STRING, struct({"type": STRING}, ("type",))),
    "response_format": struct({"type": STRING}, ("type",)),
    "reasoning_effort": STRING,
    "stream": BOOLEAN,
}
CHAT: dict[str, Schema] = {
    "model": MODEL,
    "messages": array(MESSAGE, minItems=1),
    "max_completion_tokens": POSITIVE,
    **TUNING,
    "stream_options": struct({"include_usage": nullable(BOOLEAN)}),
    "parallel_tool_calls": BOOLEAN,
    "logprobs": BOOLEAN,
    "top_logprobs": {"type": "integer", "minimum": 0},
    "service_tier": STRING,
    "metadata": METADATA,
    "user": STRING,
    **EXTENSIONS,
}
EMBEDDINGS: dict[str, Schema] = {
    "model": STRING,
    "input": told(
        either(TEXT, array(STRING, minItems=1), array(INTEGER, minItems=1)), "A text, several, or the tokens of one."
    ),
    "dimensions": POSITIVE | {"maximum": 2**20},
    "encoding_format": {"enum": ["float", "base64"]},
    "user": STRING,
    **EXTENSIONS,
}
_ITEMS = array(OBJECT, description="Messages, calls and their results, reasoning; each has a `type` or a `role`.")
_JUDGED = either(
    STRING,
    struct({"type": {"const": "text"}, "text": STRING}, ("type", "text")),
    struct({"type": {"const": "image_url"}, "image_url": struct({"url": STRING}, ("url",))}, ("type", "image_url")),
)

_chat = call(
    TAG,
    "Chat completion",
    "ChatCompletionRequest",
    {JSON: "ChatCompletion", EVENTS: None},
    example={"model": "auto", "messages": _HELLO},
)
OPERATIONS = {
    "POST /v1/chat/completions create_chat_completion": _chat,
    "POST /api/chat/completions create_chat_completion_below_api": _chat,
    "POST /v1/responses create_response": call(
        TAG,
        "Response",
        "ResponseRequest",
        {JSON: "Response", EVENTS: None},
        example={"model": "auto", "input": "Hello"},
    ),
    "POST /v1/completions create_completion": call(
        TAG,
        "Completion of a prompt (legacy)",
        "CompletionRequest",
        {JSON: "Completion", EVENTS: None},
        example={"model": "auto", "prompt": "Once upon a time", "max_tokens": 16},
    ),
    "POST /v1/embeddings create_embeddings": call(
        TAG,
        "Embeddings",
        "EmbeddingsRequest",
        {JSON: "Embeddings"},
        example={"model": "text-embedding-3-small", "input": "Hello"},
    ),
    "POST /v1/moderations create_moderation": call(
        TAG,
        "Moderation of texts and images",
        "ModerationRequest",
        {JSON: "Moderation"},
        example={"model": "omni-moderation-latest", "input": "Hello"},
    ),
}

SCHEMAS: dict[str, Schema] = {
    "ChatCompletionRequest": asked(CHAT, ("messages",)),
    "ChatCompletion": struct(
        {
            "id": STRING,
            "object": {"const": "chat.completion"},
            "model": STRING,
            "choices": array(OBJECT),
            "usage": OBJECT,
        },
        ("id", "object", "choices"),
    ),
    "ResponseRequest": asked(
        {
            "model": MODEL,
            "input": told(
                either(STRING, _ITEMS), "A text or items; may be left out where an earlier one is continued."
            ),
            "instructions": told(STRING, "What the model is told before the conversation."),
            "max_output_tokens": told(POSITIVE, "The most tokens of output, reasoning included."),
            "max_tool_calls": told({"type": "integer", "minimum": 0}, "The most calls of built-in tools."),
            "temperature": SHARE,
            "top_p": SHARE,
            "top_logprobs": {"type": "integer", "minimum": 0},
            "stream": BOOLEAN,
            "tools": array(struct({"type": STRING}, ("type",))),
            "tool_choice": either(STRING, struct({"type": STRING}, ("type",))),
            "parallel_tool_calls": BOOLEAN,
            "text": told(
                struct({"format": nullable(struct({"type": STRING}, ("type",))), "verbosity": nullable(STRING)}),
                "The shape that the answer's text must have, and how long-winded it is.",
            ),
            "reasoning": told(
                struct({"effort": nullable(STRING), "summary": nullable(STRING)}),
                "How much it thinks, and tells of it.",
            ),
            "include": told(array(STRING), "What the answer tells beside the text: `reasoning.encrypted_content`, …"),
            "store": told(BOOLEAN, "Whether the provider keeps it, where it can; the gateway keeps nothing."),
            "background": told(BOOLEAN, "Answered later; only where the target can."),
            "truncation": told(STRING, "What happens to a conversation that is too long."),
            "previous_response_id": told(STRING, "Continues what the provider keeps; only at that provider."),
            "service_tier": STRING,
            "safety_identifier": told(STRING, "The end user; kept with the record of the call."),
            "user": STRING,
            "metadata": METADATA,
            **EXTENSIONS,
        }
    ),
    "Response": struct(
        {
            "id": STRING,
            "object": {"const": "response"},
            "status": STRING,
            "model": STRING,
            "output": array(OBJECT),
            "usage": nullable(OBJECT),
        },
        ("id", "object", "status", "output"),
    ),
    "CompletionRequest": asked(
        {
            "model": MODEL,
            "prompt": told(
                either(
                    STRING, array(STRING, minItems=1), array(INTEGER, minItems=1), array(array(INTEGER), minItems=1)
                ),
                "A text, several, or tokens; other providers than OpenAI's take one text.",
            ),
            "max_tokens": {"type": "integer", "minimum": 0, "maximum": 2**31},
            "temperature": SHARE,
            "top_p": SHARE,
            "n": TUNING["n"],
            "best_of": told(
                {"type": "integer", "minimum": 0, "maximum": 128}, "How many are made, to give the best `n`."
            ),
            "stop": TUNING["stop"],
            "suffix": told(STRING, "What comes after what is to be written."),
            "echo": told(BOOLEAN, "Whether the prompt is repeated."),
            "seed": INTEGER,
            "frequency_penalty": NUMBER,
            "presence_penalty": NUMBER,
            "stream": BOOLEAN,
            "stream_options": CHAT["stream_options"],
            "user": STRING,
            "metadata": METADATA,
            **EXTENSIONS,
        },
        ("prompt",),
    ),
    "Completion": struct(
        {
            "id": STRING,
            "object": {"const": "text_completion"},
            "model": STRING,
            "choices": array(OBJECT),
            "usage": OBJECT,
        },
        ("id", "object", "choices"),
    ),
    "EmbeddingsRequest": asked(EMBEDDINGS, ("input",)),
    "Embeddings": struct({"object": {"const": "list"}, "data": array(OBJECT)}, ("object", "data")),
    "ModerationRequest": asked(
        {
            "model": MODEL,
            "input": told(either(TEXT, array(_JUDGED, minItems=1, maxItems=2048)), "A text, or texts and images."),
            **EXTENSIONS,
        },
        ("input",),
    ),
    "Moderation": struct({"id": STRING, "model": STRING, "results": array(OBJECT)}, ("results",)),
}
