"""Google's surfaces as they are described: the verbs of its models, in both versions of its API.

A list with one entry may be written as that entry, and names in snake_case, too, as Google's own servers take them.
"""

from __future__ import annotations

from typing import Any

from onevault.api.openapi.operations import EVENTS, GOOGLE_KEY, JSON, call, in_path, in_query
from onevault.api.openapi.schema import (
    BOOLEAN,
    EXTENSIONS,
    NUMBER,
    OBJECT,
    STRING,
    Schema,
    array,
    asked,
    either,
    nullable,
    reference,
    struct,
    told,
)

TAG = "Google Gemini"
ANYTHING: Schema = {}
"""The caller's own JSON, which passes unread."""
VERSIONS = ("v1beta", "v1")
_HELLO = {"parts": [{"text": "Hello"}]}
_ALT = in_query("alt", STRING, "`sse`: server-sent events; otherwise one JSON array, written as it comes.")


def several(items: Schema, **bounds: int) -> Schema:
    return either(items, array(items, **bounds))


def given(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """A structure inside a request: what may be left out may be null."""
    return struct({name: one if name in required else nullable(one) for name, one in properties.items()}, required)


_PART = given(
    {
        "text": STRING,
        "inlineData": given({"mimeType": STRING, "data": STRING}),
        "fileData": given({"mimeType": STRING, "fileUri": STRING}),
        "functionCall": given({"name": STRING, "args": ANYTHING, "id": STRING}),
        "functionResponse": given({"name": STRING, "response": ANYTHING, "id": STRING}),
        "thought": BOOLEAN,
        "thoughtSignature": STRING,
    }
)
_CONTENT = given({"role": STRING, "parts": several(_PART)})
_EMBEDDED = given({"role": STRING, "parts": several(_PART, minItems=1)}, ("parts",))
_CONFIG = given(
    {
        "maxOutputTokens": NUMBER | {"minimum": 1, "maximum": 2**31},
        "candidateCount": NUMBER | {"minimum": 1, "maximum": 128},
        "temperature": NUMBER,
        "topP": NUMBER,
        "topK": NUMBER,
        "seed": NUMBER,
        "stopSequences": several(STRING),
        "presencePenalty": NUMBER,
        "frequencyPenalty": NUMBER,
        "responseMimeType": STRING,
        "responseSchema": ANYTHING,
        "responseLogprobs": BOOLEAN,
        "logprobs": NUMBER,
        "thinkingConfig": given(
            {
                "includeThoughts": BOOLEAN,
                "thinkingBudget": NUMBER | {"minimum": -1, "maximum": 2**31},
                "thinkingLevel": STRING,
            }
        ),
    }
)
_GENERATED: dict[str, Schema] = {
    "contents": told(several(_CONTENT, minItems=1), "The conversation so far."),
    "systemInstruction": told(_CONTENT, "What the model is told before the conversation."),
    "tools": told(
        several(given({"functionDeclarations": several(struct({"name": STRING}, ("name",)))})),
        "What the model may call.",
    ),
    "toolConfig": told(
        given({"functionCallingConfig": given({"mode": STRING})}), "Whether it must call one, and which."
    ),
    "generationConfig": told(_CONFIG, "How it answers: how long, how freely, in which shape, how much it thinks."),
    "cachedContent": told(STRING, "What the provider keeps of an earlier call; only at that provider."),
    "labels": told({"type": "object", "additionalProperties": STRING}, "Kept with the record of the call."),
}
_EMBED: dict[str, Schema] = {
    "content": told(_EMBEDDED, "What the vector is of."),
    "taskType": told(
        STRING, "What the vector is for: `RETRIEVAL_QUERY`, `RETRIEVAL_DOCUMENT`, `SEMANTIC_SIMILARITY`, …"
    ),
    "title": told(STRING, "The title of a document."),
    "outputDimensionality": told(NUMBER | {"minimum": 1, "maximum": 2**20}, "How long the vector is."),
}

SCHEMAS: dict[str, Schema] = {
    "GenerateContentRequest": asked(_GENERATED | EXTENSIONS, ("contents",)),
    "GenerateContentAnswer": struct(
        {"candidates": array(OBJECT), "usageMetadata": OBJECT, "modelVersion": STRING, "responseId": STRING}
    ),
    "GenerateContentAnswers": array(reference("GenerateContentAnswer")),
    "CountGoogleTokensRequest": asked(
        {
            "contents": _GENERATED["contents"],
            "generateContentRequest": told(
                given(
                    {name: one for name, one in _GENERATED.items() if name != "contents"}
                    | {"contents": several(_CONTENT)}
                ),
                "Instead of `contents`: a whole request, with instructions and tools.",
            ),
        }
    ),
    "GoogleTokenCount": struct({"totalTokens": {"type": "integer"}}, ("totalTokens",)),
    "EmbedContentRequest": asked(_EMBED | EXTENSIONS, ("content",)),
    "EmbedContentAnswer": struct({"embedding": reference("GoogleVector")}, ("embedding",)),
    "BatchEmbedContentsRequest": asked(
        {
            "requests": told(several(given(_EMBED, ("content",)), minItems=1, maxItems=100), "One for each vector."),
            **EXTENSIONS,
        },
        ("requests",),
    ),
    "BatchEmbedContentsAnswer": struct({"embeddings": array(reference("GoogleVector"))}, ("embeddings",)),
    "GoogleVector": struct({"values": array(NUMBER)}, ("values",)),
}

_VERBS: dict[str, tuple[str, str, dict[str, str | None], dict[str, Any]]] = {
    "generateContent": ("Content", "GenerateContentRequest", {JSON: "GenerateContentAnswer"}, {"contents": [_HELLO]}),
    "streamGenerateContent": (
        "Content as it is written",
        "GenerateContentRequest",
        {JSON: "GenerateContentAnswers", EVENTS: None},
        {"contents": [_HELLO]},
    ),
    "countTokens": (
        "Tokens of contents, counted",
        "CountGoogleTokensRequest",
        {JSON: "GoogleTokenCount"},
        {"contents": [_HELLO]},
    ),
    "embedContent": ("One embedding", "EmbedContentRequest", {JSON: "EmbedContentAnswer"}, {"content": _HELLO}),
    "batchEmbedContents": (
        "Several embeddings",
        "BatchEmbedContentsRequest",
        {JSON: "BatchEmbedContentsAnswer"},
        {"requests": [{"content": _HELLO}]},
    ),
}


def _operation(verb: str) -> dict[str, Any]:
    summary, takes, gives, example = _VERBS[verb]
    known = "gemini-embedding-001" if "mbed" in verb else "auto"
    model = in_path("model", "`provider/model`, a bare name, an alias, or `auto`; slashes are fine.", example=known)
    parameters = [model, _ALT] if EVENTS in gives else [model]
    return call(
        TAG, summary, takes, gives, example=example, error="GoogleError", parameters=parameters, security=GOOGLE_KEY
    )


OPERATIONS = {
    f"POST /{version}/models/{{model}}:{verb} {verb}_{version}": _operation(verb)
    for verb in _VERBS
    for version in VERSIONS
}
