"""Reads embedding requests, passes them and their answers, and says them in the canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from onevault.core.codec import NO_NEEDS, Extensions, InputSize, WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.events import Event, Finished, Passed, UsageReported
from onevault.core.operations import Capability, Dialect, Operation
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.openai.names import OPENAI_EMBEDDINGS
from onevault.dialects.openai.usage import OpenAIUsage, usage_of
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.extensions import EXTENSION_NAMES, ExtendedBody, extensions_of, merged
from onevault.dialects.wire.input_size import text_size
from onevault.dialects.wire.json_body import ABSENT, decoded, fields_of, invalid, present
from onevault.dialects.wire.provider_faults import malformed

EMBEDDINGS_PATH = "/embeddings"
INPUTS_MAX = 2_048


class EmbeddingsBody(ExtendedBody, frozen=True, kw_only=True):
    input: str | list[str | int | list[int]]
    model: str | None = None
    dimensions: Annotated[int, Meta(ge=1, le=2**20)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


class SeenEmbeddings(msgspec.Struct, frozen=True):
    data: Raw = ABSENT
    usage: OpenAIUsage | None = None
    error: object = None


_BODY = msgspec.json.Decoder(EmbeddingsBody)
_SEEN = msgspec.json.Decoder(SeenEmbeddings).decode
_NO_METADATA: Mapping[str, str] = {}
_CARRIED = frozenset((*EmbeddingsBody.__struct_fields__, *EXTENSION_NAMES))


class EmbeddingsIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request for embeddings, read and valid."""

    body: bytes
    model: str | None
    size: InputSize
    extensions: Extensions
    end_user: str | None
    base64: bool = False
    """Whether vectors are wanted as base64 of their numbers."""
    stream: bool = False
    output_tokens_asked: int | None = None
    choices: int = 1
    metadata: Mapping[str, str] = _NO_METADATA
    needs: frozenset[Capability] = NO_NEEDS
    service_tier: str | None = None
    dialect: Dialect = OPENAI_EMBEDDINGS
    operation: Operation = Operation.EMBEDDINGS

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        fields = fields_of(self.body)
        fields["model"] = Raw(msgspec.json.encode(model))
        for name in EXTENSION_NAMES:
            fields.pop(name, None)
        return WireRequest(EMBEDDINGS_PATH, msgspec.json.encode(fields))

    def canonical(self) -> EmbeddingsRequest:
        parsed = decoded(_BODY, self.body)
        return EmbeddingsRequest(
            model=parsed.model or "",
            inputs=_inputs(parsed.input),
            dimensions=parsed.dimensions,
            user=parsed.user,
            hints=tuple(
                name for name, raw in fields_of(self.body).items() if name not in _CARRIED and present(raw) is not None
            ),
        )

    def with_header_extensions(self, extensions: Extensions) -> EmbeddingsIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))


def read_embeddings(body: bytes) -> EmbeddingsIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    parsed = decoded(_BODY, body)
    if parsed.model is not None and not 0 < len(parsed.model) <= 256:
        raise invalid("model", "must have 1 to 256 characters")
    return EmbeddingsIncoming(
        body=body,
        model=parsed.model,
        size=_size(parsed.input, len(body)),
        extensions=extensions_of(parsed),
        end_user=parsed.user,
        base64=parsed.encoding_format == "base64",
    )


def _inputs(given: str | list[str | int | list[int]]) -> tuple[str | tuple[int, ...], ...]:
    """One entry for each vector: a list of tokens is one text."""
    if isinstance(given, str):
        return (given,)
    tokens = tuple(entry for entry in given if isinstance(entry, int))
    if tokens:
        return (tokens,)
    return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in given if not isinstance(entry, int))


def _size(given: str | list[str | int | list[int]], body_bytes: int) -> InputSize:
    """Checks the shape (a text, texts, tokens, or lists of tokens; none of them empty) and sizes it."""
    if not given:
        raise invalid("input", "must not be empty")
    if isinstance(given, str):
        return text_size(body_bytes, tools=False)
    kind = type(given[0])
    if kind is not int and len(given) > INPUTS_MAX:
        raise invalid("input", f"may have {INPUTS_MAX} entries at most")
    tokens = 0
    for i, entry in enumerate(given):
        if type(entry) is not kind:
            raise invalid(f"input[{i}]", "is not of the same kind as the first entry")
        if isinstance(entry, int):
            tokens += 1
            if entry < 0:
                raise invalid(f"input[{i}]", "must be a token")
        elif not entry:
            raise invalid(f"input[{i}]", "must not be empty")
        elif isinstance(entry, list):
            tokens += len(entry)
            if min(entry) < 0:
                raise invalid(f"input[{i}]", "must be tokens")
    return InputSize(tokens, tokens) if tokens else text_size(body_bytes, tools=False)


class PassingEmbeddings(WholeDecoder):
    """Passes an answer once it has come and is one."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            seen = _SEEN(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an answer that is not in its dialect", body) from None
        if seen.error is not None:
            raise fault_in_stream(seen.error)
        if not bytes(seen.data).startswith(b"["):
            raise malformed("an answer without embeddings", body)
        events: list[Event] = [Passed(body)]
        if seen.usage is not None:
            events.append(UsageReported(usage_of(seen.usage)))
        events.append(Finished())
        return events
