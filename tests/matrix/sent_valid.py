"""Whether a request is one that the official library of its dialect would send: its own types say so, unknown fields included."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, get_type_hints

from anthropic.types.message_create_params import MessageCreateParams
from cohere.core.serialization import convert_and_respect_annotation_metadata
from cohere.v2.client import V2Client
from google import genai
from google.genai import models as google_models
from google.genai import types as google
from ollama._types import ChatRequest as OllamaRequest
from openai.types.chat.completion_create_params import CompletionCreateParams
from openai.types.responses.response_create_params import ResponseCreateParams
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.support.aws_model import check as check_converse

BEYOND_OPENAI = frozenset({"cache_control", "reasoning_content", "thinking_blocks", "extra_content", "is_error"})
"""Fields of chat messages that OpenAI's own servers do not have, and compatible ones do."""

SAMPLING = frozenset({"temperature", "top_p", "top_k"})
"""What Anthropic's older models take, and its library has given up with the newer ones."""

BEYOND_OLLAMA = frozenset({"id", "index", "tool_call_id"})
"""Fields of tool calls that Ollama's server has and its library lags behind in."""


@lru_cache(maxsize=8)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Of a type that no field beyond its own is allowed in; a union stays outermost, where the rule can be said."""
    return TypeAdapter(kind | _Never, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True))


class _Never:
    """What no request is."""


def _validated(kind: Any, body: Any) -> None:
    _exhausted(_adapter(kind).validate_python(body))


def _exhausted(value: Any) -> None:
    """The libraries' iterables are validated while they are read."""
    if isinstance(value, Mapping):
        for inner in value.values():
            _exhausted(inner)
    elif not isinstance(value, str | bytes | int | float | None) and hasattr(value, "__iter__"):
        for inner in value:
            _exhausted(inner)


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(inner, names) for name, inner in value.items() if name not in names}
    return [_without(inner, names) for inner in value] if isinstance(value, list) else value


def openai_chat(path: str, body: dict[str, Any]) -> None:
    assert path == "/chat/completions"
    messages = _without(body["messages"], BEYOND_OPENAI)
    _validated(CompletionCreateParams, {**body, "messages": messages})


def openai_responses(path: str, body: dict[str, Any]) -> None:
    assert path == "/responses"
    _validated(ResponseCreateParams, body)


def anthropic_messages(path: str, body: dict[str, Any]) -> None:
    assert path == "/messages"
    _validated(MessageCreateParams, {name: value for name, value in body.items() if name not in SAMPLING})


@lru_cache(maxsize=1)
def _google() -> genai.Client:
    return genai.Client(api_key="none")


def gemini(path: str, body: dict[str, Any]) -> None:
    """As a caller of the library would say it, it sends this very body to this very path."""
    config = dict(body.get("generationConfig", {}))
    config |= {name: value for name, value in body.items() if name not in ("contents", "generationConfig")}
    model, _, verb = path.removeprefix("/").partition(":")
    assert verb in ("generateContent", "streamGenerateContent?alt=sse")
    parameters = google._GenerateContentParameters(
        model=model,
        contents=[google.Content.model_validate(content) for content in body["contents"]],
        config=google.GenerateContentConfig.model_validate(config),
    )
    client = _google()._api_client
    sent = google_models._GenerateContentParameters_to_mldev(client, parameters, None, parameters)
    assert sent.pop("_url") == {"model": model}
    assert _one_alphabet(_dumped(sent)) == _one_alphabet({"generationConfig": {}, **body})


def _dumped(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, dict):
        return {name: _dumped(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_dumped(inner) for inner in value]
    return base64.urlsafe_b64encode(value).decode() if isinstance(value, bytes) else value


def _one_alphabet(value: Any, name: str = "") -> Any:
    """The library writes base64 in the alphabet for URLs; Google takes both."""
    if isinstance(value, dict):
        return {name: _one_alphabet(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_one_alphabet(inner) for inner in value]
    return value.translate(_TO_URLS) if name in ("data", "thoughtSignature") else value


_TO_URLS = str.maketrans("+/", "-_")


def bedrock_converse(path: str, body: dict[str, Any]) -> None:
    operation = "ConverseStream" if path.endswith("/converse-stream") else "Converse"
    check_converse(operation, path, json.dumps(body, ensure_ascii=False).encode())


def cohere_chat(path: str, body: dict[str, Any]) -> None:
    """Every field is an argument of the library's own, and is written back by it as it is here."""
    assert path == "/chat"
    fields = get_type_hints(V2Client.chat)
    for name, value in body.items():
        if name == "stream":
            continue
        kind = fields[name]
        made = TypeAdapter(kind).validate_python(value)
        again = convert_and_respect_annotation_metadata(object_=made, annotation=kind, direction="write")
        assert _jsonable(again) == value, name


def _jsonable(value: Any) -> Any:
    if isinstance(value, BaseModel):
        extra = value.model_extra
        assert not extra, (type(value).__name__, extra)
        return {
            name: _jsonable(getattr(value, name)) for name in type(value).model_fields if name in value.model_fields_set
        }
    if isinstance(value, dict):
        return {name: _jsonable(inner) for name, inner in value.items()}
    return [_jsonable(inner) for inner in value] if isinstance(value, list | tuple) else value


def ollama_chat(path: str, body: dict[str, Any]) -> None:
    """The library makes the same of it, but that it knows little of the schemas of tools."""
    assert path == "/api/chat"
    request = OllamaRequest.model_validate({**body, "messages": [dict(message) for message in body["messages"]]})
    made = json.loads(request.model_dump_json(exclude_none=True))
    plain = {**body, "messages": _without(body["messages"], BEYOND_OLLAMA)}
    for tool, kept in zip(plain.pop("tools", []), made.pop("tools", []), strict=True):
        assert {**tool["function"], "parameters": None} == {**kept["function"], "parameters": None}
    assert _without(made, BEYOND_OLLAMA) == plain


VALID: dict[str, Callable[[str, dict[str, Any]], None]] = {
    "openai-chat": openai_chat,
    "openai-responses": openai_responses,
    "anthropic-messages": anthropic_messages,
    "gemini": gemini,
    "bedrock-converse": bedrock_converse,
    "cohere-chat": cohere_chat,
    "ollama-chat": ollama_chat,
}
"""By target; each raises where its library would not have it."""
