"""Reads a caller's responses request: valid or a fault, sized, and ready to be passed on with its own bytes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from onevault.core.chat import ChatRequest
from onevault.core.codec import NO_NEEDS, Extensions, InputSize, WireRequest
from onevault.core.operations import Capability, Dialect, Operation
from onevault.dialects.openai.chat_body import check_metadata
from onevault.dialects.openai_responses.body import ResponsesBody, check_body
from onevault.dialects.openai_responses.canonical import canonical_of
from onevault.dialects.openai_responses.foreign import input_without_foreign
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.openai_responses.sizing import measured
from onevault.dialects.wire.extensions import EXTENSION_NAMES, extensions_of, merged
from onevault.dialects.wire.json_body import decoded, fields_of, invalid
from onevault.dialects.wire.signatures import LEFT_OUT

RESPONSES_PATH = "/responses"

_BODY = msgspec.json.Decoder(ResponsesBody)
_NO_METADATA: Mapping[str, str] = {}


class ResponsesIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request in the responses dialect, read and valid."""

    body: bytes
    parsed: ResponsesBody
    model: str | None
    stream: bool
    output_tokens_asked: int | None
    size: InputSize
    extensions: Extensions
    metadata: Mapping[str, str]
    end_user: str | None
    needs: frozenset[Capability] = NO_NEEDS
    service_tier: str | None = None
    choices: int = 1
    dialect: Dialect = OPENAI_RESPONSES
    operation: Operation = Operation.CHAT

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        """The limit becomes `max_output_tokens`. Usage is in every stream without being asked for."""
        fields = fields_of(self.body)
        fields["model"] = Raw(msgspec.json.encode(model))
        for name in EXTENSION_NAMES:
            fields.pop(name, None)
        if output_tokens_max is not None:
            fields["max_output_tokens"] = Raw(b"%d" % output_tokens_max)
        items = input_without_foreign(self.parsed.input, self.body)
        if items is not None:
            fields["input"] = items
        return WireRequest(RESPONSES_PATH, msgspec.json.encode(fields), dropped=() if items is None else LEFT_OUT)

    def canonical(self) -> ChatRequest:
        return canonical_of(self.parsed, self.body)

    def with_header_extensions(self, extensions: Extensions) -> ResponsesIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))


def read_responses(body: bytes) -> ResponsesIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    parsed = decoded(_BODY, body)
    check_body(parsed)
    if parsed.metadata:
        check_metadata(parsed.metadata)
    if parsed.model is not None and not 0 < len(parsed.model) <= 256:
        raise invalid("model", "must have 1 to 256 characters")
    size, needs = measured(parsed, len(body))
    return ResponsesIncoming(
        body=body,
        parsed=parsed,
        model=parsed.model,
        stream=parsed.stream is True,
        output_tokens_asked=parsed.max_output_tokens,
        size=size,
        extensions=extensions_of(parsed),
        metadata=parsed.metadata or _NO_METADATA,
        end_user=parsed.user if parsed.user is not None else parsed.safety_identifier,
        needs=needs,
        service_tier=parsed.service_tier,
    )
