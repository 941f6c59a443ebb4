"""The shape of a responses request as far as the gateway looks at it; what it does not know passes.

Source: OpenAI API reference, "Create a model response". Items are told apart by their `type`; a message may leave it out. Fields
that items of other kinds fill otherwise are kept as they came.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from onevault.dialects.openai.chat_body import AudioIn, CacheBreakpoint, Count, Share
from onevault.dialects.wire.extensions import ExtendedBody
from onevault.dialects.wire.json_body import ABSENT, decoded, invalid, present


class ContentPart(msgspec.Struct, frozen=True):
    """Any content part: which field counts depends on `type`."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    detail: str | None = None
    input_audio: AudioIn | None = None
    annotations: Raw = ABSENT
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class ItemIn(msgspec.Struct, frozen=True):
    """Any input item: which field counts depends on `type`."""

    type: str | None = None
    role: str | None = None
    content: str | list[ContentPart] | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: Raw = ABSENT
    output: Raw = ABSENT
    summary: list[ContentPart] | None = None
    encrypted_content: str | None = None
    result: Raw = ABSENT
    phase: str | None = None

    @property
    def kind(self) -> str:
        """The type, where it is left out too."""
        return self.type or ("message" if self.role is not None else "item_reference")


class ToolIn(msgspec.Struct, frozen=True):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: Raw = ABSENT
    output_schema: Raw = ABSENT


class NamedChoice(msgspec.Struct, frozen=True):
    type: str
    name: str | None = None


class FormatIn(msgspec.Struct, frozen=True):
    type: str
    name: str | None = None
    description: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None


class TextIn(msgspec.Struct, frozen=True):
    format: FormatIn | None = None
    verbosity: str | None = None


class ReasoningIn(msgspec.Struct, frozen=True):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    mode: str | None = None


class ResponsesBody(ExtendedBody, frozen=True, kw_only=True):
    input: str | list[ItemIn] | None = None
    model: str | None = None
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: Count | None = None
    max_tool_calls: Annotated[int, Meta(ge=0)] | None = None
    temperature: Share | None = None
    top_p: Share | None = None
    top_logprobs: Annotated[int, Meta(ge=0)] | None = None
    tools: list[ToolIn] | None = None
    tool_choice: str | NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextIn | None = None
    reasoning: ReasoningIn | None = None
    include: list[str] | None = None
    store: bool | None = None
    truncation: str | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Raw = ABSENT
    prompt: Raw = ABSENT
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, str] | None = None

    @property
    def takes_several_passes(self) -> bool:
        """Whether the provider reads the input more than once for one answer (`reasoning.mode`)."""
        return self.reasoning is not None and self.reasoning.mode not in (None, "standard")

    @property
    def is_continued(self) -> bool:
        """Whether the provider has input of this request that is not in it."""
        return (
            self.previous_response_id is not None
            or present(self.conversation) is not None
            or present(self.prompt) is not None
        )


CALL_OUTPUT: msgspec.json.Decoder[str | list[ContentPart]] = msgspec.json.Decoder(str | list[ContentPart])
STRING = msgspec.json.Decoder(str)

_ROLES = frozenset({"user", "assistant", "system", "developer"})
_NEEDED = {
    "input_text": ("text",),
    "output_text": ("text",),
    "text": ("text",),
    "summary_text": ("text",),
    "reasoning_text": ("text",),
    "refusal": ("refusal",),
    "input_image": ("image_url", "file_id"),
    "input_file": ("file_data", "file_url", "file_id"),
    "input_audio": ("input_audio",),
}


def check_body(body: ResponsesBody) -> None:
    """What the types alone cannot say. Raises Fault INVALID_REQUEST."""
    if body.input is None and not body.is_continued:
        raise invalid("input", "is missing")
    if isinstance(body.input, list):
        for i, item in enumerate(body.input):
            _check_item(item, f"input[{i}]")
    for i, tool in enumerate(body.tools or ()):
        if tool.type == "function" and not tool.name:
            raise invalid(f"tools[{i}].name", "is missing")


def _check_item(item: ItemIn, path: str) -> None:
    kind = item.kind
    if kind == "message":
        if item.role not in _ROLES:
            raise invalid(f"{path}.role", "must be user, assistant, system or developer")
        if item.content is None:
            raise invalid(f"{path}.content", "is missing")
        _check_parts(item.content, f"{path}.content")
    elif kind == "function_call":
        for name in ("call_id", "name"):
            if not getattr(item, name):
                raise invalid(f"{path}.{name}", "is missing")
        decoded(STRING, bytes(item.arguments or b'""'), at=f"{path}.arguments")
    elif kind == "function_call_output":
        if not item.output:
            raise invalid(f"{path}.output", "is missing")
        _check_parts(decoded(CALL_OUTPUT, bytes(item.output), at=f"{path}.output"), f"{path}.output")
    elif kind == "reasoning":
        _check_parts(item.summary or [], f"{path}.summary")
        _check_parts(item.content or [], f"{path}.content")
    elif item.type is None and item.id is None:
        raise invalid(f"{path}.type", "is missing")


def _check_parts(parts: str | list[ContentPart], path: str) -> None:
    if isinstance(parts, str):
        return
    for j, part in enumerate(parts):
        needed = _NEEDED.get(part.type)
        if needed is not None and all(getattr(part, name) is None for name in needed):
            raise invalid(f"{path}[{j}].{needed[0]}", "is missing")
