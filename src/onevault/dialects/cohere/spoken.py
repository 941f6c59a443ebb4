"""Cohere's dialects as the registry takes them up; its callers are not served in them."""

from __future__ import annotations

from collections.abc import Mapping

from onevault.core.chat import ChatRequest
from onevault.core.codec import Canonical, Decoder, Incoming, WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.faults import Fault
from onevault.dialects.cohere.answer import CanonicalStream, CanonicalWhole
from onevault.dialects.cohere.embeddings import EMBED_PATH, CanonicalEmbeddings, encode_embed
from onevault.dialects.cohere.encode import CHAT_PATH, encode_chat
from onevault.dialects.cohere.faults import cohere_fault
from onevault.dialects.cohere.names import COHERE_CHAT, COHERE_EMBEDDINGS
from onevault.dialects.wire.json_body import unsupported


class CohereFaults:
    """What is the same for every dialect of Cohere."""

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return cohere_fault(status, headers, body)


class CohereChat(CohereFaults):
    """The provider's side of cohere-chat."""

    dialect = COHERE_CHAT
    wire_paths = (CHAT_PATH,)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return encode_chat(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return CanonicalStream() if stream else CanonicalWhole()


class CohereEmbeddings(CohereFaults):
    """The provider's side of cohere-embeddings."""

    dialect = COHERE_EMBEDDINGS
    wire_paths = (EMBED_PATH,)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, EmbeddingsRequest):
            raise unsupported("model", "makes embeddings, and a chat was asked for")
        return encode_embed(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return CanonicalEmbeddings()
