"""Ollama's dialects as the registry takes them up; its callers are not served in them."""

from __future__ import annotations

from collections.abc import Mapping

from onevault.core.chat import ChatRequest
from onevault.core.codec import Canonical, Decoder, Incoming, WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.faults import Fault
from onevault.dialects.ollama.answer import CanonicalEmbeddings, CanonicalStream, CanonicalWhole
from onevault.dialects.ollama.embeddings import EMBED_PATH, encode_embed
from onevault.dialects.ollama.encode import CHAT_PATH, encode_chat
from onevault.dialects.ollama.faults import ollama_fault
from onevault.dialects.ollama.names import OLLAMA_CHAT, OLLAMA_EMBEDDINGS
from onevault.dialects.wire.json_body import unsupported


class OllamaFaults:
    """What is the same for every dialect of Ollama."""

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return ollama_fault(status, headers, body)


class OllamaChat(OllamaFaults):
    """The provider's side of ollama-chat."""

    dialect = OLLAMA_CHAT
    wire_paths = (CHAT_PATH,)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return encode_chat(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return CanonicalStream() if stream else CanonicalWhole()


class OllamaEmbeddings(OllamaFaults):
    """The provider's side of ollama-embeddings."""

    dialect = OLLAMA_EMBEDDINGS
    wire_paths = (EMBED_PATH,)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, EmbeddingsRequest):
            raise unsupported("model", "makes embeddings, and a chat was asked for")
        return encode_embed(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return CanonicalEmbeddings()
