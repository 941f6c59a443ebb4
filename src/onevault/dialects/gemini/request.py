"""Reads a caller's Gemini request (to generate or to count): valid or a fault, sized, ready to be passed on with its own bytes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from onevault.core.chat import ChatRequest
from onevault.core.codec import NO_NEEDS, PLAIN, Extensions, InputSize, RequestLine, WireRequest
from onevault.core.operations import Capability, Dialect, Operation
from onevault.dialects.gemini.body import CountedBody, CountTokensBody, spelled
from onevault.dialects.gemini.canonical import canonical_of
from onevault.dialects.gemini.foreign import contents_without_foreign
from onevault.dialects.gemini.names import GEMINI, GEMINI_COUNT_TOKENS
from onevault.dialects.gemini.paths import model_and_verb, resource_of, wire_path
from onevault.dialects.gemini.size import needs_of, size_of
from onevault.dialects.wire.extensions import EXTENSION_NAMES, extensions_of, merged
from onevault.dialects.wire.json_body import ABSENT, fields_of, invalid, present
from onevault.dialects.wire.signatures import LEFT_OUT

GENERATE = "generateContent"
STREAM = "streamGenerateContent"
COUNT = "countTokens"
EVENT_STREAM = "?alt=sse"

_BODY = msgspec.json.Decoder(CountedBody)
_COUNT_BODY = msgspec.json.Decoder(CountTokensBody)
_NO_METADATA: Mapping[str, str] = {}
_CONFIG_NAMES = ("generationConfig", "generation_config")
_LIMIT_NAMES = ("maxOutputTokens", "max_output_tokens")
_INNER_NAMES = ("generateContentRequest", "generate_content_request")


class GeminiIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request in Google's dialect, read and valid. `spelled` is its JSON in the canonical spelling."""

    body: bytes
    parsed: CountedBody
    spelled: bytes
    model: str | None
    stream: bool
    event_stream: bool
    """Whether a stream is one of server-sent events (`alt=sse`) and not one JSON array."""
    output_tokens_asked: int | None
    choices: int
    size: InputSize
    extensions: Extensions
    metadata: Mapping[str, str]
    dialect: Dialect
    operation: Operation
    needs: frozenset[Capability] = NO_NEEDS
    service_tier: str | None = None
    end_user: str | None = None

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        """A stream is asked for as events, whichever the caller's form: the array is written from them."""
        contents = contents_without_foreign(model, self.parsed.contents or (), self.spelled)
        dropped = () if contents is None else LEFT_OUT
        if self.operation is Operation.COUNT_TOKENS:
            return WireRequest(wire_path(model, COUNT), self._counted_body(model, contents), dropped=dropped)
        path = wire_path(model, STREAM) + EVENT_STREAM if self.stream else wire_path(model, GENERATE)
        return WireRequest(path, self._generating_body(output_tokens_max, contents), dropped=dropped)

    def canonical(self) -> ChatRequest:
        request = canonical_of(self.parsed, self.spelled)
        return msgspec.structs.replace(request, model=self.model or "", stream=self.stream)

    def with_header_extensions(self, extensions: Extensions) -> GeminiIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))

    def _generating_body(self, output_tokens_max: int | None, contents: Raw | None) -> bytes:
        fields = fields_of(self.body)
        extended = [name for name in EXTENSION_NAMES if name in fields]
        if output_tokens_max is None and contents is None and not extended:
            return self.body
        for name in extended:
            del fields[name]
        if output_tokens_max is not None:
            named = _given(_CONFIG_NAMES, fields)
            config = fields_of(fields[named]) if present(fields.get(named, ABSENT)) is not None else {}
            config[_given(_LIMIT_NAMES, config)] = Raw(b"%d" % output_tokens_max)
            fields[named] = Raw(msgspec.json.encode(config))
        if contents is not None:
            fields["contents"] = contents
        return msgspec.json.encode(fields)

    def _counted_body(self, model: str, contents: Raw | None) -> bytes:
        fields = fields_of(self.body)
        for name in EXTENSION_NAMES:
            fields.pop(name, None)
        named = _given(_INNER_NAMES, fields)
        if present(fields.get(named, ABSENT)) is not None:
            inner = fields_of(fields[named])
            inner["model"] = Raw(msgspec.json.encode(resource_of(model)))
            if contents is not None:
                inner["contents"] = contents
            fields[named] = Raw(msgspec.json.encode(inner))
        elif contents is not None:
            fields["contents"] = contents
        return msgspec.json.encode(fields)


def _given(names: tuple[str, ...], fields: Mapping[str, Raw]) -> str:
    """Which of a field's spellings the caller used; the first if none."""
    return next((name for name in names if name in fields), names[0])


def read_generate(body: bytes, line: RequestLine = PLAIN) -> GeminiIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    model, verb = model_and_verb(line.path)
    parsed, json = spelled(_BODY, body)
    if not parsed.contents:
        raise invalid("contents", "is missing" if parsed.contents is None else "must not be empty")
    config = parsed.generation_config
    limit = config.max_output_tokens if config is not None else None
    return GeminiIncoming(
        body=body,
        parsed=parsed,
        spelled=json,
        model=model,
        stream=verb == STREAM,
        event_stream=line.query.get("alt") == "sse",
        output_tokens_asked=None if limit is None else int(limit),
        choices=int(config.candidate_count or 1) if config is not None else 1,
        size=size_of(parsed, json),
        extensions=extensions_of(parsed),
        metadata=parsed.labels or _NO_METADATA,
        dialect=GEMINI,
        operation=Operation.CHAT,
        needs=needs_of(parsed),
        service_tier=parsed.service_tier,
    )


def read_count(body: bytes, line: RequestLine = PLAIN) -> GeminiIncoming:
    """Raises as `read_generate` does."""
    model, _ = model_and_verb(line.path)
    outer, json = spelled(_COUNT_BODY, body)
    parsed: CountedBody = outer
    if outer.generate_content_request is not None:
        parsed = outer.generate_content_request
        json = bytes(fields_of(json)["generateContentRequest"])
    if not parsed.contents:
        raise invalid("contents", "is missing" if parsed.contents is None else "must not be empty")
    return GeminiIncoming(
        body=body,
        parsed=parsed,
        spelled=json,
        model=model,
        stream=False,
        event_stream=False,
        output_tokens_asked=None,
        choices=1,
        size=size_of(parsed, json),
        extensions=extensions_of(outer),
        metadata=parsed.labels or _NO_METADATA,
        dialect=GEMINI_COUNT_TOKENS,
        operation=Operation.COUNT_TOKENS,
        needs=needs_of(parsed),
    )
