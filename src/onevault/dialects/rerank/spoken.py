"""The dialect as the registry takes it up: the same bytes for callers and providers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from onevault.core.codec import PLAIN, AnswerWriter, Canonical, Decoder, Incoming, RequestLine, WireRequest
from onevault.core.events import Event, Finished, Passed, UsageReported
from onevault.core.faults import Fault
from onevault.core.usage import Usage
from onevault.dialects.cohere.faults import cohere_fault
from onevault.dialects.openai.faults import openai_error_body, openai_error_frame, openai_fault
from onevault.dialects.rerank.request import RERANK, RERANK_PATH, read_rerank
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.json_body import ABSENT, unsupported
from onevault.dialects.wire.passing import PassingWriter
from onevault.dialects.wire.provider_faults import malformed


class _Billed(msgspec.Struct, frozen=True):
    search_units: float | None = None


class _Tokens(msgspec.Struct, frozen=True):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Meta(msgspec.Struct, frozen=True):
    billed_units: _Billed | None = None
    tokens: _Tokens | None = None


class _JinaUsage(msgspec.Struct, frozen=True):
    total_tokens: int | None = None
    prompt_tokens: int | None = None


class _Ranked(msgspec.Struct, frozen=True):
    results: Raw = ABSENT
    meta: _Meta | None = None
    usage: _JinaUsage | None = None


_RANKED = msgspec.json.Decoder(_Ranked).decode


class Rerank:
    """Both sides of rerank. Answers are the provider's own; faults look as OpenAI's do."""

    dialect = RERANK
    paths = ("/v1/rerank", "/v2/rerank")
    wire_paths = (RERANK_PATH,)
    takes = "application/json"

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_rerank(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return PassingWriter()

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        raise unsupported("model", "ranks documents, and something else was asked for")

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return PassingRanks()

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        """Those who follow Cohere write either its errors or OpenAI's."""
        return openai_fault(status, headers, body) if b'"error"' in body else cohere_fault(status, headers, body)

    def error_body(self, fault: Fault, *, request_id: str) -> bytes:
        return openai_error_body(fault, request_id=request_id)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        return openai_error_frame(fault, request_id=request_id)


class PassingRanks(WholeDecoder):
    """Passes an answer once it has come and is one. Searches are what Cohere charges for, tokens what others do."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            seen = _RANKED(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an answer that is not in its dialect", body) from None
        if not bytes(seen.results).startswith(b"["):
            raise malformed("an answer without results", body)
        events: list[Event] = [Passed(body)]
        usage = _usage(seen)
        if usage is not None:
            events.append(UsageReported(usage))
        events.append(Finished())
        return events


def _usage(seen: _Ranked) -> Usage | None:
    if seen.meta is not None and seen.meta.billed_units is not None:
        searches, tokens = seen.meta.billed_units.search_units, seen.meta.tokens
        if searches is not None:
            counted = tokens.input_tokens if tokens is not None else None
            return Usage(searches=max(0, int(searches)), input_tokens=max(0, int(counted or 0)))
    if seen.usage is not None:
        counted = seen.usage.total_tokens if seen.usage.total_tokens is not None else seen.usage.prompt_tokens
        if counted is not None:
            return Usage(input_tokens=max(0, int(counted)))
    return None
