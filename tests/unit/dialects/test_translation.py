"""Requests and answers from one dialect into the other, as the golden tables have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onevault.core.codec import RequestLine
from onevault.core.faults import Fault
from onevault.dialects.registry import CODECS, INGRESS

GOLDEN = Path(__file__).parents[2] / "golden"
WAYS = {
    "openai_to_anthropic": ("openai-chat", "anthropic-messages"),
    "anthropic_to_openai": ("anthropic-messages", "openai-chat"),
}
ASKING = {
    "openai-chat": b'{"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}',
    "anthropic-messages": b'{"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}',
}


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(way, case, id=f"{way}: {case['name']}")
        for way in WAYS
        for case in json.loads((GOLDEN / f"{kind}_{way}.json").read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("way", "case"), cases("requests"))
def test_a_request_is_written_as_its_golden_one(way: str, case: dict[str, Any]) -> None:
    source, target = WAYS[way]
    incoming = INGRESS[source].read(json.dumps(case["request"]).encode())
    if "fault" in case:
        with pytest.raises(Fault) as fault:
            CODECS[target].encode(incoming.canonical(), output_tokens_max=4096)
        assert (fault.value.kind.value, fault.value.param) == (case["fault"], case["param"])
        return
    wire = CODECS[target].encode(incoming.canonical(), output_tokens_max=4096)
    assert json.loads(wire.body) == case["written"]
    assert list(wire.dropped) == case["dropped"]
    INGRESS[target].read(wire.body)


@pytest.mark.parametrize(("way", "case"), cases("answers"))
def test_an_answer_is_written_as_its_golden_one(way: str, case: dict[str, Any]) -> None:
    source, target = WAYS[way]
    raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in case["stream"])
    if source == "openai-chat":
        raw += b"data: [DONE]\n\n"
    decoder = CODECS[source].decoder(stream=True, passing=None)
    events = [*decoder.feed(raw), *decoder.close()]
    incoming = INGRESS[target].read(ASKING[target])
    writer = INGRESS[target].writer(incoming, request_id="r", created_s=1)
    piecewise = b"".join(writer.write([event]) for event in events[:-1]) + writer.finish(events[-1])
    writer = INGRESS[target].writer(incoming, request_id="r", created_s=1)
    assert writer.write(events[:-1]) + writer.finish(events[-1]) == piecewise
    frames = [frame.partition(b"data: ")[2] for frame in piecewise.split(b"\n\n")[:-1]]
    if target == "openai-chat":
        assert frames.pop() == b"[DONE]"
    assert [json.loads(frame) for frame in frames] == case["written"]
    whole = INGRESS[target].writer(incoming, request_id="r", created_s=1).whole(events)
    assert json.loads(whole) == case["whole"]


def test_the_usage_chunk_is_written_for_those_who_ask() -> None:
    case = json.loads((GOLDEN / "answers_anthropic_to_openai.json").read_text(encoding="utf-8"))[0]
    raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in case["stream"])
    decoder = CODECS["anthropic-messages"].decoder(stream=True, passing=None)
    events = [*decoder.feed(raw), *decoder.close()]
    silent = INGRESS["openai-chat"].read(b'{"stream":true,"messages":[{"role":"user","content":"x"}]}')
    writer = INGRESS["openai-chat"].writer(silent, request_id="r", created_s=1)
    assert b'"usage"' not in writer.write(events[:-1]) + writer.finish(events[-1])


@pytest.mark.parametrize(
    ("source", "request_body", "hints"),
    [
        (
            "anthropic-messages",
            {
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "x"}],
                "tools": [
                    {"name": "f", "input_schema": {}, "input_examples": [{"a": 1}], "strict": True},
                    {"name": "g", "input_schema": {}, "input_examples": [], "allowed_callers": ["direct"], "new": None},
                ],
            },
            ("tools.input_examples", "tools.allowed_callers"),
        ),
        (
            "gemini",
            {
                "contents": [{"role": "user", "parts": [{"text": "x"}]}],
                "tools": [
                    {"function_declarations": [{"name": "f", "description": "d", "response": {"type": "STRING"}}]},
                    {"functionDeclarations": [{"name": "g", "parameters": None, "behavior": "BLOCKING", "new": None}]},
                ],
            },
            ("functionDeclarations.response", "functionDeclarations.behavior"),
        ),
    ],
)
def test_what_a_tool_says_beyond_the_canonical_form_is_dropped_by_name(
    source: str, request_body: dict[str, Any], hints: tuple[str, ...]
) -> None:
    line = RequestLine("/v1beta/models/m:generateContent") if source == "gemini" else RequestLine()
    request = INGRESS[source].read(json.dumps(request_body).encode(), line).canonical()
    wire = CODECS["openai-chat"].encode(request, output_tokens_max=9)
    assert wire.dropped == hints
