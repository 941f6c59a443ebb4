"""The shapes of what Converse answers, whole and streamed, as far as they are read.

Source: Amazon Bedrock Runtime API, Converse and ConverseStream.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.dialects.bedrock.usage import ConverseUsage, ServiceTier
from onevault.dialects.wire.json_body import ABSENT


class ReasoningText(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    text: str | None = None
    signature: str | None = None


class Reasoning(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Of a whole block `reasoningText`, of a delta `text` or `signature`; `redactedContent` of both."""

    reasoning_text: ReasoningText | None = None
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class ToolUse(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`input` is JSON in a whole block, and pieces of its text in deltas. `type` tells Bedrock's own tools (`server_tool_use`)."""

    tool_use_id: str = ""
    name: str = ""
    type: str | None = None
    input: Raw = ABSENT


class ToolUseDelta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    input: str = ""


class ToolResult(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a tool of Bedrock's own answered; `type` names the tool."""

    type: str | None = None


class S3Location(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    uri: str | None = None


class MediaSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    bytes: str | None = None
    s3_location: S3Location | None = None


class Media(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    format: str = ""
    source: MediaSource | None = None


class Written(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    text: str | None = None


class CitationsContent(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Text with the citations that bear it."""

    content: list[Written] | None = None
    citations: list[Raw] | None = None


class WebLocation(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    url: str | None = None


class CitationLocation(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    web: WebLocation | None = None


class Citation(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    title: str | None = None
    source: str | None = None
    source_content: list[Written] | None = None
    location: CitationLocation | None = None


class Block(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A block of a whole answer: one of these."""

    text: str | None = None
    tool_use: ToolUse | None = None
    tool_result: ToolResult | None = None
    reasoning_content: Reasoning | None = None
    citations_content: CitationsContent | None = None
    image: Media | None = None
    audio: Media | None = None


class Delta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    text: str | None = None
    tool_use: ToolUseDelta | None = None
    reasoning_content: Reasoning | None = None
    tool_result: list[Raw] | None = None
    citation: Raw = ABSENT
    image: Media | None = None


class BlockDelta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`contentBlockDelta`."""

    delta: Delta
    content_block_index: int = 0


class Start(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    tool_use: Raw = ABSENT
    tool_result: Raw = ABSENT
    image: Media | None = None


class BlockStart(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`contentBlockStart`."""

    start: Start
    content_block_index: int = 0


class BlockStop(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`contentBlockStop`."""

    content_block_index: int = 0


class StopDelta(msgspec.Struct, frozen=True, gc=False):
    stop_sequence: str | None = None


class AdditionalFields(msgspec.Struct, frozen=True, gc=False):
    """Of Claude's own answer what was asked for."""

    stop_sequence: str | None = None
    delta: StopDelta | None = None


class MessageStop(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`messageStop`."""

    stop_reason: str = ""
    additional_model_response_fields: Raw = ABSENT


class Metadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`metadata`, the last event of a stream."""

    usage: ConverseUsage | None = None
    service_tier: ServiceTier | None = None


class AnswerMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    content: list[Raw] | None = None


class Output(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    message: AnswerMessage | None = None


class WholeAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A Converse answer."""

    output: Output | None = None
    stop_reason: str = ""
    usage: ConverseUsage | None = None
    service_tier: ServiceTier | None = None
    additional_model_response_fields: Raw = ABSENT
