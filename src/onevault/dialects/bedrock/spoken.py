"""Bedrock's dialects as the registry takes them up. They are spoken to providers only: no caller is read or passed on in them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from onevault.core.chat import ChatRequest
from onevault.core.codec import Canonical, Decoder, Incoming, WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.events import Event, Finished, TokensCounted
from onevault.core.faults import Fault
from onevault.dialects.bedrock.answer import ConverseStream, ConverseWhole
from onevault.dialects.bedrock.embeddings import EmbeddingsWhole, encode_embeddings
from onevault.dialects.bedrock.encode import encode_converse, encode_count_tokens
from onevault.dialects.bedrock.faults import bedrock_fault
from onevault.dialects.bedrock.names import BEDROCK_CONVERSE, BEDROCK_COUNT_TOKENS, BEDROCK_EMBEDDINGS
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.provider_faults import malformed


class BedrockFaults:
    """What is the same for every dialect of Bedrock."""

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return bedrock_fault(status, headers, body)


class BedrockConverse(BedrockFaults):
    """bedrock-converse: Converse, and ConverseStream where a stream is wanted."""

    dialect = BEDROCK_CONVERSE

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return encode_converse(request, output_tokens_max=output_tokens_max, adaptive_thinking=adaptive_thinking)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return ConverseStream() if stream else ConverseWhole()


class BedrockEmbeddings(BedrockFaults):
    """bedrock-embeddings: InvokeModel of the models that make vectors."""

    dialect = BEDROCK_EMBEDDINGS

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, EmbeddingsRequest):
            raise unsupported("model", "is a model for embeddings")
        return encode_embeddings(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return EmbeddingsWhole()


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


class BedrockCountTokens(BedrockFaults):
    """bedrock-count-tokens: CountTokens of a Converse request."""

    dialect = BEDROCK_COUNT_TOKENS

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return encode_count_tokens(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return CountWhole()
