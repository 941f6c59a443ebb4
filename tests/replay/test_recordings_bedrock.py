"""Every recorded exchange with AWS Bedrock goes through the dialects: decoded at any split, counted, refused with its meaning."""

from __future__ import annotations

import base64
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.support.aws_model import check

from onevault.core.events import ChoiceEnded, EmbeddingsMade, Event, Finished, OpaqueAdded, TokensCounted, UsageReported
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Dialect
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

FOLDER = Path(os.environ.get("ONEVAULT_RECORDINGS", Path(__file__).parents[3] / "shared" / "recorded"))
FILE = FOLDER / "bedrock.jsonl"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="no recordings here")


class Exchange(NamedTuple):
    name: str
    dialect: Dialect
    stream: bool
    request: dict[str, Any]
    status: int
    headers: dict[str, str]
    answer: bytes


def exchanges() -> Iterator[Exchange]:
    with FILE.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            record = json.loads(line)
            route = record["path"].partition("?")[0]
            model, _, action = route.removeprefix("/model/").rpartition("/")
            dialect = {
                "converse": "bedrock-converse",
                "converse-stream": "bedrock-converse",
                "count-tokens": "bedrock-count-tokens",
            }.get(action)
            if action == "invoke" and "embed" in model:
                dialect = "bedrock-embeddings"
            if dialect is None:
                continue
            body = record["response"]
            answer = base64.b64decode(body["base64"]) if "base64" in body else body["text"].encode()
            try:
                request = json.loads(record["request"]["text"])
            except ValueError:
                request = {}  # one was recorded with a brace too few
            yield Exchange(
                f"bedrock-{number}",
                dialect,
                action == "converse-stream",
                request,
                record["status"],
                record["response_headers"],
                answer,
            )


ALL = list(exchanges()) if FILE.is_file() else []
ANSWERED = [exchange for exchange in ALL if exchange.status == 200]
CHATS = [exchange for exchange in ANSWERED if exchange.dialect == "bedrock-converse"]


def decoded(exchange: Exchange, pieces: list[bytes] | None = None) -> list[Event]:
    decoder = CODECS[exchange.dialect].decoder(stream=exchange.stream, passing=None)
    events = [event for piece in pieces or [exchange.answer] for event in decoder.feed(piece)]
    return [*events, *decoder.close()]


def plain(events: list[Event]) -> list[tuple[str, bytes]]:
    return [(type(event).__name__, msgspec.json.encode(event)) for event in events]


def told(exchange: Exchange) -> dict[str, Any]:
    """The `usage` of an answer; in a stream the last message has it."""
    if not exchange.stream:
        usage: dict[str, Any] = json.loads(exchange.answer)["usage"]
        return usage
    at = exchange.answer.rindex(b'"usage":') + len(b'"usage":')
    found, _ = json.JSONDecoder().raw_decode(exchange.answer[at:].decode(errors="replace"))
    return dict(found)


def test_there_are_recordings_of_every_dialect() -> None:
    counts = Counter((exchange.dialect, exchange.stream) for exchange in ANSWERED)
    assert counts["bedrock-converse", False] > 190
    assert counts["bedrock-converse", True] >= 15
    assert counts["bedrock-count-tokens", False] >= 6
    assert counts["bedrock-embeddings", False] >= 25


def test_every_answer_decodes_and_ends_once() -> None:
    for exchange in ANSWERED:
        events = decoded(exchange)
        assert [type(event) for event in events].count(Finished) == 1, exchange.name
        assert isinstance(events[-1], Finished)
        if exchange.dialect == "bedrock-converse":
            assert [type(event) for event in events].count(ChoiceEnded) == 1, exchange.name


@pytest.mark.parametrize("seed", range(5))
def test_any_split_gives_the_same_events(seed: int) -> None:
    dice = random.Random(seed)  # a test's dice
    for exchange in ANSWERED:
        raw = exchange.answer
        cuts = sorted(dice.randrange(len(raw) + 1) for _ in range(dice.randrange(1, 20)))
        pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        assert plain(decoded(exchange, pieces)) == plain(decoded(exchange)), exchange.name


def test_every_usage_is_what_the_body_says() -> None:
    cached = 0
    for exchange in CHATS:
        usage = next(event.usage for event in reversed(decoded(exchange)) if isinstance(event, UsageReported))
        said = told(exchange)
        assert usage.output_tokens == said["outputTokens"], exchange.name
        assert usage.total_tokens == said["totalTokens"], exchange.name
        assert usage.cache_read_tokens == said.get("cacheReadInputTokens", 0)
        assert usage.cache_write_tokens + usage.cache_write_1h_tokens == said.get("cacheWriteInputTokens", 0)
        cached += usage.cache_read_tokens > 0
    assert cached >= 5


def test_the_tier_that_served_is_told() -> None:
    tiers = {event.usage.tier for exchange in CHATS for event in decoded(exchange) if isinstance(event, UsageReported)}
    assert tiers == {"", "flex"}


def test_vectors_and_counts_are_those_of_the_body() -> None:
    for exchange in ANSWERED:
        events = decoded(exchange)
        body = json.loads(exchange.answer) if exchange.dialect != "bedrock-converse" else {}
        if exchange.dialect == "bedrock-count-tokens":
            assert events[0] == TokensCounted(body["inputTokens"])
        elif exchange.dialect == "bedrock-embeddings":
            made = events[0]
            assert isinstance(made, EmbeddingsMade)
            assert len(made.vectors) == len(exchange.request.get("texts", ["one"]))
            assert all(len(vector) in (256, 512, 1024, 1536, 3072) for vector in made.vectors), exchange.name
            counted = [event for event in events if isinstance(event, UsageReported)]
            if "inputTextTokenCount" in body:
                assert counted == [UsageReported(Usage(input_tokens=body["inputTextTokenCount"]))]
            else:
                assert counted == []


def test_only_tools_of_bedrock_itself_make_blocks_that_another_dialect_cannot_say() -> None:
    kinds = {event.kind for exchange in CHATS for event in decoded(exchange) if isinstance(event, OpaqueAdded)}
    assert kinds == {"server_tool_use", "nova_code_interpreter_result"}


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages"])
def test_every_answer_can_be_written_for_callers(dialect: Dialect) -> None:
    asked = b'{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}'
    call = INGRESS[dialect].read(asked)
    for exchange in CHATS:
        events = decoded(exchange)
        body = json.loads(INGRESS[dialect].writer(call, request_id="r", created_s=1).whole(events))
        assert body, exchange.name
        writer = INGRESS[dialect].writer(call, request_id="r", created_s=1)
        assert writer.write(events[:-1]) + writer.finish(events[-1])


def requests_of(dialect: Dialect, name: str, path: str) -> Iterator[tuple[str, bytes]]:
    with (FOLDER / f"{name}.jsonl").open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            record = json.loads(line)
            if record["path"].partition("?")[0] == path and "text" in record["request"]:
                yield f"{name}-{number}", record["request"]["text"].encode()


@pytest.mark.parametrize(
    ("dialect", "name", "path", "at_least"),
    [
        ("openai-chat", "openai", "/v1/chat/completions", 280),
        ("anthropic-messages", "anthropic", "/v1/messages", 520),
    ],
)
@pytest.mark.parametrize("model", ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-lite-v1:0"])
def test_requests_to_other_providers_are_valid_at_bedrock_or_name_what_cannot_be_said(
    dialect: Dialect, name: str, path: str, at_least: int, model: str
) -> None:
    valid = 0
    refusals: list[tuple[str, FaultKind, str | None]] = []
    for label, body in requests_of(dialect, name, path):
        try:
            asked = msgspec.structs.replace(INGRESS[dialect].read(body).canonical(), model=model)
            wire = CODECS["bedrock-converse"].encode(asked, output_tokens_max=4096)
        except Fault as fault:
            refusals.append((label, fault.kind, fault.param))
            continue
        check("ConverseStream" if asked.stream else "Converse", wire.path, wire.body)
        valid += 1
    assert valid > at_least
    kinds = (FaultKind.UNSUPPORTED_PARAMETER, FaultKind.INVALID_REQUEST)
    assert [told for told in refusals if told[1] not in kinds or not told[2]] == []


def test_every_refusal_is_a_fault_with_its_meaning() -> None:
    refusals = [exchange for exchange in ALL if exchange.status != 200]
    assert len(refusals) > 10
    for exchange in refusals:
        fault = CODECS[exchange.dialect].fault(exchange.status, exchange.headers, exchange.answer)
        said = json.loads(exchange.answer)["message"]
        expected = FaultKind.INVALID_REQUEST
        if "identifier is invalid" in said:
            expected = FaultKind.MODEL_NOT_FOUND
        elif "support" in said:
            expected = FaultKind.UNSUPPORTED_PARAMETER
        assert fault.kind is expected, (exchange.name, said)
        assert said[:30] not in fault.message
