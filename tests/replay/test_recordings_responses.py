"""Every recorded exchange in the responses dialect goes through it: read, rewritten, decoded, passed, rendered again, translated."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import openai.types.responses as sdk
import pytest
from pydantic import TypeAdapter, ValidationError

from onevault.core.chat import Message, Opaque, Part, Text, Tool
from onevault.core.codec import Incoming
from onevault.core.events import (
    CitationAdded,
    Event,
    Finished,
    OpaqueAdded,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import Fault, FaultKind
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

FOLDER = Path(os.environ.get("ONEVAULT_RECORDINGS", Path(__file__).parents[3] / "shared" / "recorded"))
DIALECT = "openai-responses"
PROVIDERS = ("openai", "azure", "deepseek", "openrouter")
CALL = INGRESS[DIALECT].read(b'{"model":"m","stream":true,"input":"x"}')
OUTPUT_ITEM: TypeAdapter[Any] = TypeAdapter(sdk.ResponseOutputItem)
STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(sdk.ResponseStreamEvent)

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no recordings here")


class Exchange(NamedTuple):
    name: str
    request: bytes
    status: int
    headers: dict[str, str]
    answer: bytes

    @property
    def stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def is_under_way(self) -> bool:
        return not self.stream and json.loads(self.answer).get("status") == "queued"


def exchanges() -> Iterator[Exchange]:
    for name in PROVIDERS:
        path = FOLDER / f"{name}.jsonl"
        if not path.exists():
            continue
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                record = json.loads(line)
                if record["method"] == "POST" and record["path"].partition("?")[0].endswith("/responses"):
                    yield Exchange(
                        f"{name}-{number}",
                        record["request"]["text"].encode(),
                        record["status"],
                        record["response_headers"],
                        record["response"]["text"].encode(),
                    )


ALL = list(exchanges()) if FOLDER.is_dir() else []
ANSWERED = [exchange for exchange in ALL if exchange.status == 200]
COMPLETE = [exchange for exchange in ANSWERED if not exchange.is_under_way]


def decoded(exchange: Exchange, *, passing: Incoming | None, cuts: list[int] | None = None) -> list[Event]:
    decoder = CODECS[DIALECT].decoder(stream=exchange.stream, passing=passing)
    body, edges = exchange.answer, [0, *(cuts or []), len(exchange.answer)]
    events = [event for at, end in pairwise(edges) for event in decoder.feed(body[at:end])]
    return [*events, *decoder.close()]


def last_usage(events: list[Event]) -> Usage | None:
    return next((event.usage for event in reversed(events) if isinstance(event, UsageReported)), None)


def final_body(exchange: Exchange) -> dict[str, Any]:
    """The response object that the answer ends with."""
    if not exchange.stream:
        return dict(json.loads(exchange.answer))
    datas = [line[6:] for line in exchange.answer.decode().split("\n") if line.startswith("data: {")]
    return dict(json.loads(datas[-1])["response"])


def plain(events: list[Event]) -> list[tuple[str, bytes]]:
    return [(type(event).__name__, msgspec.json.encode(event)) for event in events]


def test_there_are_recordings_of_every_provider() -> None:
    assert {exchange.name.partition("-")[0] for exchange in ALL} == set(PROVIDERS)
    assert len(COMPLETE) > 600


def test_every_request_is_read_and_passed_on_as_it_was() -> None:
    for exchange in ALL:
        came = json.loads(exchange.request)
        if came.get("temperature", 0) < 0:
            with pytest.raises(Fault) as refusal:
                INGRESS[DIALECT].read(exchange.request)
            assert refusal.value.param == "temperature"
            assert exchange.status == 400
            continue
        incoming = INGRESS[DIALECT].read(exchange.request)
        assert incoming.model == came["model"], exchange.name
        assert incoming.stream == bool(came.get("stream"))
        sent = json.loads(incoming.rewritten("another-model", output_tokens_max=None).body)
        assert sent.pop("model") == "another-model"
        del came["model"]
        assert sent == came, exchange.name
        limited = json.loads(incoming.rewritten("m", output_tokens_max=77).body)
        assert limited["max_output_tokens"] == 77


def test_no_input_was_larger_than_its_bound() -> None:
    for exchange in COMPLETE:
        incoming = INGRESS[DIALECT].read(exchange.request)
        usage = last_usage(decoded(exchange, passing=incoming))
        assert usage is not None
        assert usage.input_tokens <= incoming.size.tokens_at_most, exchange.name


@pytest.mark.parametrize("seed", range(3))
def test_every_answer_passes_byte_for_byte_at_any_split(seed: int) -> None:
    chance = random.Random(seed)
    for exchange in ANSWERED:
        incoming = INGRESS[DIALECT].read(exchange.request)
        cuts = sorted(chance.choices(range(len(exchange.answer) + 1), k=40 * seed))
        events = decoded(exchange, passing=incoming, cuts=cuts)
        writer = INGRESS[DIALECT].writer(incoming, request_id="r", created_s=0)
        assert sum(isinstance(event, Finished) for event in events) == 1, exchange.name
        assert isinstance(events[-1], Finished)
        passed = writer.write(events[:-1]) + writer.finish(events[-1]) if exchange.stream else writer.whole(events)
        assert passed == exchange.answer, exchange.name


def test_usage_is_what_the_body_says_whichever_way_it_is_read() -> None:
    for exchange in COMPLETE:
        said = final_body(exchange)["usage"]
        passed = last_usage(decoded(exchange, passing=INGRESS[DIALECT].read(exchange.request)))
        usage = last_usage(decoded(exchange, passing=None))
        assert usage is not None
        assert usage == passed, exchange.name
        assert (usage.input_tokens, usage.output_tokens) == (said["input_tokens"], said["output_tokens"])
        assert usage.cache_read_tokens == said["input_tokens_details"]["cached_tokens"]
        assert usage.reasoning_tokens == said["output_tokens_details"]["reasoning_tokens"]


def test_an_answer_that_goes_on_in_the_background_is_no_answer_for_another_dialect() -> None:
    waiting = [exchange for exchange in ANSWERED if exchange.is_under_way]
    assert waiting
    for exchange in waiting:
        with pytest.raises(Fault) as fault:
            decoded(exchange, passing=None)
        assert fault.value.kind is FaultKind.PROVIDER_ERROR


@pytest.mark.parametrize("seed", [1, 2])
def test_any_split_gives_the_same_canonical_events(seed: int) -> None:
    chance = random.Random(seed)
    for exchange in COMPLETE:
        cuts = sorted(chance.choices(range(len(exchange.answer) + 1), k=60))
        assert plain(decoded(exchange, passing=None, cuts=cuts)) == plain(decoded(exchange, passing=None))


def test_every_text_thought_refusal_and_call_of_an_answer_is_in_its_events() -> None:
    for exchange in COMPLETE:
        events, output = decoded(exchange, passing=None), final_body(exchange)["output"]
        parts = [part for item in output if item["type"] == "message" for part in item["content"]]
        text = "".join(part.get("text", "") for part in parts)
        assert "".join(event.text for event in events if isinstance(event, TextAdded)) == text, exchange.name
        refused = "".join(part.get("refusal", "") for part in parts)
        assert "".join(event.text for event in events if isinstance(event, RefusalAdded)) == refused
        cited = [annotation for part in parts for annotation in part.get("annotations", ())]
        told = [json.loads(bytes(event.raw)) for event in events if isinstance(event, CitationAdded)]
        assert told == cited, exchange.name
        calls = [item for item in output if item["type"] == "function_call"]
        started = [event for event in events if isinstance(event, ToolCallStarted)]
        assert [(event.id, event.name) for event in started] == [(call["call_id"], call["name"]) for call in calls]
        arguments = [""] * len(calls)
        for event in events:
            if isinstance(event, ToolArgumentsAdded):
                arguments[event.call] += event.json_text
        assert arguments == [call["arguments"] for call in calls], exchange.name
        thoughts = [item for item in output if item["type"] == "reasoning"]
        shown = ["\n\n".join(p["text"] for p in [*item["summary"], *(item.get("content") or [])]) for item in thoughts]
        assert "".join(event.text for event in events if isinstance(event, ThinkingAdded)) == "".join(shown)
        opaque = [item["type"] for item in output if item["type"] not in ("message", "function_call", "reasoning")]
        assert [event.kind for event in events if isinstance(event, OpaqueAdded)] == opaque, exchange.name


def is_valid(raw: bytes) -> bool:
    """Whether the provider's own item is valid for its own SDK: some of its tools' are not."""
    try:
        OUTPUT_ITEM.validate_json(raw)
    except ValidationError:
        return False
    return True


def test_answers_rendered_again_are_valid_for_the_official_sdk() -> None:
    for exchange in COMPLETE:
        events = decoded(exchange, passing=None)
        events = [event for event in events if not isinstance(event, OpaqueAdded) or is_valid(bytes(event.raw))]
        incoming = INGRESS[DIALECT].read(exchange.request)
        whole = INGRESS[DIALECT].writer(incoming, request_id="r", created_s=1).whole(events)
        response = sdk.Response.model_validate_json(whole)
        said = final_body(exchange)
        assert response.output_text == sdk.Response.construct(**said).output_text or said["output"] == []
        assert response.usage is not None
        assert response.usage.total_tokens == said["usage"]["total_tokens"], exchange.name
        writer = INGRESS[DIALECT].writer(incoming, request_id="r", created_s=1)
        stream = writer.write(events[:-1]) + writer.finish(events[-1])
        frames = [
            STREAM_EVENT.validate_json(frame.partition(b"\ndata: ")[2]) for frame in stream.split(b"\n\n") if frame
        ]
        assert [frame.sequence_number for frame in frames] == list(range(len(frames)))
        assert [frame.type for frame in frames[:2]] == ["response.created", "response.in_progress"]
        assert frames[-1].response.to_dict() == response.to_dict(), exchange.name
        assert accumulated(frames) == [item.to_dict() for item in response.output], exchange.name


def accumulated(frames: list[Any]) -> list[dict[str, Any]]:
    """The finished items, each checked against what its deltas said."""
    items: list[dict[str, Any]] = []
    deltas: dict[tuple[str, int], str] = {}
    for frame in frames:
        if frame.type.endswith(".delta"):
            place = frame.item_id, getattr(frame, "content_index", getattr(frame, "summary_index", 0))
            deltas[place] = deltas.get(place, "") + frame.delta
        elif frame.type == "response.output_item.added":
            assert frame.output_index >= len(items)
        elif frame.type == "response.output_item.done":
            assert frame.output_index == len(items)
            item = frame.item.to_dict()
            items.append(item)
            if item["type"] == "message":
                texts = [part.get("text", part.get("refusal")) for part in item["content"]]
                assert texts == [deltas.get((item["id"], index), "") for index in range(len(texts))]
            elif item["type"] == "function_call":
                assert item["arguments"] == deltas[item["id"], 0]
    return items


def test_requests_go_to_other_dialects_or_name_what_cannot() -> None:
    for to in ("anthropic-messages", "openai-chat", DIALECT):
        translated, refusals = 0, list[Fault]()
        for exchange in ANSWERED:
            try:
                request = INGRESS[DIALECT].read(exchange.request).canonical()
                wire = CODECS[to].encode(request, output_tokens_max=1000)
            except Fault as fault:
                refusals.append(fault)
                continue
            INGRESS[to].read(wire.body)
            assert wire == CODECS[to].encode(request, output_tokens_max=1000)
            translated += 1
        assert {fault.kind for fault in refusals} <= {FaultKind.UNSUPPORTED_PARAMETER, FaultKind.INVALID_REQUEST}
        assert all(fault.param for fault in refusals)
        assert translated > 450, to


def test_requests_come_back_as_they_were_said_unless_something_is_named() -> None:
    """What this dialect says goes through the canonical form and back without loss, but for the way it is written."""
    compared = 0
    for exchange in ANSWERED:
        try:
            request = INGRESS[DIALECT].read(exchange.request).canonical()
            wire = CODECS[DIALECT].encode(request, output_tokens_max=1000)
        except Fault:
            continue
        if wire.dropped:
            continue
        again = INGRESS[DIALECT].read(wire.body).canonical()
        assert said(again.messages) == said(request.messages), exchange.name
        assert [plainly(tool) for tool in again.tools] == [plainly(tool) for tool in request.tools], exchange.name
        asked = request.response_format
        assert again.response_format == (asked if asked is not None and asked.mode != "text" else None)
        compared += 1
    assert compared > 450


def said(messages: tuple[Message, ...]) -> list[list[Part]]:
    """The parts of each message, without texts that say nothing."""
    return [[part for part in message.parts if part != Text(text="")] for message in messages]


def plainly(tool: Tool | Opaque) -> object:
    """A tool, as strict as it is where nothing is said of it."""
    return tool if isinstance(tool, Opaque) else msgspec.structs.replace(tool, strict=tool.strict is True)


def test_every_refusal_is_a_fault_with_the_provider_status_and_without_its_words() -> None:
    refusals = [exchange for exchange in ALL if exchange.status != 200]
    assert len(refusals) > 10
    for exchange in refusals:
        fault = CODECS[DIALECT].fault(exchange.status, exchange.headers, exchange.answer)
        error = json.loads(exchange.answer)["error"]
        assert fault.provider_status == exchange.status
        assert error["message"][:30] not in fault.message
        expected = {"model_not_found": FaultKind.MODEL_NOT_FOUND, "invalid_api_key": FaultKind.PROVIDER_ERROR}
        assert fault.kind is expected.get(error["code"], FaultKind.INVALID_REQUEST), exchange.name
