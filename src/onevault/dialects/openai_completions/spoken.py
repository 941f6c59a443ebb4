"""The legacy completions dialect as the registry takes it up: its callers are read, and its providers are passed on to.

A chat is never written in it: it has no roles, tools or media, so that side refuses what does not pass.
"""

from __future__ import annotations

from onevault.core.codec import PLAIN, AnswerWriter, Canonical, Decoder, Incoming, RequestLine, WireRequest
from onevault.dialects.openai.chat_passing import PassingStream, PassingWhole
from onevault.dialects.openai.spoken import OpenAIFaults
from onevault.dialects.openai_completions.names import OPENAI_COMPLETIONS
from onevault.dialects.openai_completions.request import COMPLETIONS_PATH, CompletionsIncoming, read_completions
from onevault.dialects.openai_completions.writer import CompletionsWriter
from onevault.dialects.wire.json_body import unsupported


class OpenAICompletions(OpenAIFaults):
    """Both sides of openai-completions."""

    dialect = OPENAI_COMPLETIONS
    paths = ("/v1/completions",)
    wire_paths = (COMPLETIONS_PATH,)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_completions(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        asked = isinstance(incoming, CompletionsIncoming) and incoming.usage_asked
        return CompletionsWriter(request_id=request_id, created_s=created_s, usage_asked=asked)

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        raise unsupported("model", "takes a prompt and no conversation; ask it at /v1/completions")

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        if not stream:
            return PassingWhole()
        if isinstance(passing, CompletionsIncoming):
            return PassingStream(usage_asked=passing.usage_asked, choices_asked=passing.choices_told)
        return PassingStream(usage_asked=True, choices_asked=1)
