"""The shape of an OpenAI chat request as far as the gateway looks at it; what it does not know passes.

Source: OpenAI API reference, "Create chat completion", and the fields by which compatible servers carry reasoning
(`reasoning_content`, `thinking_blocks`, `reasoning_details`), signatures on calls (`extra_content`), videos (`video_url`), images
that a model made (`images`) and cache marks (`cache_control`), as LiteLLM, DeepSeek, OpenRouter, vLLM, Google and Mistral write
them. Fields that only a translation reads are kept as they came, so that a request that passes is not refused for them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from onevault.dialects.wire.extensions import ExtendedBody
from onevault.dialects.wire.json_body import ABSENT, invalid

Count = Annotated[int, Meta(ge=1, le=2**31)]
Share = Annotated[float, Meta(ge=0)]


class CacheControl(msgspec.Struct, frozen=True):
    type: str = "ephemeral"
    ttl: str | None = None


class CacheBreakpoint(msgspec.Struct, frozen=True):
    mode: str | None = None
    ttl: str | None = None


class ImageUrl(msgspec.Struct, frozen=True):
    url: str
    detail: str | None = None


class AudioIn(msgspec.Struct, frozen=True):
    data: str
    format: str


class FileIn(msgspec.Struct, frozen=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ContentPart(msgspec.Struct, frozen=True):
    """Any content part: which field counts depends on `type`."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    input_audio: AudioIn | None = None
    file: FileIn | None = None
    video_url: Raw = ABSENT
    document_url: Raw = ABSENT
    thinking: Raw = ABSENT
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class CalledFunction(msgspec.Struct, frozen=True):
    name: str
    arguments: str = ""


class ToolCallIn(msgspec.Struct, frozen=True):
    id: str
    type: str = "function"
    function: CalledFunction | None = None
    custom: Raw = ABSENT
    extra_content: Raw = ABSENT
    cache_control: CacheControl | None = None


class ThinkingBlockIn(msgspec.Struct, frozen=True):
    type: Literal["thinking", "redacted_thinking"]
    thinking: str = ""
    signature: str | None = None
    data: str = ""


class ChatMessage(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCallIn] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    thinking_blocks: list[ThinkingBlockIn] | None = None
    function_call: CalledFunction | None = None
    reasoning: Raw = ABSENT
    reasoning_details: Raw = ABSENT
    images: Raw = ABSENT
    annotations: Raw = ABSENT
    audio: Raw = ABSENT
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class FunctionIn(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None
    cache_control: CacheControl | None = None


class ToolIn(msgspec.Struct, frozen=True):
    type: str = "function"
    function: FunctionIn | None = None
    custom: Raw = ABSENT
    cache_control: CacheControl | None = None


class NamedFunction(msgspec.Struct, frozen=True):
    name: str


class NamedChoice(msgspec.Struct, frozen=True):
    type: str
    function: NamedFunction | None = None


class JsonSchemaIn(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None


class ResponseFormatIn(msgspec.Struct, frozen=True):
    type: str
    json_schema: JsonSchemaIn | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class ChatBody(ExtendedBody, frozen=True, kw_only=True):
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    temperature: Share | None = None
    top_p: Share | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0)] | None = None
    tools: list[ToolIn] | None = None
    tool_choice: str | NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormatIn | None = None
    functions: Raw = ABSENT
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None


METADATA_PAIRS_MAX = 16
METADATA_KEY_LENGTH_MAX = 64
METADATA_VALUE_LENGTH_MAX = 512

_NEEDED = {"text": "text", "image_url": "image_url", "input_audio": "input_audio", "file": "file", "refusal": "refusal"}


def check_parts(messages: list[ChatMessage]) -> None:
    """What the types alone cannot say. Raises Fault INVALID_REQUEST."""
    for i, message in enumerate(messages):
        content = message.content
        if isinstance(content, list):
            for j, part in enumerate(content):
                needed = _NEEDED.get(part.type)
                if needed is not None and getattr(part, needed) is None:
                    raise invalid(f"messages[{i}].content[{j}].{needed}", "is missing")
        elif content is None and message.role != "assistant" and message.role != "function":
            raise invalid(f"messages[{i}].content", "is missing")
        if message.role == "tool" and message.tool_call_id is None:
            raise invalid(f"messages[{i}].tool_call_id", "is missing")


def check_tools(tools: list[ToolIn]) -> None:
    for i, tool in enumerate(tools):
        if tool.type == "function" and tool.function is None:
            raise invalid(f"tools[{i}].function", "is missing")


def check_metadata(metadata: dict[str, str]) -> None:
    """OpenAI's limits: 16 pairs, keys of 64 and values of 512 characters."""
    if len(metadata) > METADATA_PAIRS_MAX:
        raise invalid("metadata", f"may have {METADATA_PAIRS_MAX} pairs at most")
    for key, value in metadata.items():
        if not 0 < len(key) <= METADATA_KEY_LENGTH_MAX:
            raise invalid("metadata", f"has a key that is empty or longer than {METADATA_KEY_LENGTH_MAX} characters")
        if len(value) > METADATA_VALUE_LENGTH_MAX:
            raise invalid("metadata", f"has a value longer than {METADATA_VALUE_LENGTH_MAX} characters")
