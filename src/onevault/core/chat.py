"""The canonical form of a chat request: everything that the dialects can say, said once.

Ingress dialects read into it and egress dialects write from it, only where the two differ; where they are the same,
the bytes pass and none of this is built. JSON that the gateway does not interpret (schemas, opaque parts) stays as the
bytes it came in, so key order and numbers survive and providers' prompt caches keep hitting.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class CacheMark(msgspec.Struct, frozen=True):
    """A caller's mark that everything up to here should be cached by the provider. `ttl` as Anthropic writes it."""

    ttl: Literal["5m", "1h"] = "5m"


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """Plain text. `citations` are JSON arrays as the dialect in `citations_dialect` wrote them."""

    text: str
    cache: CacheMark | None = None
    citations: msgspec.Raw | None = None


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image: exactly one of `url` and `data` (base64, with its `media_type`)."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: str | None = None
    cache: CacheMark | None = None


class Audio(msgspec.Struct, frozen=True, kw_only=True):
    """Audio as base64 with its format (`wav`, `mp3`)."""

    data: str
    format: str
    cache: CacheMark | None = None


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """A video: exactly one of `url` and `data` (base64, with its `media_type`)."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    cache: CacheMark | None = None


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A document: one of `url`, `data` (base64 with `media_type`), `text`, and `file_id` (known to one provider only)."""

    url: str | None = None
    data: str | None = None
    text: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    name: str | None = None
    context: str | None = None
    citations_enabled: bool = False
    cache: CacheMark | None = None


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """Reasoning that the model showed, with the signature by which its provider knows it again.

    `signed_by` is the dialect of that provider ("": unknown); others must not be sent the signature. A block without text is
    a signature that belongs to the part after it (a tool call) or, as the last, to the part before it.
    """

    text: str
    signature: str | None = None
    signed_by: str = ""


class RedactedThinking(msgspec.Struct, frozen=True, kw_only=True):
    """Reasoning that a provider (of the dialect `encrypted_by`, "": unknown) gave only encrypted; only it can read it."""

    data: str
    encrypted_by: str = ""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Text in which the model declined."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the model made. `arguments` is the JSON text as it came: it may be incomplete after a length stop."""

    id: str
    name: str
    arguments: str
    cache: CacheMark | None = None


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool answered to the call `call_id`."""

    call_id: str
    parts: tuple[Text | Image | Audio | File | Opaque, ...]
    is_error: bool = False
    name: str | None = None
    """The tool's name, where the caller's dialect says it with the result."""
    cache: CacheMark | None = None


class Opaque(msgspec.Struct, frozen=True, kw_only=True):
    """A part that only its own dialect can say (server tools and their results): kept as JSON, named by its `kind`."""

    dialect: str
    kind: str
    raw: msgspec.Raw


Part = Text | Image | Audio | Video | File | Thinking | RedactedThinking | Refusal | ToolCall | ToolResult | Opaque


class Role(StrEnum):
    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn. Tool results are parts of a TOOL message (one or several in a row, in the order of the calls)."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call. `parameters` is its JSON schema, untouched."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw | None = None
    strict: bool | None = None
    cache: CacheMark | None = None


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the model must call: `auto`, `none`, `required` (any), or `tool` with its `name`."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


class ResponseFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The shape the answer's text must have: `text`, any `json`, or JSON by a `schema`."""

    mode: Literal["text", "json", "schema"]
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw | None = None
    strict: bool | None = None


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """How much to think: an `effort` word, a token budget, both, or switched off. `adaptive` leaves it to the model."""

    effort: str | None = None
    budget_tokens: int | None = None
    enabled: bool = True
    adaptive: bool = False
    display: str | None = None


class Speech(msgspec.Struct, frozen=True, kw_only=True):
    """How spoken output shall sound: the provider's name of a voice, and the audio's format (`wav`, `mp3`, `pcm16`)."""

    voice: str
    format: str | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole chat request. None means that the caller said nothing, so the target's default holds.

    `hints` are the names of top-level fields of the caller's dialect that the canonical form does not carry and that
    only tune (they end in `x-gateway-dropped`); fields that carry meaning are faults when the request is read.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool | Opaque, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    output_tokens_max: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: msgspec.Raw | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning: Reasoning | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    output_modalities: tuple[str, ...] = ()
    """What the answer may consist of (`text`, `image`, `audio`); empty: what the model makes of itself."""
    speech: Speech | None = None
    stream: bool = False
    hints: tuple[str, ...] = ()
