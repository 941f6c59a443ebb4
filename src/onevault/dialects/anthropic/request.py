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
from onevault.dialects.anthropic.foreign import messages_without_foreign
from onevault.dialects.anthropic.names import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from onevault.dialects.anthropic.usage import tier_of
from onevault.dialects.wire.extensions import EXTENSION_NAMES, extensions_of, merged
from onevault.dialects.wire.input_size import SEARCHES_MAX, MediaSize, mixed_size
from onevault.dialects.wire.json_body import ABSENT, decoded, fields_of, invalid
from onevault.dialects.wire.signatures import LEFT_OUT

MESSAGES_PATH = "/messages"
COUNT_TOKENS_PATH = "/messages/count_tokens"
VERSION_HEADERS = (("anthropic-version", "2023-06-01"),)


class SearchTool(msgspec.Struct, frozen=True):
    type: str | None = None
    max_uses: int | None = None


class Offered(msgspec.Struct, frozen=True):
    tools: list[SearchTool] | None = None


class SizedCount(CountTokensBody, frozen=True, kw_only=True):
    """With what besides the messages decides how large a request is."""

    mcp_servers: Raw = ABSENT


class SizedMessages(MessagesBody, frozen=True, kw_only=True):
    """With what besides `service_tier` changes the price of a call, too."""

    mcp_servers: Raw = ABSENT
    speed: Raw = ABSENT
    inference_geo: Raw = ABSENT


_MESSAGES_BODY = msgspec.json.Decoder(SizedMessages)
_COUNT_TOKENS_BODY = msgspec.json.Decoder(SizedCount)
_INNER_BLOCKS = msgspec.json.Decoder(list[InnerBlock])
_SEARCHES = "web_search_"
_OFFERED = msgspec.json.Decoder(Offered).decode
_TEXT_SOURCES = ("text", "content")
"""Documents that are text already."""

_CHARGED_APART = ("code_execution", "advisor")
"""By the container's hour, and by another model's tokens."""

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
        messages = messages_without_foreign(self.parsed.messages, self.body)
        if messages is not None:
            fields["messages"] = messages
        dropped = () if messages is None else LEFT_OUT
        return WireRequest(self.path, msgspec.json.encode(fields), headers=VERSION_HEADERS, dropped=dropped)

    def canonical(self) -> ChatRequest:
        return canonical_of(self.parsed, self.body)

    def with_header_extensions(self, extensions: Extensions) -> AnthropicIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))


def read_messages(body: bytes) -> AnthropicIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    parsed = decoded(_MESSAGES_BODY, body)
    has_blocks = _has_blocks(parsed)
    return AnthropicIncoming(
        body=body,
        parsed=parsed,
        path=MESSAGES_PATH,
        model=_model(parsed),
        stream=parsed.stream is True,
        output_tokens_asked=parsed.max_tokens,
        size=_size(parsed, body, has_blocks=has_blocks),
        needs=_needs(parsed, has_blocks=has_blocks),
        service_tier=_tier(parsed),
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
        size=_size(parsed, body, has_blocks=_has_blocks(parsed)),
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


def _has_blocks(parsed: CountTokensBody) -> bool:
    return any(type(message.content) is list for message in parsed.messages)


def _size(parsed: SizedMessages | SizedCount, body: bytes, *, has_blocks: bool) -> InputSize:
    tools = bool(parsed.tools) or parsed.output_config is not None or parsed.output_format is not None
    media = MediaSize()
    for tool in parsed.tools or ():
        if tool.type is not None and tool.type != "custom":
            media.provider_tool(fetches=not tool.type.startswith(_CALLERS_HANDS))
            if tool.type.startswith(_CHARGED_APART):
                media.charged_apart = tool.type
            if tool.type.startswith(_SEARCHES):
                media.searches_at_most = _searches_at_most(body)
    if parsed.mcp_servers or parsed.is_continued:
        media.provider_tool(fetches=True)
    if not has_blocks:
        return mixed_size(len(body), media, tools=tools)
    for message in parsed.messages:
        if isinstance(message.content, list):
            for block in message.content:
                if isinstance(block.source, Source):
                    _add(block.type, block.source, media)
                elif block.type == "tool_result" and bytes(block.content).startswith(b"["):
                    _add_inner(block.content, media)
    return mixed_size(len(body), media, tools=tools)


def _searches_at_most(body: bytes) -> int:
    try:
        tools = _OFFERED(body).tools or ()
    except msgspec.DecodeError:
        return SEARCHES_MAX  # the provider will refuse it
    return sum(
        max(tool.max_uses, 0) if tool.max_uses is not None else SEARCHES_MAX
        for tool in tools
        if tool.type is not None and tool.type.startswith(_SEARCHES)
    )


def _tier(parsed: SizedMessages) -> str | None:
    """The tier asked for, as `usage.tier_of` names it; None for the standard."""
    if not (parsed.service_tier or parsed.speed or parsed.inference_geo):
        return None
    return tier_of(parsed.service_tier, _word(parsed.speed), _word(parsed.inference_geo)) or None


def _word(raw: Raw) -> str:
    return bytes(raw).decode(errors="replace").strip('"')


def _needs(parsed: SizedMessages, *, has_blocks: bool) -> frozenset[Capability]:
    """How much to think is a hint, not a need."""
    has_schema = parsed.output_format is not None or (
        parsed.output_config is not None and parsed.output_config.format is not None
    )
    if not (parsed.tools or has_schema or has_blocks):
        return NO_NEEDS
    needs = set()
    if parsed.tools:
        needs.add(Capability.TOOLS)
    if has_schema:
        needs.add(Capability.STRUCTURED_OUTPUT)
    for message in parsed.messages:
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "image":
                    needs.add(Capability.IMAGE_INPUT)
                elif block.type == "document":
                    if isinstance(block.source, Source) and block.source.type not in _TEXT_SOURCES:
                        needs.add(Capability.FILE_INPUT)
                elif block.type == "tool_result" and bytes(block.content).startswith(b"["):
                    needs |= {_SEEN[inner.type] for inner in _inner(block.content) if inner.type in _SEEN}
    return frozenset(needs)


_SEEN = {"image": Capability.IMAGE_INPUT, "document": Capability.FILE_INPUT}


def _inner(content: Raw) -> list[InnerBlock]:
    try:
        return _INNER_BLOCKS.decode(content)
    except msgspec.DecodeError:
        return []  # its bytes count as text


def _add_inner(content: Raw, media: MediaSize) -> None:
    for block in _inner(content):
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
