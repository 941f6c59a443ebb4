"""Answers of the responses dialect as events: the golden ones, those of other servers, broken ones, and any bytes at all."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    Cited,
    Event,
    Finished,
    LogprobsAdded,
    OpaqueAdded,
    Passed,
    RefusalAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import Fault, FaultKind
from onevault.core.usage import Usage
from onevault.dialects.openai_responses import OpenAIResponses
from onevault.dialects.openai_responses.passing import BACKGROUND_OUTPUT_TOKENS, TRAILING_BYTES_MAX

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "provider" / "openai-responses.json").read_text(encoding="utf-8")
)
CASES = list(GOLDEN["whole"])
SPOKEN = OpenAIResponses()
CALL = SPOKEN.read(b'{"model":"m","input":"x","max_output_tokens":50}')
ENDS = {
    "tools": StopReason.TOOL_CALLS,
    "parallel_tools": StopReason.TOOL_CALLS,
    "length": StopReason.LENGTH,
    "refusal_or_filter": StopReason.REFUSAL,
}


def decoded(pieces: list[bytes], *, stream: bool, passing: bool = False) -> list[Event]:
    decoder = SPOKEN.decoder(stream=stream, passing=CALL if passing else None)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.close()]


def whole(answer: dict[str, Any], *, passing: bool = False) -> list[Event]:
    return decoded([msgspec.json.encode(answer)], stream=False, passing=passing)


def stream(*events: dict[str, Any], passing: bool = False) -> list[Event]:
    return decoded([frames(*events)], stream=True, passing=passing)


def frames(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)


def folded(events: list[Event]) -> list[object]:
    """The events with what belongs together joined."""
    joined: list[Any] = []
    for event in events:
        last = joined[-1] if joined else None
        told = isinstance(event, TextAdded | ThinkingAdded | RefusalAdded)
        if told and type(last) is type(event) and last.part == event.part:
            joined[-1] = type(event)(last.text + event.text, event.part)
            continue
        if isinstance(event, ToolArgumentsAdded) and isinstance(last, ToolArgumentsAdded) and last.call == event.call:
            joined[-1] = ToolArgumentsAdded(event.call, last.json_text + event.json_text, event.part)
            continue
        joined.append(event)
    return joined


def texts(events: list[Event], kind: type[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


@pytest.mark.parametrize("case", CASES)
def test_a_whole_answer_and_its_stream_are_the_same_events(case: str) -> None:
    at_once = whole(GOLDEN["whole"][case])
    streamed = decoded([GOLDEN["stream"][case].encode()], stream=True)
    assert isinstance(at_once[0], AnswerStarted)
    assert isinstance(streamed[0], AnswerStarted)
    assert (streamed[0].id, streamed[0].model) == (at_once[0].id, at_once[0].model)
    assert folded(streamed)[1:] == folded(at_once)[1:]
    assert isinstance(at_once[-1], Finished)
    ended = [event for event in at_once if isinstance(event, ChoiceEnded)]
    assert ended == [ChoiceEnded(ENDS.get(case, StopReason.END))]


def test_golden_answers_say_what_they_say() -> None:
    assert texts(whole(GOLDEN["whole"]["text"]), TextAdded) == "Hello! Grüße aus Paris 👋"
    assert texts(whole(GOLDEN["whole"]["refusal_or_filter"]), RefusalAdded).startswith("I'm sorry")
    thinking = whole(GOLDEN["whole"]["thinking"])
    encrypted = GOLDEN["whole"]["thinking"]["output"][0]["encrypted_content"]
    assert folded(thinking)[1:4] == [
        ThinkingAdded("The user wants the sum. Two and two is four.", 0),
        ThinkingSigned(f"rs_01:{encrypted}", 0, by="openai-responses"),
        TextAdded("Four.", 1),
    ]
    calls = folded(decoded([GOLDEN["stream"]["parallel_tools"].encode()], stream=True))[1:5]
    assert calls == [
        ToolCallStarted(0, "call_A1", "get_weather", 0),
        ToolArgumentsAdded(0, '{"city":"Paris"}', 0),
        ToolCallStarted(1, "call_B2", "get_weather", 1),
        ToolArgumentsAdded(1, '{"city":"Rome"}', 1),
    ]


@given(case=st.sampled_from(CASES), cuts=st.lists(st.integers(0, 6000), max_size=12), passing=st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_split_of_a_stream_gives_the_same_events(case: str, cuts: list[int], passing: bool) -> None:
    body = GOLDEN["stream"][case].encode()
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    pieces = [body[at:end] for at, end in pairwise(edges)]
    assert decoded(pieces, stream=True, passing=passing) == decoded([body], stream=True, passing=passing)


@pytest.mark.parametrize("case", CASES)
def test_a_stream_passes_untouched_with_its_last_event_held_back(case: str) -> None:
    body = GOLDEN["stream"][case].encode()
    events = decoded([body], stream=True, passing=True)
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert b"".join(event.raw for event in events if isinstance(event, Passed)) + finished.raw == body
    last = {"length": b"response.incomplete"}.get(case, b"response.completed")
    assert finished.raw.startswith(b"event: " + last)
    assert ChoiceEnded(ENDS.get(case, StopReason.END)) in events
    written = sum(event.output_bytes for event in events if isinstance(event, Passed))
    at_once = whole(GOLDEN["whole"][case], passing=True)
    assert isinstance(at_once[0], Passed)
    assert written > 0
    assert abs(at_once[0].output_bytes - written) <= 20  # arguments are counted with their quotes


def test_what_a_server_sends_after_the_end_belongs_to_the_end() -> None:
    body = GOLDEN["stream"]["text"].encode()
    after = b"data: [DONE]\n\n"
    finished = decoded([body, after], stream=True, passing=True)[-1]
    assert isinstance(finished, Finished)
    assert finished.raw.endswith(b"}\n\n" + after)
    endless = decoded([body, *[b": x\n\n"] * TRAILING_BYTES_MAX], stream=True, passing=True)[-1]
    assert isinstance(endless, Finished)
    assert len(endless.raw) < len(body) + TRAILING_BYTES_MAX


@pytest.mark.parametrize("passing", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_a_stream_without_its_last_event_is_cut_short(case: str, passing: bool) -> None:
    body = GOLDEN["stream"][case].encode()
    without = body[: body.rindex(b"event: response.")]
    for rest in (b"", b"data: [DONE]\n\n"):
        with pytest.raises(Fault) as fault:
            decoded([without + rest], stream=True, passing=passing)
        assert fault.value.kind is FaultKind.PROVIDER_ERROR


def response(output: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"id": "r", "object": "response", "model": "m", "status": "completed", "output": output, **more}


def message(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "msg", "role": "assistant", "content": list(content)}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, StopReason.LENGTH),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, StopReason.CONTENT_FILTER),
        ({"status": "incomplete", "incomplete_details": None}, StopReason.LENGTH),
        ({"status": "completed"}, StopReason.END),
        ({"status": None}, StopReason.END),
    ],
)
def test_an_answer_ends_for_its_reason(answer: dict[str, Any], reason: StopReason) -> None:
    for passing in (True, False):
        said = response([message({"type": "output_text", "text": "a", "annotations": []})]) | answer
        assert ChoiceEnded(reason) in whole(said, passing=passing)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "rate_limit_exceeded", "message": "slow down"}, FaultKind.RATE_LIMITED),
        ({"code": "server_error", "message": "oh"}, FaultKind.PROVIDER_ERROR),
        ({"code": "invalid_prompt", "message": "no"}, FaultKind.SAFETY_VIOLATION),
        ({"code": "image_content_policy_violation", "message": "no"}, FaultKind.SAFETY_VIOLATION),
        ({"code": "invalid_image_url", "message": "no"}, FaultKind.INVALID_REQUEST),
        (None, FaultKind.PROVIDER_ERROR),
    ],
)
def test_an_answer_that_failed_is_a_fault_of_its_kind(error: dict[str, str] | None, kind: FaultKind) -> None:
    failed = response([], status="failed", error=error)
    for passing in (True, False):
        with pytest.raises(Fault) as fault:
            whole(failed, passing=passing)
        assert fault.value.kind is kind
    with pytest.raises(Fault) as fault:
        stream({"type": "response.created", "response": response([])}, {"type": "response.failed", "response": failed})
    assert fault.value.kind is kind
    passed = stream({"type": "response.failed", "response": failed | {"usage": {"input_tokens": 7}}}, passing=True)
    assert UsageReported(Usage(input_tokens=7)) in passed
    assert isinstance(passed[-1], Finished)


@pytest.mark.parametrize("passing", [True, False])
@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None, "sequence_number": 3},
        {"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "slow down"}},
        {"error": {"code": 429, "message": "slow down"}},
    ],
)
def test_an_error_event_is_a_fault_of_its_kind(event: dict[str, Any], passing: bool) -> None:
    with pytest.raises(Fault) as fault:
        stream({"type": "response.created", "response": response([])}, event, passing=passing)
    assert fault.value.kind is FaultKind.RATE_LIMITED
    assert "slow" not in fault.value.message + fault.value.provider_text


def test_summaries_are_paragraphs_of_one_thought_whole_and_streamed() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "encrypted_content": "gA==",
        "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}],
    }
    answer = response([item])
    deltas = [
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": index, "delta": text}
        for index, text in ((0, "o"), (0, "ne"), (1, "t"), (1, "wo"))
    ]
    streamed = stream(*deltas, {"type": "response.completed", "response": answer})
    for events in (whole(answer), streamed):
        assert texts(events, ThinkingAdded) == "one\n\ntwo"
        assert ThinkingSigned("rs_1:gA==", 0, by="openai-responses") in events


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"summary": [], "encrypted_content": "gA=="}, [ThinkingRedacted("rs:gA==", 0, by="openai-responses")]),
        ({"summary": []}, []),
        ({"summary": [{"type": "summary_text", "text": "t"}]}, [ThinkingAdded("t", 0)]),
        (
            {"summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
            [ThinkingAdded("t", 0), ThinkingSigned("rs:", 0, by="openai-responses")],
        ),
        (
            {"id": "a:b", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "gA=="},
            [ThinkingAdded("t", 0), ThinkingSigned(":gA==", 0, by="openai-responses")],
        ),
    ],
)
def test_reasoning_is_kept_as_far_as_it_can_be_given_back(item: dict[str, Any], said: list[Event]) -> None:
    events = whole(response([{"type": "reasoning", "id": "rs"} | item]))
    assert [event for event in events if isinstance(event, ThinkingAdded | ThinkingSigned | ThinkingRedacted)] == said


def test_what_the_deltas_left_out_is_taken_from_the_items() -> None:
    items = [
        message({"type": "output_text", "text": "Hi", "annotations": []}, {"type": "refusal", "refusal": "No"}),
        {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": ""},
    ]
    done = [{"type": "response.output_item.done", "output_index": i, "item": item} for i, item in enumerate(items)]
    end = {"type": "response.completed", "response": response(items)}
    for events in (stream(*done, end), stream(end), whole(response(items))):
        assert texts(events, TextAdded) == "Hi"
        assert texts(events, RefusalAdded) == "No"
        assert [event for event in events if isinstance(event, ToolArgumentsAdded)] == [ToolArgumentsAdded(0, "{}", 2)]
        assert ChoiceEnded(StopReason.TOOL_CALLS) in events


def test_an_item_that_is_elsewhere_in_the_last_event_is_not_told_again() -> None:
    item = message({"type": "output_text", "text": "Hi", "annotations": []})
    done = {"type": "response.output_item.done", "output_index": 3, "item": item}
    assert texts(stream(done, {"type": "response.completed", "response": response([item])}), TextAdded) == "Hi"


def test_citations_keep_their_own_words_and_what_others_can_say() -> None:
    page = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 2, "end_index": 5}
    file = {"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 3}
    answer = response([message({"type": "output_text", "text": "Hello", "annotations": [page, file]})])
    told = [
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hello"},
        {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation": page},
        {"type": "response.completed", "response": answer},
    ]
    for events in (whole(answer), stream(*told)):
        cited = [event for event in events if isinstance(event, CitationAdded)]
        assert [event.cited for event in cited] == [Cited("https://a.example", "A", None, 2, 5), Cited(None, "a.pdf")]
        assert [json.loads(bytes(event.raw)) for event in cited] == [page, file]
        assert {event.dialect for event in cited} == {"openai-responses"}


def test_items_that_only_this_dialect_can_say_stay_as_they_are() -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}
    custom = {"type": "custom_tool_call", "id": "ct", "call_id": "c", "name": "run", "input": "ls"}
    done = [{"type": "response.output_item.done", "output_index": i, "item": x} for i, x in enumerate((search, custom))]
    end = {"type": "response.completed", "response": response([search, custom])}
    for events in (whole(response([search, custom])), stream(*done, end)):
        opaque = [event for event in events if isinstance(event, OpaqueAdded)]
        assert [(event.kind, event.part) for event in opaque] == [("web_search_call", 0), ("custom_tool_call", 1)]
        assert [json.loads(bytes(event.raw)) for event in opaque] == [search, custom]


def test_logprobs_are_told_in_the_shape_of_chats() -> None:
    logprobs = [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]
    delta = {"type": "response.output_text.delta", "output_index": 0, "delta": "Hi", "logprobs": logprobs}
    answer = response([message({"type": "output_text", "text": "Hi", "annotations": [], "logprobs": logprobs})])
    for events in (whole(answer), stream(delta, {"type": "response.completed", "response": answer})):
        told = [event for event in events if isinstance(event, LogprobsAdded)]
        assert [json.loads(bytes(event.raw)) for event in told] == [{"content": logprobs, "refusal": None}]


@pytest.mark.parametrize(
    ("more", "usage"),
    [
        ({}, Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4, cache_write_tokens=2, reasoning_tokens=3)),
        ({"service_tier": "default"}, None),
        ({"service_tier": "auto"}, None),
        ({"service_tier": "flex"}, {"tier": "flex"}),
        ({"tool_usage": {"web_search": {"num_requests": 2}}}, {"searches": 2}),
    ],
)
def test_usage_has_its_cached_and_reasoning_tokens_searches_and_tier(more: dict[str, Any], usage: Any) -> None:
    counted = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
    }
    plain = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4, cache_write_tokens=2, reasoning_tokens=3)
    expected = msgspec.structs.replace(plain, **usage) if isinstance(usage, dict) else plain
    for passing in (True, False):
        answer = response([], usage=counted, **more)
        assert UsageReported(expected) in whole(answer, passing=passing)
        assert UsageReported(expected) in stream({"type": "response.completed", "response": answer}, passing=passing)


@pytest.mark.parametrize("passing", [True, False])
def test_searches_are_counted_where_the_server_does_not_say_how_many_it_bills(passing: bool) -> None:
    call = {"type": "web_search_call", "id": "ws", "status": "completed"}
    actions = [{"action": {"type": "search", "query": "q"}}, {"action": {"type": "open_page"}}, {}]
    output = [call | action | {"id": f"ws_{i}"} for i, action in enumerate(actions)]
    answer = response(output, usage={"input_tokens": 1, "output_tokens": 1})
    assert UsageReported(Usage(input_tokens=1, output_tokens=1, searches=2)) in whole(answer, passing=passing)
    said = answer | {"tool_usage": {"web_search": {"num_requests": 0}}}
    assert UsageReported(Usage(input_tokens=1, output_tokens=1)) in whole(said, passing=passing)


def test_an_answer_in_the_background_counts_for_all_that_it_may_become() -> None:
    queued = response([], status="queued", usage=None)
    body = msgspec.json.encode(queued)
    assert whole(queued, passing=True) == [Passed(body, 4 * 50), Finished()]
    unlimited = SPOKEN.decoder(stream=False, passing=SPOKEN.read(b'{"input":"x"}'))
    unlimited.feed(body)
    assert unlimited.close() == [Passed(body, 4 * BACKGROUND_OUTPUT_TOKENS), Finished()]
    with pytest.raises(Fault):
        whole(queued)


BROKEN = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"<html>",
    b'{"output":{}}',
    b'{"id":"r"}',
    b'{"output":[1]}',
    b'{"output":[{"type":"message","content":"x"}]}',
    b'{"output":[{"type":"function_call"}]}',
    b"\xff\xfe",
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_answer_is_a_provider_error(body: bytes) -> None:
    with pytest.raises(Fault) as fault:
        decoded([body], stream=False)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{"},
        {"type": "response.output_item.added", "item": {"type": "function_call"}},
        {"type": "response.output_item.done", "item": 3},
        {"type": "response.completed"},
        {"type": "response.completed", "response": {"id": "r"}},
        {"type": "response.output_text.delta", "output_index": "x"},
        {"type": 7},
    ],
)
def test_events_that_make_no_sense_are_a_provider_error(event: dict[str, Any]) -> None:
    with pytest.raises(Fault) as fault:
        stream(event)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


@given(body=st.binary(max_size=200), passing=st.booleans(), streamed=st.booleans(), framed=st.booleans())
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes_are_a_provider_error(body: bytes, passing: bool, streamed: bool, framed: bool) -> None:
    with pytest.raises(Fault) as fault:
        decoded([b"data: " + body + b"\n\n" if framed else body], stream=streamed, passing=passing)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["item", "delta", "response", "output_index", "content_index", "annotation", "logprobs", "error"]
)
LINES = "".join(GOLDEN["stream"].values()).split("\n")
KINDS = st.sampled_from(
    [
        *sorted({line.removeprefix("event: ") for line in LINES if line.startswith("event: ")}),
        "response.output_text.annotation.added",
        "response.reasoning_text.delta",
        "response.failed",
        "error",
        "x",
    ]
)


@given(events=st.lists(st.tuples(KINDS, st.dictionaries(FIELDS, JSON, max_size=4)), max_size=5), passing=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_events_are_an_answer_or_a_fault(events: list[tuple[str, dict[str, Any]]], passing: bool) -> None:
    said = [{"type": kind, **fields} for kind, fields in events]
    try:
        told = stream(*said, passing=passing)
    except Fault:
        return
    assert isinstance(told[-1], Finished)


ERRORS = {
    "rate_limit": (FaultKind.RATE_LIMITED, 1.875),
    "context_length": (FaultKind.CONTEXT_LENGTH_EXCEEDED, None),
    "content_filter": (FaultKind.SAFETY_VIOLATION, None),
    "bad_request": (FaultKind.INVALID_REQUEST, None),
    "authentication": (FaultKind.PROVIDER_ERROR, None),
    "overloaded": (FaultKind.OVERLOADED, 5.0),
}


@pytest.mark.parametrize("case", list(GOLDEN["errors"]))
def test_error_answers_keep_their_kind_and_their_advice(case: str) -> None:
    said = GOLDEN["errors"][case]
    fault = SPOKEN.fault(said["status"], said["headers"], msgspec.json.encode(said["body"]))
    assert (fault.kind, fault.retry_after_s) == ERRORS[case]
    assert fault.provider_status == said["status"]
