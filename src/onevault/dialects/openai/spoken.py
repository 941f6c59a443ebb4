"""OpenAI's dialects as the registry takes them up: each with the sides that the gateway speaks of it."""

from __future__ import annotations

from collections.abc import Mapping

from onevault.core.chat import ChatRequest
from onevault.core.codec import PLAIN, AnswerWriter, Canonical, Decoder, Incoming, RequestLine, WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.faults import Fault
from onevault.dialects.openai import chat_answer, chat_passing
from onevault.dialects.openai.chat_encode import encode_chat
from onevault.dialects.openai.chat_request import OpenAIChatIncoming, read_chat
from onevault.dialects.openai.chat_writer import OpenAIChatWriter
from onevault.dialects.openai.embeddings import EmbeddingsIncoming, PassingEmbeddings, read_embeddings
from onevault.dialects.openai.embeddings_answer import CanonicalEmbeddings
from onevault.dialects.openai.embeddings_encode import encode_embeddings
from onevault.dialects.openai.embeddings_writer import EmbeddingsWriter
from onevault.dialects.openai.faults import openai_error_body, openai_error_frame, openai_fault
from onevault.dialects.openai.names import OPENAI_CHAT, OPENAI_EMBEDDINGS
from onevault.dialects.wire.json_body import present, unsupported


class OpenAIFaults:
    """What is the same for every dialect of OpenAI."""

    takes = "application/json"

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return openai_fault(status, headers, body)

    def error_body(self, fault: Fault, *, request_id: str) -> bytes:
        return openai_error_body(fault, request_id=request_id)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        return openai_error_frame(fault, request_id=request_id)


class OpenAIChat(OpenAIFaults):
    """Both sides of openai-chat."""

    dialect = OPENAI_CHAT
    paths = ("/v1/chat/completions", "/api/chat/completions")
    wire_paths = ("/chat/completions",)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_chat(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        asked = older = False
        if isinstance(incoming, OpenAIChatIncoming):
            asked, older = incoming.usage_asked, present(incoming.parsed.functions) is not None
        return OpenAIChatWriter(
            request_id=request_id, created_s=created_s, usage_asked=asked, functions_interface=older
        )

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return encode_chat(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        if passing is None:
            return chat_answer.CanonicalStream() if stream else chat_answer.CanonicalWhole()
        if not stream:
            return chat_passing.PassingWhole()
        asked = isinstance(passing, OpenAIChatIncoming) and passing.usage_asked
        return chat_passing.PassingStream(usage_asked=asked, choices_asked=passing.choices)


class OpenAIEmbeddings(OpenAIFaults):
    """Both sides of openai-embeddings."""

    dialect = OPENAI_EMBEDDINGS
    paths = ("/v1/embeddings",)
    wire_paths = ("/embeddings",)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_embeddings(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return EmbeddingsWriter(base64=isinstance(incoming, EmbeddingsIncoming) and incoming.base64)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, EmbeddingsRequest):
            raise unsupported("model", "makes embeddings, and a chat was asked for")
        return encode_embeddings(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return PassingEmbeddings() if passing is not None else CanonicalEmbeddings()
