"""Every recorded exchange of every provider: decoded whole and at random splits, its usage what the body says, its refusals understood.

What the gateway has no dialect for (files, vector stores, realtime, APIs of earlier days) is named below, so that nothing is
left out unnoticed.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from onevault.core.codec import Decoder, Incoming, RequestLine
from onevault.core.events import (
    EmbeddingsMade,
    Event,
    Finished,
    Passed,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ToolArgumentsAdded,
    UsageReported,
)
from onevault.core.faults import Fault, FaultKind
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

FOLDER = Path(os.environ.get("ONEVAULT_RECORDINGS", Path(__file__).parents[3] / "shared" / "recorded"))
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no recordings here")

SPLITS = 3
_SPOKEN = (
    (r"/chat/completions(#stream)?$", "openai-chat"),
    (r"/responses$", "openai-responses"),
    (r"(?<!/api)/embeddings$", "openai-embeddings"),
    (r"/messages$", "anthropic-messages"),
    (r"/messages/count_tokens$", "anthropic-count-tokens"),
    (r":(generateContent|streamGenerateContent)$", "gemini"),
    (r":countTokens$", "gemini-count-tokens"),
    (r":(embedContent|batchEmbedContents)$", "gemini-embeddings"),
    (r":predict$", "vertex-embeddings"),
    (r"/converse(-stream)?$", "bedrock-converse"),
    (r"/model/[^/]+/count-tokens$", "bedrock-count-tokens"),
    (r"/model/(amazon\.titan-embed|(us\.)?cohere\.embed)[^/]+/invoke$", "bedrock-embeddings"),
    (r"/v2/chat$", "cohere-chat"),
    (r"/v2/embed$", "cohere-embeddings"),
    (r"/rerank$", "rerank"),
    (r"/api/chat$", "ollama-chat"),
    (r"/api/embed$", "ollama-embeddings"),
)
_NOT_SPOKEN = (
    r"/(files|fileSearchStores|vector_stores|conversations|realtime|cachedContents)",
    r"/responses/",
    r"/models",
    r"/model/[^/]+/invoke",
    r"/v1/(chat|generate|tokenize)$",
    r"/api/(generate|embeddings)$",
)


class Exchange(NamedTuple):
    name: str
    provider: str
    dialect: str
    path: str
    query: str
    request: bytes
    content_type: str
    status: int
    headers: dict[str, str]
    answer: bytes

    @property
    def stream(self) -> bool:
        kind = self.headers.get("content-type", "")
        if self.dialect == "gemini":
            return "alt=sse" in self.query
        return kind.startswith(("text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream"))


def _bytes(body: dict[str, str] | None) -> bytes:
    if not body:
        return b""
    return body["text"].encode() if "text" in body else base64.b64decode(body["base64"])


def dialect_of(method: str, path: str) -> str | None:
    if method.upper() == "POST":
        for pattern, dialect in _SPOKEN:
            if re.search(pattern, path):
                return dialect
    return None


@cache
def recorded() -> tuple[tuple[Exchange, ...], tuple[tuple[str, str], ...]]:
    """The exchanges that are spoken, and method and path of the others."""
    found: list[Exchange] = []
    others: list[tuple[str, str]] = []
    for file in sorted(FOLDER.glob("*.jsonl")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            told = json.loads(line)
            path, _, query = told["path"].partition("?")
            dialect = dialect_of(told["method"], path)
            if dialect is None:
                others.append((told["method"], path))
                continue
            headers = {name.lower(): value for name, value in (told["response_headers"] or {}).items()}
            headers = {name: value if isinstance(value, str) else ", ".join(value) for name, value in headers.items()}
            asked = {name.lower(): value for name, value in (told["request_headers"] or {}).items()}
            found.append(
                Exchange(
                    f"{file.stem}:{number}",
                    file.stem,
                    dialect,
                    path,
                    query,
                    _bytes(told["request"]),
                    str(asked.get("content-type", "application/json")),
                    told["status"],
                    headers,
                    _bytes(told["response"]),
                )
            )
    return tuple(found), tuple(others)


DIALECTS = list(dict.fromkeys(dialect for _, dialect in _SPOKEN))


def decoded(decoder: Decoder, pieces: list[bytes]) -> list[Event]:
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return events + decoder.close()


def text_of(events: list[Event]) -> dict[tuple[str, int, int], str]:
    """Content put together, so that a whole answer and any split of a stream can be compared."""
    texts: dict[tuple[str, int, int], str] = {}
    for event in events:
        if isinstance(event, TextAdded | ThinkingAdded | RefusalAdded):
            key = (type(event).__name__, event.choice, event.part)
            texts[key] = texts.get(key, "") + event.text
        elif isinstance(event, ToolArgumentsAdded):
            key = ("arguments", event.choice, event.call)
            texts[key] = texts.get(key, "") + event.json_text
    return texts


def splits(body: bytes, seed: str) -> Iterator[list[bytes]]:
    chance = random.Random(seed)
    for _ in range(SPLITS):
        cuts = sorted(chance.randrange(len(body) + 1) for _ in range(chance.randrange(1, 40)))
        yield [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    if len(body) < 4_000:
        yield [body[place : place + 1] for place in range(len(body))]


def test_every_exchange_is_spoken_or_named_as_not() -> None:
    spoken, others = recorded()
    unnamed = [path for _, path in others if not any(re.search(pattern, path) for pattern in _NOT_SPOKEN)]
    assert unnamed == []
    assert len(spoken) > 2_900
    assert len(spoken) > 15 * len(others)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_answers_decode_the_same_at_every_split(dialect: str) -> None:
    checked = 0
    for exchange in recorded()[0]:
        if exchange.dialect != dialect or exchange.status >= 400:
            continue
        checked += 1
        codec = CODECS[dialect]
        for passing in _passings(exchange):
            broken: Fault | None = None
            try:
                once = decoded(codec.decoder(stream=exchange.stream, passing=passing), [exchange.answer])
            except Fault as fault:
                broken = fault
            if broken is not None:
                assert told_within(exchange), f"{exchange.name}: {broken!r} {broken.provider_text}"
                continue
            assert isinstance(once[-1], Finished), exchange.name
            if passing is not None:
                passed = b"".join(event.raw for event in once if isinstance(event, Passed | Finished))
                assert passed == exchange.answer or _only_usage_left_out(exchange, passed), exchange.name
            for pieces in splits(exchange.answer, exchange.name):
                again = decoded(codec.decoder(stream=exchange.stream, passing=passing), pieces)
                assert text_of(again) == text_of(once), exchange.name
                assert _usage(again) == _usage(once), exchange.name
    assert checked or dialect == "ollama-embeddings"  # recorded only at its older path


def _passings(exchange: Exchange) -> Iterator[Incoming | None]:
    """As a foreign caller, and, where callers speak the dialect, as one of them who sent the recorded request."""
    yield None
    ingress = INGRESS.get(exchange.dialect)
    if ingress is not None and exchange.request:
        query = dict(pair.split("=", 1) for pair in exchange.query.split("&") if "=" in pair)
        line = RequestLine(_gateways_path(exchange.path), query, exchange.content_type)
        yield ingress.read(exchange.request, line)


def _gateways_path(path: str) -> str:
    """Where the same call goes at the gateway (Vertex has projects and locations before the model)."""
    found = re.search(r"/models/[^/]+:\w+$", path)
    return f"/v1beta{found[0]}" if found else path


def told_within(exchange: Exchange) -> bool:
    """Whether a 200 says in its body that it failed, or was blocked."""
    body = exchange.answer
    return any(sign in body for sign in (b'"error"', b"blockReason", b'"failed"', b":exception-type"))


def _only_usage_left_out(exchange: Exchange, passed: bytes) -> bool:
    """A caller who did not ask for the chunk with the usage does not get it."""
    return exchange.stream and b"include_usage" not in exchange.request and len(passed) < len(exchange.answer)


def _usage(events: list[Event]) -> Usage | None:
    found = [event.usage for event in events if isinstance(event, UsageReported)]
    return found[-1] if found else None


# ---- usage, read from the bodies by other code


def _documents(exchange: Exchange) -> list[Any]:
    """The JSON documents of an answer, in order."""
    body = exchange.answer
    if exchange.headers.get("content-type", "").startswith("application/vnd.amazon.eventstream"):
        found: list[Any] = []
        place = 0
        while place < len(body):
            total, head = int.from_bytes(body[place : place + 4]), int.from_bytes(body[place + 4 : place + 8])
            found.append(json.loads(body[place + 12 + head : place + total - 4]))
            place += total
        return found
    text = body.decode()
    if exchange.stream and exchange.dialect != "ollama-chat":
        lines = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
        return [json.loads(line) for line in lines if line and line != "[DONE]"]
    if exchange.stream:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return [json.loads(text)]


def _told(exchange: Exchange) -> tuple[int, int] | None:
    """Input and output tokens as the body says them, cached and thought ones included. None: it says nothing."""
    last: tuple[int, int] | None = None
    for document in _documents(exchange):
        if isinstance(document, dict):
            last = _told_in(exchange.dialect, document, last) or last
    return last


def _told_in(dialect: str, document: dict[str, Any], before: tuple[int, int] | None) -> tuple[int, int] | None:
    usage = document.get("usage") or {}
    if dialect == "openai-chat":
        usage = usage or (document.get("x_groq") or {}).get("usage") or {}
        if "prompt_tokens" not in usage:
            return None
        taken = usage.get("completion_tokens") or 0
        thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
        if usage.get("total_tokens") == usage["prompt_tokens"] + taken + thought:
            taken += thought  # xAI counts thinking apart
        return usage["prompt_tokens"], taken
    if dialect == "openai-responses":
        usage = usage or (document.get("response") or {}).get("usage") or {}
        return (usage["input_tokens"], usage["output_tokens"]) if "input_tokens" in usage else None
    if dialect in ("openai-embeddings",):
        return (usage["prompt_tokens"], 0) if "prompt_tokens" in usage else None
    if dialect == "anthropic-messages":
        usage = usage or (document.get("message") or {}).get("usage") or {}
        if "output_tokens" not in usage:
            return None
        given = sum(usage.get(name) or 0 for name in _ANTHROPIC_INPUT) if usage.get("input_tokens") is not None else 0
        return (given or (before[0] if before else 0)), usage["output_tokens"]
    if dialect == "gemini":
        usage = document.get("usageMetadata") or {}
        if "promptTokenCount" not in usage and "candidatesTokenCount" not in usage:
            return None
        given = (usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0)
        return given, (usage.get("candidatesTokenCount") or 0) + (usage.get("thoughtsTokenCount") or 0)
    if dialect == "bedrock-converse":
        if "inputTokens" not in usage:
            return None
        cached = (usage.get("cacheReadInputTokens") or 0) + (usage.get("cacheWriteInputTokens") or 0)
        return usage["inputTokens"] + cached, usage["outputTokens"]
    if dialect == "cohere-chat":
        usage = usage or (document.get("delta") or {}).get("usage") or {}
        billed = usage.get("billed_units")
        return (int(billed["input_tokens"]), int(billed["output_tokens"])) if billed else None
    if dialect == "ollama-chat":
        if "eval_count" not in document or "prompt_eval_count" not in document:
            return None
        return document["prompt_eval_count"], document["eval_count"]
    return None


_ANTHROPIC_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_usage_is_what_the_body_says(dialect: str) -> None:
    compared = Counter[str]()
    for exchange in recorded()[0]:
        if exchange.dialect != dialect or exchange.status >= 400:
            continue
        try:
            events = decoded(CODECS[dialect].decoder(stream=exchange.stream, passing=None), [exchange.answer])
        except Fault:
            continue
        told, usage = _told(exchange), _usage(events)
        if told is not None:
            compared["told"] += 1
            assert usage is not None, exchange.name
            assert (usage.input_tokens, usage.output_tokens) == told, exchange.name
    if dialect in (
        "openai-chat",
        "openai-responses",
        "anthropic-messages",
        "gemini",
        "bedrock-converse",
        "cohere-chat",
    ):
        assert compared["told"]


def test_vectors_are_those_of_the_body() -> None:
    for exchange in recorded()[0]:
        if (
            exchange.dialect not in ("cohere-embeddings", "ollama-embeddings", "openai-embeddings")
            or exchange.status >= 400
        ):
            continue
        events = decoded(CODECS[exchange.dialect].decoder(stream=False, passing=None), [exchange.answer])
        (made,) = (event for event in events if isinstance(event, EmbeddingsMade))
        body = json.loads(exchange.answer)
        first = body["data"][0]["embedding"] if "data" in body else body["embeddings"]
        first = first["float"] if isinstance(first, dict) else first
        assert isinstance(first, str) or list(made.vectors[0]) == (first[0] if isinstance(first[0], list) else first)


def test_refusals_are_understood() -> None:
    """No recorded refusal is taken for the provider's failure but those that are about the gateway's own account."""
    seen = Counter[FaultKind]()
    for exchange in recorded()[0]:
        if exchange.status < 400:
            continue
        fault = CODECS[exchange.dialect].fault(exchange.status, exchange.headers, exchange.answer)
        assert fault.provider_status == exchange.status
        seen[fault.kind] += 1
        if exchange.status == 429:
            assert fault.kind in (FaultKind.RATE_LIMITED, FaultKind.PROVIDER_ERROR), exchange.name
        if exchange.status in (400, 404, 422) and exchange.answer.lstrip()[:1] == b"{":
            assert fault.kind is not FaultKind.INTERNAL, exchange.name
    assert seen
