"""Reads a caller's OpenAI chat request: valid or a fault, sized, and ready to be passed on with its own bytes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from onevault.core.chat import ChatRequest
from onevault.core.codec import NO_NEEDS, Extensions, InputSize, WireRequest
from onevault.core.operations import Capability, Dialect, Operation
from onevault.dialects.openai.chat_body import ChatBody, check_metadata, check_parts, check_tools
from onevault.dialects.openai.chat_canonical import canonical_of
from onevault.dialects.openai.chat_foreign import messages_without_foreign
from onevault.dialects.openai.names import OPENAI_CHAT
from onevault.dialects.wire.extensions import EXTENSION_NAMES, extensions_of, merged
from onevault.dialects.wire.input_size import MediaSize, mixed_size, text_size
from onevault.dialects.wire.json_body import ABSENT, decoded, fields_of, invalid, present
from onevault.dialects.wire.signatures import LEFT_OUT

CHAT_PATH = "/chat/completions"


class SizedBody(ChatBody, frozen=True, kw_only=True):
    """With what besides the messages decides how large a request is and what it needs."""

    modalities: Raw = ABSENT
    web_search_options: Raw = ABSENT
    plugins: Raw = ABSENT
    """OpenRouter's tools: by the search, by the page."""
    search_parameters: Raw = ABSENT
    """xAI's live search: by the source."""


_CHAT_BODY = msgspec.json.Decoder(SizedBody)
_OPTIONS = msgspec.json.Decoder(dict[str, Raw]).decode
_TRUE = Raw(b"true")
_ASK_USAGE = Raw(b'{"include_usage":true}')
_MODALITIES = msgspec.json.Decoder(list[str]).decode
_NEEDED = {
    "image_url": Capability.IMAGE_INPUT,
    "input_audio": Capability.AUDIO_INPUT,
    "video_url": Capability.VIDEO_INPUT,
    "file": Capability.FILE_INPUT,
}
_MADE = {"image": Capability.IMAGE_OUTPUT, "audio": Capability.AUDIO_OUTPUT}

_CALLERS_HANDS = frozenset({"function", "custom"})
"""Tools that run at the caller's; what others cost beside their tokens is not known."""

_NO_METADATA: Mapping[str, str] = {}


class OpenAIChatIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """A chat request in the OpenAI dialect, read and valid."""

    body: bytes
    parsed: ChatBody
    model: str | None
    stream: bool
    output_tokens_asked: int | None
    choices: int
    size: InputSize
    extensions: Extensions
    metadata: Mapping[str, str]
    end_user: str | None
    needs: frozenset[Capability] = NO_NEEDS
    service_tier: str | None = None
    dialect: Dialect = OPENAI_CHAT
    operation: Operation = Operation.CHAT

    @property
    def usage_asked(self) -> bool:
        """Whether the caller wants the usage chunk of a stream."""
        options = self.parsed.stream_options
        return options is not None and options.include_usage is True

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        """The limit goes into whichever of `max_completion_tokens` and `max_tokens` the caller used. For a caller who gave
        none it is `max_completion_tokens`: `max_tokens` is refused by OpenAI's reasoning models, and servers that know only
        the older name ignore the newer."""
        fields = fields_of(self.body)
        fields["model"] = Raw(msgspec.json.encode(model))
        for name in EXTENSION_NAMES:
            fields.pop(name, None)
        if output_tokens_max is not None:
            limit = Raw(b"%d" % output_tokens_max)
            if self.parsed.max_tokens is None or self.parsed.max_completion_tokens is not None:
                fields["max_completion_tokens"] = limit
            if self.parsed.max_tokens is not None:
                fields["max_tokens"] = limit
        if self.stream and not self.usage_asked:
            if self.parsed.stream_options is None:
                fields["stream_options"] = _ASK_USAGE
            else:
                options = _OPTIONS(fields["stream_options"])
                options["include_usage"] = _TRUE
                fields["stream_options"] = Raw(msgspec.json.encode(options))
        messages = messages_without_foreign(self.parsed.messages, self.body)
        if messages is not None:
            fields["messages"] = messages
        return WireRequest(CHAT_PATH, msgspec.json.encode(fields), dropped=() if messages is None else LEFT_OUT)

    def canonical(self) -> ChatRequest:
        return canonical_of(self.parsed, self.body)

    def with_header_extensions(self, extensions: Extensions) -> OpenAIChatIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))


def read_chat(body: bytes) -> OpenAIChatIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    parsed = decoded(_CHAT_BODY, body)
    check_parts(parsed.messages)
    if parsed.tools:
        check_tools(parsed.tools)
    if parsed.metadata:
        check_metadata(parsed.metadata)
    if parsed.model is not None and not 0 < len(parsed.model) <= 256:
        raise invalid("model", "must have 1 to 256 characters")
    has_parts = any(type(message.content) is list or message.audio for message in parsed.messages)
    newer, older = parsed.max_completion_tokens, parsed.max_tokens  # servers differ in which of the two they keep to
    return OpenAIChatIncoming(
        body=body,
        parsed=parsed,
        model=parsed.model,
        stream=parsed.stream is True,
        output_tokens_asked=older if newer is None else newer if older is None else max(older, newer),
        choices=parsed.n or 1,
        size=_size(parsed, len(body), has_parts=has_parts),
        needs=_needs(parsed, has_parts=has_parts),
        service_tier=parsed.service_tier,
        extensions=extensions_of(parsed),
        metadata=parsed.metadata or _NO_METADATA,
        end_user=parsed.user,
    )


def _needs(parsed: SizedBody, *, has_parts: bool) -> frozenset[Capability]:
    """How much to think is a hint, not a need."""
    schema = parsed.response_format
    has_schema = schema is not None and schema.type == "json_schema"
    modalities = present(parsed.modalities)
    if not (has_parts or parsed.tools or has_schema or parsed.logprobs or modalities):
        return NO_NEEDS
    needs = set()
    if parsed.tools:
        needs.add(Capability.TOOLS)
    if has_schema:
        needs.add(Capability.STRUCTURED_OUTPUT)
    if parsed.logprobs:
        needs.add(Capability.LOGPROBS)
    if has_parts:
        for message in parsed.messages:
            if isinstance(message.content, list):
                needs |= {_NEEDED[part.type] for part in message.content if part.type in _NEEDED}
    if modalities is not None:
        try:
            needs |= {_MADE[kind] for kind in _MODALITIES(modalities) if kind in _MADE}
        except msgspec.DecodeError:
            return frozenset(needs)  # the provider will refuse it
    return frozenset(needs)


def _size(parsed: SizedBody, body_bytes: int, *, has_parts: bool) -> InputSize:
    tools = bool(parsed.tools)
    searches = present(parsed.web_search_options) is not None
    apart = "plugins" if present(parsed.plugins) is not None else ""
    if present(parsed.search_parameters) is not None:
        apart = "search_parameters"
    for tool in parsed.tools or ():
        if tool.type not in _CALLERS_HANDS:
            apart = tool.type
    if not searches and not has_parts and not apart:
        return text_size(body_bytes, tools=tools)
    media = MediaSize()
    if apart:
        media.provider_tool(fetches=True)
        media.charged_apart = apart
    if searches:
        media.provider_tool(fetches=True, searches_at_most=1)
    for message in parsed.messages:
        if message.audio:
            media.document_elsewhere()  # an earlier answer's, which the provider has
        if isinstance(message.content, list):
            for part in message.content:
                if part.video_url or part.document_url:
                    media.document_elsewhere()
                elif part.image_url is not None:
                    url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
                    media.image(len(url))
                elif part.input_audio is not None:
                    media.audio(part.input_audio.data)
                elif part.file is not None:
                    if part.file.file_data is not None:
                        media.document(len(part.file.file_data))
                    else:
                        media.document_elsewhere()
    return mixed_size(body_bytes, media, tools=tools)
