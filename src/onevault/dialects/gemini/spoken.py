"""Google's dialects as the registry takes them up: each with the sides that the gateway speaks of it."""

from __future__ import annotations

from collections.abc import Mapping

from onevault.core.chat import ChatRequest
from onevault.core.codec import PLAIN, AnswerWriter, Canonical, Decoder, Incoming, RequestLine, WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.faults import Fault
from onevault.dialects.gemini import answer, embeddings, embeddings_answer, vertex_embeddings
from onevault.dialects.gemini import passing as passed
from onevault.dialects.gemini.array import PassingArray
from onevault.dialects.gemini.count_tokens import CountWriter
from onevault.dialects.gemini.encode import encode_count, encode_generate
from onevault.dialects.gemini.faults import gemini_error_body, gemini_error_frame, gemini_fault
from onevault.dialects.gemini.names import (
    GEMINI,
    GEMINI_COUNT_TOKENS,
    GEMINI_EMBEDDINGS,
    VERTEX_COUNT_TOKENS,
    VERTEX_EMBEDDINGS,
)
from onevault.dialects.gemini.paths import ingress_paths, wire_paths
from onevault.dialects.gemini.request import COUNT, GENERATE, STREAM, GeminiIncoming, read_count, read_generate
from onevault.dialects.gemini.writer import GeminiWriter
from onevault.dialects.wire.json_body import unsupported


class GeminiFaults:
    """What is the same for every dialect of Google."""

    takes = "application/json"

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return gemini_fault(status, headers, body)

    def error_body(self, fault: Fault, *, request_id: str) -> bytes:
        return gemini_error_body(fault)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        return gemini_error_frame(fault)


def _chat(request: Canonical) -> ChatRequest:
    if not isinstance(request, ChatRequest):
        raise unsupported("model", "is a model for chats")
    return request


def _embeddings(request: Canonical) -> EmbeddingsRequest:
    if not isinstance(request, EmbeddingsRequest):
        raise unsupported("model", "makes embeddings, and a chat was asked for")
    return request


class Gemini(GeminiFaults):
    """Both sides of gemini: two verbs, of which one streams."""

    dialect = GEMINI
    paths = ingress_paths(GENERATE, STREAM)
    wire_paths = wire_paths(GENERATE, STREAM)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_generate(body, line)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return GeminiWriter(request_id=request_id, array=_wants_array(incoming))

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        return encode_generate(_chat(request))

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        if passing is None:
            return answer.CanonicalStream() if stream else answer.CanonicalWhole()
        if stream:
            return passed.PassingStream(array=_wants_array(passing))
        return PassingArray() if _wants_array(passing) else passed.PassingWhole()


def _wants_array(incoming: Incoming) -> bool:
    return isinstance(incoming, GeminiIncoming) and incoming.stream and not incoming.event_stream


class GeminiCountTokens(GeminiFaults):
    """Both sides of gemini-count-tokens."""

    dialect = GEMINI_COUNT_TOKENS
    paths = ingress_paths(COUNT)
    wire_paths = wire_paths(COUNT)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_count(body, line)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return CountWriter()

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        return encode_count(_chat(request), vertex=False)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return passed.PassingCount() if passing is not None else passed.CanonicalCount()


class VertexCountTokens(GeminiFaults):
    """How Vertex AI counts: what beside the contents is input stands beside them."""

    dialect = VERTEX_COUNT_TOKENS
    wire_paths = wire_paths(COUNT)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        return encode_count(_chat(request), vertex=True)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return passed.CanonicalCount()


class GeminiEmbeddings(GeminiFaults):
    """Both sides of gemini-embeddings: one text a request, or many."""

    dialect = GEMINI_EMBEDDINGS
    paths = ingress_paths(embeddings.EMBED, embeddings.EMBED_BATCH)
    wire_paths = wire_paths(embeddings.EMBED, embeddings.EMBED_BATCH)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return embeddings.read_embeddings(body, line)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        batch = isinstance(incoming, embeddings.GeminiEmbeddingsIncoming) and incoming.batch
        return embeddings_answer.EmbeddingsWriter(batch=batch)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        return embeddings_answer.encode_embeddings(_embeddings(request))

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return embeddings_answer.PassingEmbeddings() if passing is not None else embeddings_answer.CanonicalEmbeddings()


class VertexEmbeddings(GeminiFaults):
    """How Vertex AI makes embeddings: as a prediction, or by `:embedContent`."""

    dialect = VERTEX_EMBEDDINGS
    wire_paths = wire_paths(vertex_embeddings.PREDICT, embeddings.EMBED)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        return vertex_embeddings.encode_embeddings(_embeddings(request))

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return vertex_embeddings.VertexEmbeddingsDecoder()
