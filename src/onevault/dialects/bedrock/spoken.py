"""How chats are spoken to Bedrock, and how its counts are read. No caller is read or passed on in its dialects."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from onevault.core.chat import ChatRequest
from onevault.core.codec import Canonical, Decoder, Incoming, WireRequest
from onevault.core.events import Event, Finished, TokensCounted
from onevault.core.faults import Fault
from onevault.dialects.bedrock.answer import ConverseStream, ConverseWhole
from onevault.dialects.bedrock.encode import encode_converse
from onevault.dialects.bedrock.faults import bedrock_fault
from onevault.dialects.bedrock.names import BEDROCK_CONVERSE
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.provider_faults import malformed


class BedrockConverse:
    """bedrock-converse: Converse, and ConverseStream where a stream is wanted."""

    dialect = BEDROCK_CONVERSE
    wire_paths = ("/model/{model}/converse", "/model/{model}/converse-stream")

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return encode_converse(request, output_tokens_max=output_tokens_max, adaptive_thinking=adaptive_thinking)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return ConverseStream() if stream else ConverseWhole()

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return bedrock_fault(status, headers, body)


class CountAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    input_tokens: int


_COUNT = msgspec.json.Decoder(CountAnswer).decode


class CountWhole(WholeDecoder):
    """Decodes `{"inputTokens": n}`."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            return [TokensCounted(_COUNT(body).input_tokens), Finished()]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an answer that is not in its dialect", body) from None
