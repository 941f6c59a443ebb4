"""Names every dialect that the gateway speaks, on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onevault.core.chat import ChatRequest
from onevault.core.codec import AnswerWriter, Codec, Decoder, Incoming, Ingress, WireRequest
from onevault.core.events import Event, Finished, Passed
from onevault.core.faults import Fault
from onevault.core.operations import Dialect
from onevault.dialects import anthropic_answer, anthropic_passing, openai_chat_answer, openai_chat_passing
from onevault.dialects.anthropic_encode import encode_count_tokens, encode_messages
from onevault.dialects.anthropic_faults import anthropic_error_body, anthropic_error_frame, anthropic_fault
from onevault.dialects.anthropic_request import read_count_tokens, read_messages
from onevault.dialects.anthropic_writer import AnthropicWriter
from onevault.dialects.json_body import unsupported
from onevault.dialects.openai_chat_encode import encode_chat
from onevault.dialects.openai_chat_request import OpenAIChatIncoming, read_chat
from onevault.dialects.openai_chat_writer import OpenAIChatWriter
from onevault.dialects.openai_embeddings import PassingEmbeddings, read_embeddings
from onevault.dialects.openai_faults import openai_error_body, openai_error_frame, openai_fault


class PassingWriter:
    """Writes answers that only ever pass."""

    def write(self, events: Sequence[Event]) -> bytes:
        return b"".join(event.raw for event in events if isinstance(event, Passed))

    def finish(self, finished: Event) -> bytes:
        return finished.raw if isinstance(finished, Finished) else b""

    def whole(self, events: Sequence[Event]) -> bytes:
        return self.write(events)


class _OpenAIFaults:
    """What is the same for every dialect of OpenAI."""

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return openai_fault(status, headers, body)

    def error_body(self, fault: Fault, *, request_id: str) -> bytes:
        return openai_error_body(fault, request_id=request_id)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        return openai_error_frame(fault, request_id=request_id)


class _AnthropicFaults:
    """What is the same for every dialect of Anthropic."""

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return anthropic_fault(status, headers, body)

    def error_body(self, fault: Fault, *, request_id: str) -> bytes:
        return anthropic_error_body(fault, request_id=request_id)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        return anthropic_error_frame(fault, request_id=request_id)


class OpenAIChat(_OpenAIFaults):
    """Both sides of openai-chat."""

    dialect = Dialect.OPENAI_CHAT

    def read(self, body: bytes) -> Incoming:
        return read_chat(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        asked = isinstance(incoming, OpenAIChatIncoming) and incoming.usage_asked
        return OpenAIChatWriter(request_id=request_id, created_s=created_s, usage_asked=asked)

    def encode(self, request: ChatRequest, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        return encode_chat(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        if passing is None:
            return openai_chat_answer.CanonicalStream() if stream else openai_chat_answer.CanonicalWhole()
        if not stream:
            return openai_chat_passing.PassingWhole()
        asked = isinstance(passing, OpenAIChatIncoming) and passing.usage_asked
        return openai_chat_passing.PassingStream(usage_asked=asked, choices_asked=passing.choices)


class OpenAIEmbeddings(_OpenAIFaults):
    """Both sides of openai-embeddings."""

    dialect = Dialect.OPENAI_EMBEDDINGS

    def read(self, body: bytes) -> Incoming:
        return read_embeddings(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return PassingWriter()

    def encode(self, request: ChatRequest, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        raise unsupported("model", "makes embeddings, and a chat was asked for")

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return PassingEmbeddings()


class AnthropicMessages(_AnthropicFaults):
    """Both sides of anthropic-messages."""

    dialect = Dialect.ANTHROPIC_MESSAGES

    def read(self, body: bytes) -> Incoming:
        return read_messages(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return AnthropicWriter(request_id=request_id)

    def encode(self, request: ChatRequest, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        return encode_messages(request, output_tokens_max=output_tokens_max, adaptive_thinking=adaptive_thinking)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        if passing is None:
            return anthropic_answer.CanonicalStream() if stream else anthropic_answer.CanonicalWhole()
        return anthropic_passing.PassingStream() if stream else anthropic_passing.PassingWhole()


class AnthropicCountTokens(_AnthropicFaults):
    """Both sides of anthropic-count-tokens; what it answers is passed to callers of the same dialect only."""

    dialect = Dialect.ANTHROPIC_COUNT_TOKENS

    def read(self, body: bytes) -> Incoming:
        return read_count_tokens(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return PassingWriter()

    def encode(self, request: ChatRequest, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        return encode_count_tokens(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return anthropic_passing.PassingCount()


_DIALECTS = (OpenAIChat(), OpenAIEmbeddings(), AnthropicMessages(), AnthropicCountTokens())

INGRESS: Mapping[Dialect, Ingress] = {spoken.dialect: spoken for spoken in _DIALECTS}
CODECS: Mapping[Dialect, Codec] = {spoken.dialect: spoken for spoken in _DIALECTS}
