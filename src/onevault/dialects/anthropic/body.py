"""The shape of an Anthropic messages request as far as the gateway looks at it; what it does not know passes.

Source: Anthropic API reference, "Create a Message" and "Count tokens in a Message" (version 2023-06-01).
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


class Source(msgspec.Struct, frozen=True):
    """Where an image or document is: which field counts depends on `type`."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Raw = ABSENT


class CitationsConfig(msgspec.Struct, frozen=True):
    enabled: bool | None = None


class InnerBlock(msgspec.Struct, frozen=True):
    """A block inside a tool's result."""

    type: str
    text: str | None = None
    source: Source | str | None = None
    title: str | None = None
    context: str | None = None
    citations: Raw = ABSENT
    cache_control: CacheControl | None = None


class Block(msgspec.Struct, frozen=True):
    """Any content block: which field counts depends on `type` (`source` is a text in `search_result`)."""

    type: str
    text: str | None = None
    source: Source | str | None = None
    title: str | None = None
    context: str | None = None
    citations: Raw = ABSENT
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT
    tool_use_id: str | None = None
    content: Raw = ABSENT
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class MessageIn(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class SystemBlock(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None
    cache_control: CacheControl | None = None


class ToolIn(msgspec.Struct, frozen=True):
    """A tool of the caller's has no `type` or `custom`; every other type is the provider's own."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: Raw = ABSENT
    strict: bool | None = None
    cache_control: CacheControl | None = None


class ToolChoiceIn(msgspec.Struct, frozen=True):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingIn(msgspec.Struct, frozen=True):
    type: str
    budget_tokens: Count | None = None
    display: str | None = None


class FormatIn(msgspec.Struct, frozen=True):
    type: str
    schema: Raw = ABSENT


class OutputConfig(msgspec.Struct, frozen=True):
    effort: str | None = None
    format: FormatIn | None = None


class MetadataIn(msgspec.Struct, frozen=True):
    user_id: str | None = None


class ThreadIn(msgspec.Struct, frozen=True):
    """The conversation as the provider holds it: begun by one request, gone on with by the next."""

    type: str = ""
    previous_message_id: str | None = None


class CountTokensBody(ExtendedBody, frozen=True, kw_only=True):
    messages: list[MessageIn]
    model: str | None = None
    system: str | list[SystemBlock] | None = None
    tools: list[ToolIn] | None = None
    tool_choice: ToolChoiceIn | None = None
    thinking: ThinkingIn | None = None
    output_config: OutputConfig | None = None
    output_format: FormatIn | None = None
    metadata: MetadataIn | None = None
    thread: ThreadIn | None = None

    @property
    def is_continued(self) -> bool:
        """Whether the provider has input of this request that is not in it."""
        return self.thread is not None and self.thread.type != "create"


class MessagesBody(CountTokensBody, frozen=True, kw_only=True):
    max_tokens: Count
    stream: bool | None = None
    temperature: Share | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    service_tier: str | None = None


_NEEDED = {
    "text": ("text",),
    "image": ("source",),
    "document": ("source",),
    "thinking": ("thinking",),
    "redacted_thinking": ("data",),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id",),
}


_WITH_SOURCE = ("image", "document")
_MISSING = (None, ABSENT)


def check_blocks(messages: list[MessageIn]) -> None:
    """What the types alone cannot say. Raises Fault INVALID_REQUEST."""
    for i, message in enumerate(messages):
        content = message.content
        if isinstance(content, list):
            for j, block in enumerate(content):
                if isinstance(block.source, str) and block.type in _WITH_SOURCE:
                    raise invalid(f"messages[{i}].content[{j}].source", "expected object, got str")
                for needed in _NEEDED.get(block.type, ()):
                    if getattr(block, needed) in _MISSING:
                        raise invalid(f"messages[{i}].content[{j}].{needed}", "is missing")


def check_rest(body: CountTokensBody) -> None:
    """The same for tools and system, and whether there is anything to answer."""
    if not body.messages and not body.is_continued:
        raise invalid("messages", "must not be empty")
    for i, tool in enumerate(body.tools or ()):
        if tool.type in (None, "custom"):
            for needed in ("name", "input_schema"):
                if getattr(tool, needed) in _MISSING:
                    raise invalid(f"tools[{i}].{needed}", "is missing")
    if isinstance(body.system, list):
        for i, block in enumerate(body.system):
            if block.type == "text" and block.text is None:
                raise invalid(f"system[{i}].text", "is missing")
    if body.thinking is not None and body.thinking.type == "enabled" and body.thinking.budget_tokens is None:
        raise invalid("thinking.budget_tokens", "is missing")
