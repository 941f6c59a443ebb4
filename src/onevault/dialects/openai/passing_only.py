"""What is the same for those of OpenAI's dialects whose requests and answers only pass."""

from __future__ import annotations

from onevault.core.codec import AnswerWriter, Canonical, Incoming, WireRequest
from onevault.dialects.openai.spoken import OpenAIFaults
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.passing import PassingWriter


class ProvidersTypeWriter(PassingWriter):
    """Writes what a provider sent under the content type that it sent it as."""

    whole_type = None
    stream_type = None


class OpenAIPassing(OpenAIFaults):
    """Both sides of a dialect that is translated into none. `makes` says what its models make, for the fault."""

    dialect: str
    makes: str

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return PassingWriter()

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        raise unsupported("model", f"{self.makes} and is spoken to in the dialect {self.dialect} alone")
