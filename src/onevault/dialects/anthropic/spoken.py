"""Anthropic's dialects as the registry takes them up: each with the sides that the gateway speaks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from onevault.core.chat import ChatRequest
from onevault.core.codec import (
    NO_FACTS,
    PLAIN,
    AnswerFacts,
    AnswerWriter,
    Canonical,
    Decoder,
    Incoming,
    RequestLine,
    WireRequest,
)
from onevault.core.events import Event, TokensCounted
from onevault.core.faults import Fault
from onevault.dialects.anthropic import answer
from onevault.dialects.anthropic import passing as passed
from onevault.dialects.anthropic.encode import encode_count_tokens, encode_messages
from onevault.dialects.anthropic.faults import anthropic_error_body, anthropic_error_frame, anthropic_fault
from onevault.dialects.anthropic.names import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from onevault.dialects.anthropic.request import read_count_tokens, read_messages
from onevault.dialects.anthropic.writer import AnthropicWriter
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.passing import PassingWriter


class AnthropicFaults:
    """What is the same for every dialect of Anthropic."""

    takes = "application/json"

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return anthropic_fault(status, headers, body)

    def error_body(self, fault: Fault, *, request_id: str) -> bytes:
        return anthropic_error_body(fault, request_id=request_id)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        return anthropic_error_frame(fault, request_id=request_id)


class AnthropicMessages(AnthropicFaults):
    """Both sides of anthropic-messages."""

    dialect = ANTHROPIC_MESSAGES
    paths = ("/v1/messages",)
    wire_paths = ("/messages",)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_messages(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return AnthropicWriter(request_id=request_id)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return encode_messages(request, output_tokens_max=output_tokens_max, adaptive_thinking=adaptive_thinking)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        if passing is None:
            return answer.CanonicalStream() if stream else answer.CanonicalWhole()
        return passed.PassingStream() if stream else passed.PassingWhole()


class CountWriter(PassingWriter):
    """Writes `{"input_tokens": n}`."""

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        for event in events:
            if isinstance(event, TokensCounted):
                return msgspec.json.encode({"input_tokens": event.input_tokens})
        return self.write(events)


class AnthropicCountTokens(AnthropicFaults):
    """Both sides of anthropic-count-tokens."""

    dialect = ANTHROPIC_COUNT_TOKENS
    paths = ("/v1/messages/count_tokens",)
    wire_paths = ("/messages/count_tokens",)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_count_tokens(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return CountWriter()

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return encode_count_tokens(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return passed.PassingCount() if passing is not None else passed.CanonicalCount()
