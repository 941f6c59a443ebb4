"""The responses dialect as the registry takes it up: both sides of it."""

from __future__ import annotations

from typing import Final

import msgspec

from onevault.core.chat import ChatRequest
from onevault.core.codec import PLAIN, AnswerWriter, Canonical, Decoder, Incoming, RequestLine, WireRequest
from onevault.core.faults import Fault
from onevault.dialects.openai.faults import openai_type
from onevault.dialects.openai.spoken import OpenAIFaults
from onevault.dialects.openai_responses.answer import CanonicalStream, CanonicalWhole
from onevault.dialects.openai_responses.encode import encode_responses
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.openai_responses.passing import PassingStream, PassingWhole
from onevault.dialects.openai_responses.request import RESPONSES_PATH, read_responses
from onevault.dialects.openai_responses.writer import ResponsesWriter
from onevault.dialects.wire.json_body import unsupported

LAST_SEQUENCE: Final = 2**31 - 1
"""The number of an error event: it comes after every other, however many there were."""


class OpenAIResponses(OpenAIFaults):
    """Both sides of openai-responses."""

    dialect = OPENAI_RESPONSES
    paths = ("/v1/responses",)
    wire_paths = (RESPONSES_PATH,)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_responses(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return ResponsesWriter(incoming, request_id=request_id, created_s=created_s)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        """The dialect's `error` event. OpenAI's documents have the fields in the event itself, its servers in an `error` object,
        and clients look for either."""
        fields = {"code": fault.kind.value, "message": fault.message, "param": fault.param}
        error = {"type": openai_type(fault.kind), **fields}
        event = {"type": "error", "sequence_number": LAST_SEQUENCE, **fields, "error": error}
        return b"event: error\ndata: " + msgspec.json.encode(event) + b"\n\n"

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return encode_responses(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        if passing is None:
            return CanonicalStream() if stream else CanonicalWhole()
        if stream:
            return PassingStream()
        return PassingWhole(output_tokens_asked=passing.output_tokens_asked)
