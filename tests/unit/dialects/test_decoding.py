"""Streams and answers of providers: any split gives the same events, and what is cut, broken or failed is a fault."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onevault.core.codec import Incoming
from onevault.core.events import ChoiceEnded, Event, Finished, Passed, UsageReported
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Dialect
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

CHAT, MESSAGES, EMBEDDINGS = "openai-chat", "anthropic-messages", "openai-embeddings"
GOLDEN = Path(__file__).parents[2] / "golden"
CALLS: dict[Dialect, Incoming] = {
    CHAT: INGRESS[CHAT].read(
        b'{"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}'
    ),
    MESSAGES: INGRESS[MESSAGES].read(b'{"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}'),
    EMBEDDINGS: INGRESS[EMBEDDINGS].read(b'{"input":"x"}'),
    "anthropic-count-tokens": INGRESS["anthropic-count-tokens"].read(b'{"messages":[{"role":"user","content":"x"}]}'),
}


def golden(way: str) -> list[list[dict[str, Any]]]:
    return [case["stream"] for case in json.loads((GOLDEN / f"answers_{way}.json").read_text(encoding="utf-8"))]


def openai_stream(chunks: list[dict[str, Any]], end: bytes = b"\n") -> bytes:
    return b"".join(b"data: " + json.dumps(c).encode() + end * 2 for c in chunks) + b"data: [DONE]" + end * 2


def anthropic_stream(events: list[dict[str, Any]], end: bytes = b"\n") -> bytes:
    return b"".join(
        b"event: " + e["type"].encode() + end + b"data: " + json.dumps(e).encode() + end * 2 for e in events
    )


STREAMS = st.one_of(
    st.tuples(st.just(CHAT), st.builds(openai_stream, st.sampled_from(golden("openai_to_anthropic")),
                                       st.sampled_from([b"\n", b"\r\n", b"\r"]))),
    st.tuples(st.just(MESSAGES), st.builds(anthropic_stream, st.sampled_from(golden("anthropic_to_openai")),
                                           st.sampled_from([b"\n", b"\r\n", b"\r"]))),
)  # fmt: skip


def plain(events: list[Event]) -> list[tuple[str, bytes]]:
    return [(type(event).__name__, msgspec.json.encode(event)) for event in events]


def decoded(dialect: Dialect, pieces: list[bytes], *, stream: bool = True, passing: bool) -> list[Event]:
    decoder = CODECS[dialect].decoder(stream=stream, passing=CALLS[dialect] if passing else None)
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


@settings(deadline=None)  # two cores shared with other tests
@given(STREAMS, st.booleans(), st.data())
def test_any_split_gives_the_same_events(stream: tuple[Dialect, bytes], passing: bool, data: st.DataObject) -> None:
    dialect, raw = stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    events = decoded(dialect, pieces, passing=passing)
    assert plain(events) == plain(decoded(dialect, [raw], passing=passing))
    assert sum(isinstance(event, Finished) for event in events) == 1
    assert isinstance(events[-1], Finished)
    if passing:
        assert b"".join(event.raw for event in events if isinstance(event, Passed | Finished)) == raw


@settings(deadline=None)  # two cores shared with other tests
@given(STREAMS, st.booleans(), st.data())
def test_a_cut_stream_is_never_complete(stream: tuple[Dialect, bytes], passing: bool, data: st.DataObject) -> None:
    dialect, raw = stream
    ended = raw.rindex(b'"finish_reason": "') if dialect is CHAT else raw.index(b"message_stop")
    cut = data.draw(st.integers(0, ended))
    with pytest.raises(Fault) as fault:
        decoded(dialect, [raw[:cut]], passing=passing)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


@settings(deadline=None)  # two cores shared with other tests
@given(st.sampled_from(list(CALLS)), st.booleans(), st.booleans(), st.binary(max_size=200))
@example(CHAT, True, True, b"data:[DONE]")
def test_bytes_that_are_no_answer_are_a_fault_and_never_a_traceback(
    dialect: Dialect, stream: bool, passing: bool, body: bytes
) -> None:
    with pytest.raises(Fault) as fault:
        decoded(dialect, [body], stream=stream, passing=passing)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


NAMES = (
    *("choices", "delta", "message", "content", "type", "usage", "index", "text", "tool_calls", "function", "error"),
    *("images", "image_url", "url", "audio", "data", "annotations", "url_citation", "reasoning_details", "signature"),
    *("thinking_blocks", "thinking", "extra_content", "google", "thought_signature", "function_call", "citations"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)  # two cores shared with other tests
@given(st.sampled_from([CHAT, MESSAGES]), st.booleans(), st.booleans(), st.lists(JSON, max_size=4))
def test_any_json_decodes_or_is_a_fault(dialect: Dialect, stream: bool, passing: bool, values: list[Any]) -> None:
    raw = [json.dumps(value).encode() for value in values]
    pieces = [b"data: " + value + b"\n\n" for value in raw] if stream else raw
    try:
        decoded(dialect, pieces, stream=stream, passing=passing)
    except Fault as fault:
        assert isinstance(fault.kind, FaultKind)  # noqa: PT017 - any other exception fails the test


CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
LAST = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'


@pytest.mark.parametrize("passing", [True, False])
@pytest.mark.parametrize("rest", [b"", b"data: [DONE]", b"data: [DONE]\n", b": ping\n\n", USAGE])
def test_a_stream_may_leave_out_its_last_frame_once_every_choice_has_ended(rest: bytes, passing: bool) -> None:
    events = decoded(CHAT, [CHUNK, LAST, rest], passing=passing)
    assert isinstance(events[-1], Finished)
    assert sum(isinstance(event, ChoiceEnded) for event in events) == 1


def test_a_stream_without_its_last_frame_must_have_all_choices() -> None:
    two = INGRESS[CHAT].read(b'{"stream":true,"n":2,"messages":[{"role":"user","content":"x"}]}')
    decoder = CODECS[CHAT].decoder(stream=True, passing=two)
    decoder.feed(CHUNK + LAST)
    with pytest.raises(Fault):
        decoder.close()


def test_what_follows_the_end_is_nothing() -> None:
    events = decoded(CHAT, [CHUNK + LAST + b"data: [DONE]\n\n" + CHUNK, CHUNK], passing=True)
    assert isinstance(events[-1], Finished)
    assert sum(isinstance(event, Passed) for event in events) == 2


def test_only_the_usage_chunk_is_kept_from_who_did_not_ask() -> None:
    silent = INGRESS[CHAT].read(b'{"stream":true,"messages":[{"role":"user","content":"x"}]}')
    decoder = CODECS[CHAT].decoder(stream=True, passing=silent)
    events = decoder.feed(CHUNK + LAST + USAGE + b"data: [DONE]\n\n")
    assert b"".join(e.raw for e in events if isinstance(e, Passed | Finished)) == CHUNK + LAST + b"data: [DONE]\n\n"
    assert UsageReported(Usage(input_tokens=3, output_tokens=2)) in events
    writer = INGRESS[CHAT].writer(silent, request_id="r", created_s=0)
    assert writer.write(events[:-1]) + writer.finish(events[-1]) == CHUNK + LAST + b"data: [DONE]\n\n"


def test_output_bytes_are_those_of_the_generated_text() -> None:
    delta = {"content": "é", "reasoning_content": "abc", "tool_calls": [{"function": {"arguments": "{}"}}]}
    frame = b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"
    passed = CODECS[CHAT].decoder(stream=True, passing=CALLS[CHAT]).feed(frame)
    assert passed == [Passed(frame, 2 + 3 + 2)]


@pytest.mark.parametrize("passing", [True, False])
@pytest.mark.parametrize(
    ("dialect", "frame", "kind"),
    [
        (CHAT, b'data: {"error":{"message":"x","type":"server_error"}}\n\n', FaultKind.PROVIDER_ERROR),
        (CHAT, b'data: {"error":{"message":"x","code":429}}\n\n', FaultKind.RATE_LIMITED),
        (CHAT, b'data: {"error":"x"}\n\n', FaultKind.PROVIDER_ERROR),
        (
            CHAT,
            b'event: error\ndata: {"error":{"code":"context_length_exceeded"}}\n\n',
            FaultKind.CONTEXT_LENGTH_EXCEEDED,
        ),
        (CHAT, b"data: {oops\n\n", FaultKind.PROVIDER_ERROR),
        (MESSAGES, b'data: {"type":"error","error":{"type":"overloaded_error"}}\n\n', FaultKind.OVERLOADED),
        (MESSAGES, b'data: {"type":"error","error":{"type":"rate_limit_error"}}\n\n', FaultKind.RATE_LIMITED),
        (MESSAGES, b'data: {"type":"error","error":{"type":"api_error"}}\n\n', FaultKind.PROVIDER_ERROR),
        (MESSAGES, b'data: {"type":"error"}\n\n', FaultKind.PROVIDER_ERROR),
        (MESSAGES, b"data: {oops\n\n", FaultKind.PROVIDER_ERROR),
    ],
)
def test_an_error_inside_a_stream_is_the_fault_that_it_means(
    dialect: Dialect, frame: bytes, kind: FaultKind, passing: bool
) -> None:
    with pytest.raises(Fault) as fault:
        decoded(dialect, [frame], passing=passing)
    assert fault.value.kind is kind
    # Inside an answer an error may quote the answer: its type and code are kept, and nothing else.
    assert re.fullmatch(r"|429|5 bytes|[a-z_]+_e[a-z]+", fault.value.provider_text)


@pytest.mark.parametrize("passing", [True, False])
@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (CHAT, b'{"error":{"message":"x"}}'),
        (CHAT, b"{}"),
        (CHAT, b'{"choices":null}'),
        (CHAT, b"<html>"),
        (MESSAGES, b'{"type":"error","error":{"type":"api_error","message":"x"}}'),
        (MESSAGES, b"{}"),
        (MESSAGES, b"<html>"),
        (EMBEDDINGS, b'{"object":"list"}'),
        (EMBEDDINGS, b'{"error":{"message":"x"}}'),
        ("anthropic-count-tokens", b"{}"),
    ],
)
def test_a_whole_answer_that_is_none_is_a_fault(dialect: Dialect, body: bytes, passing: bool) -> None:
    with pytest.raises(Fault) as fault:
        decoded(dialect, [body], stream=False, passing=passing)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


def test_counting_costs_nothing() -> None:
    events = decoded("anthropic-count-tokens", [b'{"input_tokens":', b"12}"], stream=False, passing=True)
    assert events == [Passed(b'{"input_tokens":12}'), UsageReported(Usage()), Finished()]


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(input_tokens=10, output_tokens=5)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 1},
            },
            Usage(10, 5, 4, 3, 0, 2, 1, 1),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 22,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            Usage(input_tokens=10, output_tokens=12, reasoning_tokens=7),
        ),
        ({"prompt_tokens": 10, "prompt_cache_hit_tokens": 8}, Usage(input_tokens=10, cache_read_tokens=8)),
        ({"prompt_tokens": -1, "completion_tokens": None}, Usage()),
    ],
)
def test_usage_of_openai_is_told_in_the_gateways_convention(wire: dict[str, Any], usage: Usage) -> None:
    body = json.dumps({"choices": [{"message": {}, "finish_reason": "stop"}], "usage": wire}).encode()
    for passing in (True, False):
        assert UsageReported(usage) in decoded(CHAT, [body], stream=False, passing=passing)


def test_usage_of_anthropic_counts_the_cache_as_input_and_keeps_what_the_last_report_leaves_out() -> None:
    start = {
        "type": "message_start",
        "message": {
            "usage": {
                "input_tokens": 3,
                "cache_read_input_tokens": 4,
                "cache_creation_input_tokens": 5,
                "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
                "output_tokens": 1,
            }
        },
    }
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    raw = anthropic_stream([start, end, {"type": "message_stop"}])
    for passing in (True, False):
        reports = [
            event.usage for event in decoded(MESSAGES, [raw], passing=passing) if isinstance(event, UsageReported)
        ]
        assert reports == [Usage(12, 1, 4, 2, 3), Usage(12, 9, 4, 2, 3)]
