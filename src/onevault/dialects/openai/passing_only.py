"""What is the same for those of OpenAI's dialects whose requests and answers only pass."""

from __future__ import annotations

from collections.abc import Sequence

from onevault.core.codec import AnswerWriter, Canonical, Incoming, WireRequest
from onevault.core.events import Event
from onevault.dialects.openai.spoken import OpenAIFaults
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.passing import PassingWriter


class ProvidersTypeWriter(PassingWriter):
    """Writes what a provider sent under the content type that it sent it as. Where a stream was asked for and a document came,
    no comment fits behind it."""

    whole_type = None
    stream_type = None

    def __init__(self) -> None:
        self._is_document = False

    def write(self, events: Sequence[Event]) -> bytes:
        written = super().write(events)
        self._is_document = self._is_document or written.lstrip().startswith(b"{")
        return written

    def comment(self, text: str) -> bytes:
        return b"" if self._is_document else super().comment(text)


class OpenAIPassing(OpenAIFaults):
    """Both sides of a dialect that is translated into none. `makes` says what its models make, for the fault."""

    dialect: str
    makes: str

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return PassingWriter()

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        raise unsupported("model", f"{self.makes} and is spoken to in the dialect {self.dialect} alone")
