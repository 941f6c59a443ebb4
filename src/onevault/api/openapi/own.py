"""The gateway's own dialect as it is described: OpenAI's fields and a few of its own in, the answer and what it cost out."""

from __future__ import annotations

from onevault.api.openapi.openai_chat import CHAT, EMBEDDINGS, TUNING
from onevault.api.openapi.openai_media import IMAGES
from onevault.api.openapi.operations import EVENTS, JSON, call
from onevault.api.openapi.schema import (
    BOOLEAN,
    EXTENSIONS,
    MODEL,
    NUMBER,
    OBJECT,
    STRING,
    TEXT,
    Schema,
    array,
    asked,
    nullable,
    struct,
    told,
)

TAG = "The gateway's own"
_OWN: dict[str, Schema] = {
    "prompt": told(TEXT, "What is asked; it or `messages`."),
    "messages": told(CHAT["messages"], "The conversation so far; it or `prompt`."),
    "system": told(STRING, "What the model is told before either."),
    "type": told(TEXT | {"maxLength": 64}, "What the call is for; kept with its record."),
    "priority": told(STRING, "`basic`, `standard` or `premium`; kept with the record of the call."),
    "max_cost": told(
        NUMBER | {"minimum": 0, "exclusiveMaximum": 10**9}, "US dollars; a call that could cost more is refused."
    ),
}
_OPTIONS = struct({name: nullable(one) for name, one in {"model": MODEL, **TUNING}.items()}, additionalProperties=False)
_FACTS: dict[str, Schema] = {
    "provider": STRING,
    "model": STRING,
    "cost": told(NUMBER, "US dollars."),
    "cached": BOOLEAN,
    "request_id": STRING,
    "usage": OBJECT,
    "route_reason": STRING,
}
_COMPLETION: dict[str, Schema] = {
    "id": STRING,
    "object": {"const": "ai.completion"},
    "created": {"type": "integer"},
    "content": nullable(STRING),
    "finish_reason": nullable(STRING),
    **_FACTS,
}

OPERATIONS = {
    "POST /v1/ai/completions create_ai_completion": call(
        TAG,
        "Completion of a prompt or a conversation",
        "OwnCompletionRequest",
        {JSON: "OwnCompletion", EVENTS: None},
        example={"prompt": "Hello", "type": "greeting", "max_cost": 0.05},
        description="A stream's events are `{content?, reasoning?, tool_calls?, …}`; the last has `done: true` and what the call cost.",
    ),
    "POST /api/v1/ai/generate generate": call(
        TAG,
        "The same with its tuning in `options`, and the content as `text`, too",
        "OwnGenerateRequest",
        {JSON: "OwnGenerated", EVENTS: None},
        example={"prompt": "Hello", "options": {"max_tokens": 50}},
    ),
    "POST /v1/ai/embeddings create_ai_embeddings": call(
        TAG,
        "Embeddings",
        "OwnEmbeddingsRequest",
        {JSON: "OwnEmbeddings"},
        example={"model": "text-embedding-3-small", "input": "Hello"},
    ),
    "POST /v1/ai/images/generations create_ai_image": call(
        TAG,
        "Images from a prompt",
        "OwnImageRequest",
        {JSON: "OwnImages", EVENTS: None},
        example={"model": "gpt-image-1", "prompt": "A lighthouse at dusk"},
    ),
}

SCHEMAS: dict[str, Schema] = {
    "OwnCompletionRequest": asked({**_OWN, **{name: one for name, one in CHAT.items() if name not in _OWN}}),
    "OwnGenerateRequest": asked(
        {
            **_OWN,
            "options": told(_OPTIONS, "The tuning; each field here or in the body, not in both."),
            **{name: one for name, one in CHAT.items() if name not in _OWN},
        }
    ),
    "OwnCompletion": struct(_COMPLETION, ("id", "object", "content", *_FACTS)),
    "OwnGenerated": struct({**_COMPLETION, "text": STRING}, ("id", "object", "content", "text", *_FACTS)),
    "OwnEmbeddingsRequest": asked(EMBEDDINGS, ("input",)),
    "OwnEmbeddings": struct(
        {"object": {"const": "list"}, "data": array(OBJECT), **_FACTS}, ("object", "data", *_FACTS)
    ),
    "OwnImageRequest": asked(IMAGES | EXTENSIONS, ("prompt",)),
    "OwnImages": struct({"created": {"type": "integer"}, "data": array(OBJECT), **_FACTS}, ("data", *_FACTS)),
}
