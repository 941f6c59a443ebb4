"""Cohere's, Ollama's and the rerank dialect: what is written to providers, what is read from them, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cohere.types import AssistantMessageResponse
from hypothesis import given
from hypothesis import strategies as st
from ollama import ChatResponse

from onevault.core.codec import Decoder
from onevault.core.embeddings import EmbeddingsRequest, Purpose
from onevault.core.events import (
    ChoiceEnded,
    CitationAdded,
    EmbeddingsMade,
    Event,
    Finished,
    Passed,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import Fault, FaultKind
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

FIXTURES = {
    name: json.loads((Path(__file__).parents[2] / f"golden/provider/{name}.json").read_text())
    for name in ("cohere-chat", "ollama-chat")
}
STREAMS = [(name, case) for name, fixture in FIXTURES.items() for case in fixture["stream"]]
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
CALLED = {
    "role": "assistant",
    "content": "I look it up.",
    "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}},
        {"id": "c2", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}},
    ],
}
RESULTS = [
    {"role": "tool", "tool_call_id": "c1", "content": "Sunny"},
    {"role": "tool", "tool_call_id": "c2", "content": "Rain"},
]


def decoded(decoder: Decoder, pieces: list[bytes]) -> list[Event]:
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return events + decoder.close()


def joined(events: list[Event]) -> list[Event]:
    """Neighbouring pieces of one text put together, so that splits can be compared."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, TextAdded) and isinstance(last, TextAdded) and last.part == event.part:
            out[-1] = TextAdded(last.text + event.text, event.part)
        elif isinstance(event, ThinkingAdded) and isinstance(last, ThinkingAdded) and last.part == event.part:
            out[-1] = ThinkingAdded(last.text + event.text, event.part)
        elif isinstance(event, ToolArgumentsAdded) and isinstance(last, ToolArgumentsAdded) and last.call == event.call:
            out[-1] = ToolArgumentsAdded(event.call, last.json_text + event.json_text, event.part)
        else:
            out.append(event)
    return out


def told(name: str, case: str, *, stream: bool) -> list[Event]:
    fixture = FIXTURES[name]["stream" if stream else "whole"][case]
    body = fixture.encode() if stream else json.dumps(fixture, separators=(",", ":")).encode()
    return decoded(CODECS[name].decoder(stream=stream, passing=None), [body])


@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_a_stream_says_what_the_whole_answer_says(name: str, case: str) -> None:
    content = (TextAdded, ThinkingAdded, ToolCallStarted, ToolArgumentsAdded, ChoiceEnded, UsageReported, Finished)
    whole, streamed = (
        [event for event in joined(told(name, case, stream=stream)) if isinstance(event, content)]
        for stream in (False, True)
    )
    assert streamed == whole or [type(event) for event in streamed] == [type(event) for event in whole]
    assert isinstance(whole[-1], Finished)


@pytest.mark.parametrize(("name", "case"), STREAMS)
@given(data=st.data())
def test_any_split_gives_the_same_events(name: str, case: str, data: st.DataObject) -> None:
    body = FIXTURES[name]["stream"][case].encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    codec = CODECS[name]
    assert decoded(codec.decoder(stream=True, passing=None), pieces) == decoded(
        codec.decoder(stream=True, passing=None), [body]
    )


@pytest.mark.parametrize(("name", "case"), STREAMS)
@given(share=st.floats(0, 0.97))
def test_a_cut_stream_is_never_complete(name: str, case: str, share: float) -> None:
    body = FIXTURES[name]["stream"][case].encode()
    if name == "cohere-chat":
        body = body[: body.index(b"event: message-end")]
    with pytest.raises(Fault) as fault:
        decoded(CODECS[name].decoder(stream=True, passing=None), [body[: int(len(body) * share)]])
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


@pytest.mark.parametrize("name", ["cohere-chat", "cohere-embeddings", "ollama-chat", "ollama-embeddings", "rerank"])
@pytest.mark.parametrize("stream", [False, True])
@given(body=st.one_of(st.binary(), st.binary().map(lambda tail: b"data: " + tail + b"\n\n"), st.text().map(str.encode)))
def test_arbitrary_bytes_are_a_providers_error(name: str, stream: bool, body: bytes) -> None:
    kind = FaultKind.PROVIDER_ERROR
    try:
        decoded(CODECS[name].decoder(stream=stream, passing=None), [body])
    except Fault as fault:
        kind = fault.kind
    assert kind is FaultKind.PROVIDER_ERROR


@pytest.mark.parametrize("stream", [False, True])
def test_coheres_citations_say_where_and_what(stream: bool) -> None:
    (cited,) = (event for event in told("cohere-chat", "citations", stream=stream) if isinstance(event, CitationAdded))
    assert cited.cited is not None
    assert (cited.cited.start, cited.cited.end, cited.cited.text, cited.part) == (6, 11, "sunny", 0)


@pytest.mark.parametrize("stream", [False, True])
def test_ollamas_calls_without_ids_get_some_that_differ(stream: bool) -> None:
    calls = [
        event for event in told("ollama-chat", "parallel_tools", stream=stream) if isinstance(event, ToolCallStarted)
    ]
    assert [call.call for call in calls] == [0, 1]
    assert len({call.id for call in calls}) == 2
    assert calls[1].id == "call_second"


def wire(name: str, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    request = INGRESS["openai-chat"].read(json.dumps(body).encode()).canonical()
    written = CODECS[name].encode(request, output_tokens_max=100)
    return json.loads(written.body), written.dropped


ENCODED: list[tuple[str, dict[str, Any], Callable[[dict[str, Any]], Any], Any]] = [
    (
        "cohere-chat",
        {"stop": ["a"], "top_p": 0.5, "max_tokens": 9},
        lambda b: (b["stop_sequences"], b["p"], b["max_tokens"]),
        (["a"], 0.5, 9),
    ),
    ("cohere-chat", {"tools": [TOOL], "tool_choice": "required"}, lambda b: b["tool_choice"], "REQUIRED"),
    (
        "cohere-chat",
        {
            "tools": [{"type": "function", "function": {"name": "another"}}, TOOL],
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        },
        lambda b: ([tool["function"]["name"] for tool in b["tools"]], b["tool_choice"]),
        (["get_weather"], "REQUIRED"),
    ),
    ("cohere-chat", {"tools": [TOOL], "tool_choice": "auto"}, lambda b: "tool_choice" in b, False),
    (
        "cohere-chat",
        {"messages": [{"role": "user", "content": "Hi"}, CALLED, *RESULTS]},
        lambda b: b["messages"][1]["tool_plan"],
        "I look it up.",
    ),
    (
        "cohere-chat",
        {"messages": [{"role": "user", "content": "Hi"}, CALLED, *RESULTS]},
        lambda b: [m["tool_call_id"] for m in b["messages"][2:]],
        ["c1", "c2"],
    ),
    (
        "cohere-chat",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
        lambda b: b["response_format"],
        {"type": "json_object", "json_schema": {"type": "object"}},
    ),
    ("cohere-chat", {"reasoning_effort": "low"}, lambda b: b["thinking"], {"type": "enabled", "token_budget": 2048}),
    (
        "ollama-chat",
        {"stop": "a", "top_p": 0.5, "max_tokens": 9, "seed": 3},
        lambda b: b["options"],
        {"stop": ["a"], "top_p": 0.5, "num_predict": 9, "seed": 3},
    ),
    (
        "ollama-chat",
        {"messages": [{"role": "user", "content": "Hi"}, CALLED, *RESULTS]},
        lambda b: [c["function"]["arguments"] for c in b["messages"][1]["tool_calls"]],
        [{"city": "Paris"}, {"city": "Rome"}],
    ),
    (
        "ollama-chat",
        {"messages": [{"role": "user", "content": "Hi"}, CALLED, *RESULTS]},
        lambda b: [m["tool_name"] for m in b["messages"][2:]],
        ["get_weather", "get_weather"],
    ),
    (
        "ollama-chat",
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}
            ]
        },
        lambda b: b["messages"][0]["images"],
        ["AAAA"],
    ),
    ("ollama-chat", {"response_format": {"type": "json_object"}}, lambda b: b["format"], "json"),
    ("ollama-chat", {"reasoning_effort": "high"}, lambda b: b["think"], "high"),
]


@pytest.mark.parametrize(("name", "fields", "look", "expected"), ENCODED)
def test_requests_say_the_same_in_the_providers_words(
    name: str, fields: dict[str, Any], look: Callable[[dict[str, Any]], Any], expected: Any
) -> None:
    assert look(wire(name, **fields)[0]) == expected


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("cohere-chat", {"n": 2}, "n"),
    (
        "cohere-chat",
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "unheard_of"}}},
        "tool_choice",
    ),
    (
        "cohere-chat",
        {
            "messages": [
                {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]}
            ]
        },
        "messages[0].content[0]",
    ),
    ("cohere-chat", {"stop": list("abcdef")}, "stop"),
    ("ollama-chat", {"n": 2}, "n"),
    ("ollama-chat", {"tools": [TOOL], "tool_choice": "required"}, "tool_choice"),
    (
        "ollama-chat",
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}]}
            ]
        },
        "messages[0].content[0]",
    ),
]


@pytest.mark.parametrize(("name", "fields", "param"), REFUSED)
def test_meaning_that_cannot_be_said_is_a_fault(name: str, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Fault) as fault:
        wire(name, **fields)
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)


@pytest.mark.parametrize(
    ("name", "fields", "dropped"),
    [
        ("cohere-chat", {"logit_bias": {"1": 2}, "user": "u"}, {"logit_bias", "user"}),
        ("cohere-chat", {"tools": [TOOL], "parallel_tool_calls": False}, {"parallel_tool_calls"}),
        ("ollama-chat", {"service_tier": "flex", "unheard_of": 1}, {"service_tier", "unheard_of"}),
    ],
)
def test_hints_that_cannot_be_said_are_named(name: str, fields: dict[str, Any], dropped: set[str]) -> None:
    assert set(wire(name, **fields)[1]) == dropped


ERRORS = [(name, case, error) for name, fixture in FIXTURES.items() for case, error in fixture["errors"].items()]
KINDS = {
    "rate_limit": FaultKind.RATE_LIMITED,
    "context_length": FaultKind.CONTEXT_LENGTH_EXCEEDED,
    "content_filter": FaultKind.SAFETY_VIOLATION,
    "bad_request": FaultKind.INVALID_REQUEST,
    "authentication": FaultKind.PROVIDER_ERROR,
    "overloaded": FaultKind.OVERLOADED,
}


@pytest.mark.parametrize(("name", "case", "error"), ERRORS)
def test_providers_errors_keep_their_meaning(name: str, case: str, error: dict[str, Any]) -> None:
    fault = CODECS[name].fault(error["status"], error["headers"], json.dumps(error["body"]).encode())
    assert fault.kind is KINDS[case]
    assert fault.retry_after_s == (7.0 if case == "rate_limit" else None)


def test_the_fixtures_are_what_the_official_sdks_read() -> None:
    for answer in FIXTURES["cohere-chat"]["whole"].values():
        AssistantMessageResponse.model_validate(answer["message"])
    for answer in FIXTURES["ollama-chat"]["whole"].values():
        assert ChatResponse.model_validate(answer).done


def test_embeddings_say_what_they_are_for() -> None:
    request = EmbeddingsRequest(model="m", inputs=("a", "b"), dimensions=4, purpose=Purpose.QUERY, user="u")
    cohere = CODECS["cohere-embeddings"].encode(request, output_tokens_max=0)
    assert json.loads(cohere.body) == {
        "model": "m",
        "texts": ["a", "b"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "truncate": "NONE",
        "output_dimension": 4,
    }
    ollama = CODECS["ollama-embeddings"].encode(request, output_tokens_max=0)
    assert json.loads(ollama.body) == {"model": "m", "input": ["a", "b"], "truncate": False, "dimensions": 4}
    assert (set(cohere.dropped), set(ollama.dropped)) == ({"user"}, {"user", "purpose"})
    with pytest.raises(Fault) as fault:
        CODECS["cohere-embeddings"].encode(EmbeddingsRequest(model="m", inputs=((1, 2),)), output_tokens_max=0)
    assert fault.value.param == "input[0]"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (
            "cohere-embeddings",
            {"id": "x", "embeddings": {"float": [[0.5, 1]]}, "meta": {"billed_units": {"input_tokens": 3}}},
        ),
        ("ollama-embeddings", {"model": "m", "embeddings": [[0.5, 1]], "prompt_eval_count": 3}),
    ],
)
def test_vectors_come_with_their_usage(name: str, answer: dict[str, Any]) -> None:
    events = decoded(CODECS[name].decoder(stream=False, passing=None), [json.dumps(answer).encode()])
    assert [event.vectors for event in events if isinstance(event, EmbeddingsMade)] == [((0.5, 1.0),)]
    assert [event.usage for event in events if isinstance(event, UsageReported)] == [Usage(input_tokens=3)]


ASKED = {
    "model": "m",
    "query": "capital?",
    "documents": ["Paris", {"text": "Rome"}],
    "top_n": 1,
    "routing": {"providers": ["p"]},
}


def test_a_rerank_passes_but_for_model_and_extensions() -> None:
    incoming = INGRESS["rerank"].read(json.dumps(ASKED).encode())
    written = incoming.rewritten("rerank-v3.5", output_tokens_max=None)
    assert json.loads(written.body) == {
        "model": "rerank-v3.5",
        "query": "capital?",
        "documents": ASKED["documents"],
        "top_n": 1,
    }
    assert (written.path, incoming.size.searches_at_most) == ("/rerank", 1)
    assert (
        INGRESS["rerank"].read(json.dumps({**ASKED, "documents": ["x" * 2_000] * 60}).encode()).size.searches_at_most
        == 3
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({**ASKED, "documents": []}, "documents"),
        ({**ASKED, "query": ""}, "query"),
        ({**ASKED, "top_n": 0}, "top_n"),
        ({"query": "x"}, "documents"),
        ({**ASKED, "documents": [1]}, "documents[0]"),
    ],
)
def test_a_rerank_that_cannot_be_is_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Fault) as fault:
        INGRESS["rerank"].read(json.dumps(body).encode())
    assert (fault.value.kind, fault.value.param) == (FaultKind.INVALID_REQUEST, param)


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        ({"results": [], "meta": {"billed_units": {"search_units": 2}}}, Usage(searches=2)),
        ({"results": [], "usage": {"total_tokens": 30}}, Usage(input_tokens=30)),
        ({"results": []}, None),
    ],
)
def test_ranks_pass_with_what_they_cost(answer: dict[str, Any], usage: Usage | None) -> None:
    body = json.dumps(answer).encode()
    events = decoded(CODECS["rerank"].decoder(stream=False, passing=None), [body])
    assert events[0] == Passed(body)
    assert [event.usage for event in events if isinstance(event, UsageReported)] == ([usage] if usage else [])


def test_an_ollama_error_within_a_stream_breaks_it_off() -> None:
    with pytest.raises(Fault) as fault:
        decoded(CODECS["ollama-chat"].decoder(stream=True, passing=None), [b'{"error":"an error was encountered"}\n'])
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


def test_a_length_stop_is_told_as_one() -> None:
    for name in FIXTURES:
        (ended,) = (event for event in told(name, "length", stream=True) if isinstance(event, ChoiceEnded))
        assert ended.reason is StopReason.LENGTH
