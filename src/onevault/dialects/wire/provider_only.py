"""The provider's side of dialects in which no caller is served: nothing passes, everything is written and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onevault.core.chat import ChatRequest
from onevault.core.codec import Canonical, Decoder, Incoming, WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.faults import Fault
from onevault.core.operations import Dialect
from onevault.dialects.wire.json_body import unsupported

Understood = Callable[[int, Mapping[str, str], bytes], Fault]


@dataclass(frozen=True, slots=True)
class ChatCodec:
    """Implements `Codec` for chats: how they are written, how whole and streamed answers are read, what errors mean."""

    dialect: Dialect
    wire_paths: tuple[str, ...]
    written: Callable[[ChatRequest], WireRequest]
    whole: Callable[[], Decoder]
    stream: Callable[[], Decoder]
    fault: Understood

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, ChatRequest):
            raise unsupported("model", "is a model for chats")
        return self.written(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return self.stream() if stream else self.whole()


@dataclass(frozen=True, slots=True)
class EmbeddingsCodec:
    """Implements `Codec` for embeddings."""

    dialect: Dialect
    wire_paths: tuple[str, ...]
    written: Callable[[EmbeddingsRequest], WireRequest]
    whole: Callable[[], Decoder]
    fault: Understood

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        if not isinstance(request, EmbeddingsRequest):
            raise unsupported("model", "makes embeddings, and a chat was asked for")
        return self.written(request)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return self.whole()
