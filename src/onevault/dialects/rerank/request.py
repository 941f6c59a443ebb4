"""Reads requests to rank documents: `{model, query, documents, top_n?, return_documents?, max_tokens_per_doc?}`.

Source: Cohere API reference, "Rerank V2"; Jina AI, "Reranker API"; vLLM's server takes the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from onevault.core.codec import NO_NEEDS, Canonical, Extensions, InputSize, WireRequest
from onevault.core.operations import Capability, Dialect, Operation
from onevault.dialects.wire.extensions import EXTENSION_NAMES, ExtendedBody, extensions_of, merged
from onevault.dialects.wire.json_body import decoded, fields_of, invalid, unsupported

RERANK: Dialect = "rerank"
RERANK_PATH = "/rerank"
DOCUMENTS_MAX = 10_000
"""Cohere recommends 1,000 at most; others take more."""
DOCUMENTS_PER_SEARCH = 100
TOKENS_PER_DOCUMENT = 500
"""Cohere: a search is a query with up to 100 documents; a document longer than 500 tokens counts as several."""

_NO_METADATA: Mapping[str, str] = {}


class RerankBody(ExtendedBody, frozen=True, kw_only=True):
    query: str | dict[str, Any]
    documents: list[str | dict[str, Any]]
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


_BODY = msgspec.json.Decoder(RerankBody)


class RerankIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request to rank documents, read and valid."""

    body: bytes
    model: str | None
    size: InputSize
    extensions: Extensions
    end_user: str | None
    stream: bool = False
    output_tokens_asked: int | None = None
    choices: int = 1
    service_tier: str | None = None
    needs: frozenset[Capability] = NO_NEEDS
    metadata: Mapping[str, str] = _NO_METADATA
    dialect: Dialect = RERANK
    operation: Operation = Operation.RERANK

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        fields = fields_of(self.body)
        fields["model"] = Raw(msgspec.json.encode(model))
        for name in EXTENSION_NAMES:
            fields.pop(name, None)
        return WireRequest(RERANK_PATH, msgspec.json.encode(fields))

    def canonical(self) -> Canonical:
        raise unsupported("model", "has no provider that ranks documents in this dialect")

    def with_header_extensions(self, extensions: Extensions) -> RerankIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))


def read_rerank(body: bytes) -> RerankIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    parsed = decoded(_BODY, body)
    if not parsed.query:
        raise invalid("query", "must not be empty")
    if not 0 < len(parsed.documents) <= DOCUMENTS_MAX:
        raise invalid("documents", f"must have 1 to {DOCUMENTS_MAX} entries")
    return RerankIncoming(
        body=body,
        model=parsed.model,
        size=_size(parsed, len(body)),
        extensions=extensions_of(parsed),
        end_user=parsed.user,
    )


def _size(parsed: RerankBody, body_bytes: int) -> InputSize:
    """Providers that count tokens count the query anew with each document."""
    query_bytes = _bytes(parsed.query)
    tokens = body_bytes + query_bytes * len(parsed.documents)
    pieces = 0
    for document in parsed.documents:
        length = _bytes(document) + query_bytes
        pieces += max(1, -(-length // TOKENS_PER_DOCUMENT))  # no token is shorter than a byte
    searches = -(-pieces // DOCUMENTS_PER_SEARCH)
    return InputSize(tokens, max(1, tokens // 4), searches_at_most=searches)


def _bytes(text: str | dict[str, Any]) -> int:
    if isinstance(text, str):
        return len(text) if text.isascii() else len(text.encode(errors="replace"))
    return len(msgspec.json.encode(text))
