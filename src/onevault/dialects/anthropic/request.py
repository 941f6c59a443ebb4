"""Reads a caller's Anthropic request (messages or count_tokens): valid or a fault, sized, ready to be passed on with its own bytes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from onevault.core.chat import ChatRequest
from onevault.core.codec import NO_NEEDS, Extensions, InputSize, WireRequest
from onevault.core.operations import Capability, Dialect, Operation
from onevault.dialects.anthropic.body import (
    CountTokensBody,
    InnerBlock,
    MessagesBody,
    Source,
    check_blocks,
    check_rest,
)
from onevault.dialects.anthropic.canonical import canonical_of
from onevault.dialects.anthropic.names import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from onevault.dialects.wire.extensions import EXTENSION_NAMES, extensions_of, merged
from onevault.dialects.wire.input_size import MediaSize, mixed_size
from onevault.dialects.wire.json_body import decoded, fields_of, invalid

MESSAGES_PATH = "/messages"
COUNT_TOKENS_PATH = "/messages/count_tokens"
VERSION_HEADERS = (("anthropic-version", "2023-06-01"),)

_MESSAGES_BODY = msgspec.json.Decoder(MessagesBody)
_COUNT_TOKENS_BODY = msgspec.json.Decoder(CountTokensBody)
_INNER_BLOCKS = msgspec.json.Decoder(list[InnerBlock])
_MEDIA_MARKS = (b"image", b"document", b"file", b"\\u00")
"""A body without any of these names no media (the last: a name may be escaped)."""

_CALLERS_HANDS = ("bash_", "text_editor_", "memory_", "computer_", "browser_")
"""Anthropic's tools that run at the caller's; all others run at the provider's, and what they find is input."""

_NO_METADATA: Mapping[str, str] = {}


class AnthropicIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request in the Anthropic dialect, read and valid."""

    body: bytes
    parsed: CountTokensBody
    path: str
    model: str | None
    stream: bool
    output_tokens_asked: int | None
    size: InputSize
    extensions: Extensions
    end_user: str | None
    dialect: Dialect
    operation: Operation
    choices: int = 1
    metadata: Mapping[str, str] = _NO_METADATA
    needs: frozenset[Capability] = NO_NEEDS
    service_tier: str | None = None

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        """`output_tokens_max` becomes `max_tokens`, but for count_tokens, which has no output."""
        fields = fields_of(self.body)
        fields["model"] = Raw(msgspec.json.encode(model))
        for name in EXTENSION_NAMES:
            fields.pop(name, None)
        if output_tokens_max is not None and self.operation is Operation.CHAT:
            fields["max_tokens"] = Raw(b"%d" % output_tokens_max)
        return WireRequest(self.path, msgspec.json.encode(fields), headers=VERSION_HEADERS)

    def canonical(self) -> ChatRequest:
        return canonical_of(self.parsed, self.body)

    def with_header_extensions(self, extensions: Extensions) -> AnthropicIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))


def read_messages(body: bytes) -> AnthropicIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    parsed = decoded(_MESSAGES_BODY, body)
    return AnthropicIncoming(
        body=body,
        parsed=parsed,
        path=MESSAGES_PATH,
        model=_model(parsed),
        stream=parsed.stream is True,
        output_tokens_asked=parsed.max_tokens,
        size=_size(parsed, body),
        extensions=extensions_of(parsed),
        end_user=None if parsed.metadata is None else parsed.metadata.user_id,
        dialect=ANTHROPIC_MESSAGES,
        operation=Operation.CHAT,
    )


def read_count_tokens(body: bytes) -> AnthropicIncoming:
    """Raises as `read_messages` does."""
    parsed = decoded(_COUNT_TOKENS_BODY, body)
    return AnthropicIncoming(
        body=body,
        parsed=parsed,
        path=COUNT_TOKENS_PATH,
        model=_model(parsed),
        stream=False,
        output_tokens_asked=None,
        size=_size(parsed, body),
        extensions=extensions_of(parsed),
        end_user=None if parsed.metadata is None else parsed.metadata.user_id,
        dialect=ANTHROPIC_COUNT_TOKENS,
        operation=Operation.COUNT_TOKENS,
    )


def _model(parsed: CountTokensBody) -> str | None:
    check_blocks(parsed.messages)
    check_rest(parsed)
    if parsed.model is not None and not 0 < len(parsed.model) <= 256:
        raise invalid("model", "must have 1 to 256 characters")
    return parsed.model


def _size(parsed: CountTokensBody, body: bytes) -> InputSize:
    tools = bool(parsed.tools) or parsed.output_config is not None or parsed.output_format is not None
    media = MediaSize()
    for tool in parsed.tools or ():
        if tool.type is not None and tool.type != "custom":
            media.provider_tool(fetches=not tool.type.startswith(_CALLERS_HANDS))
    if b"mcp_servers" in body:
        media.provider_tool(fetches=True)
    if not any(mark in body for mark in _MEDIA_MARKS):
        return mixed_size(len(body), media, tools=tools)
    for message in parsed.messages:
        if isinstance(message.content, list):
            for block in message.content:
                if isinstance(block.source, Source):
                    _add(block.type, block.source, media)
                elif block.type == "tool_result" and bytes(block.content).startswith(b"["):
                    _add_inner(block.content, media)
    return mixed_size(len(body), media, tools=tools)


def _add_inner(content: Raw, media: MediaSize) -> None:
    try:
        inner = _INNER_BLOCKS.decode(content)
    except msgspec.DecodeError:
        return  # its bytes count as text
    for block in inner:
        if isinstance(block.source, Source):
            _add(block.type, block.source, media)


def _add(kind: str, source: Source, media: MediaSize) -> None:
    encoded_bytes = len(source.data or source.url or "")
    if kind == "image":
        media.image(encoded_bytes)
    elif source.type == "base64":
        media.document(encoded_bytes)
    elif source.type in ("url", "file"):
        media.document_elsewhere()
