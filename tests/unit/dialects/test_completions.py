"""The legacy completions dialect: requests read, passed and said as a chat; answers passed and written."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import openai.types as sdk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from onevault.core.chat import ChatRequest, Message, Role, Text
from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    Event,
    Finished,
    Passed,
    RefusalAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    UsageReported,
)
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Operation
from onevault.core.usage import Usage
from onevault.dialects.anthropic.spoken import AnthropicMessages
from onevault.dialects.openai_completions import OpenAICompletions

SPOKEN = OpenAICompletions()


def read(**fields: Any) -> Any:
    return SPOKEN.read(json.dumps({"model": "m", "prompt": "Say hi"} | fields).encode())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt[1]"),
        ({"prompt": [1, [2]]}, "prompt[1]"),
        ({"prompt": [[1], ["a"]]}, "prompt[1][0]"),
        ({"prompt": ["a"] * 2049}, "prompt"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": 3, "best_of": 2}, "best_of"),
        ({"temperature": "hot"}, "temperature"),
        ({"model": ""}, "model"),
        ({"metadata": {"a": "b" * 600}}, "metadata"),
    ],
)
def test_a_malformed_request_names_its_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Fault) as fault:
        read(**fields)
    assert fault.value.kind is FaultKind.INVALID_REQUEST
    assert fault.value.param is not None
    assert fault.value.param.startswith(param.partition("[")[0])


@pytest.mark.parametrize(
    ("fields", "choices"),
    [
        ({}, 1),
        ({"n": 2}, 2),
        ({"n": 2, "best_of": 5}, 5),
        ({"prompt": ["a", "b"], "n": 2}, 4),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1, 2], [3]], "best_of": 3}, 6),
    ],
)
def test_every_choice_that_the_provider_makes_is_counted(fields: dict[str, Any], choices: int) -> None:
    incoming = read(**fields)
    assert incoming.choices == choices
    assert incoming.operation is Operation.CHAT
    assert incoming.size.tokens_at_most >= len(incoming.body)


def test_a_request_passes_with_its_own_bytes() -> None:
    body = b'{"model":"a","prompt":[1,2],"echo":true,"temperature":0.50,"routing":{"fallback":false},"zz":1}'
    wire = SPOKEN.read(body).rewritten("b", output_tokens_max=None)
    assert wire.path == "/completions"
    assert wire.body == b'{"model":"b","prompt":[1,2],"echo":true,"temperature":0.50,"zz":1}'
    streamed = read(stream=True, stream_options={"x": 1}).rewritten("b", output_tokens_max=7)
    sent = json.loads(streamed.body)
    assert sent["stream_options"] == {"x": 1, "include_usage": True}
    assert sent["max_tokens"] == 7
    asked = read(stream=True, stream_options={"include_usage": True}).rewritten("b", output_tokens_max=None)
    assert json.loads(asked.body)["stream_options"] == {"include_usage": True}


def test_a_prompt_is_a_chat_with_one_message() -> None:
    request = read(
        prompt=["Say hi"],
        stop="END",
        n=2,
        best_of=2,
        seed=3,
        temperature=0.5,
        presence_penalty=0.1,
        logit_bias={"1": 2},
        user="u",
        stream=True,
        min_tokens=1,
    ).canonical()
    assert request == ChatRequest(
        model="m",
        messages=(Message(role=Role.USER, parts=(Text(text="Say hi"),)),),
        output_tokens_max=16,
        stop=("END",),
        n=2,
        seed=3,
        temperature=0.5,
        presence_penalty=0.1,
        logit_bias=Raw(b'{"1": 2}'),
        user="u",
        stream=True,
        hints=("min_tokens",),
    )
    assert read(max_tokens=0).canonical().output_tokens_max == 1
    assert read(max_tokens=90).canonical().output_tokens_max == 90
    wire = AnthropicMessages().encode(read().canonical(), output_tokens_max=9)
    assert json.loads(wire.body)["max_tokens"] == 16


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"suffix": "x"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 3}, "best_of"),
        ({"logprobs": 2}, "logprobs"),
    ],
)
def test_meaning_that_a_chat_cannot_carry_is_a_fault(fields: dict[str, Any], param: str) -> None:
    incoming = read(**fields)
    incoming.rewritten("m", output_tokens_max=None)  # it passes
    with pytest.raises(Fault) as fault:
        incoming.canonical()
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)


def test_what_means_nothing_is_no_fault() -> None:
    request = read(suffix=None, echo=False, best_of=1, logprobs=None, logit_bias={}).canonical()
    assert (request.logit_bias, request.hints) == (None, ())


def test_a_chat_is_never_written_in_this_dialect() -> None:
    with pytest.raises(Fault) as fault:
        SPOKEN.encode(read().canonical(), output_tokens_max=9)
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, "model")
    SPOKEN.decoder(stream=True, passing=None)
    SPOKEN.decoder(stream=False, passing=None)


# ---- answers


def chunk(text: str, index: int = 0, reason: str | None = None) -> bytes:
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
    return b"data: " + json.dumps({"id": "c", "object": "text_completion", "choices": [choice]}).encode() + b"\n\n"


USAGE = (
    b'data: {"id":"c","object":"text_completion","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
)
DONE = b"data: [DONE]\n\n"
STREAM = chunk("Grü") + chunk("ße") + chunk("", reason="length") + USAGE + DONE


def decoded(pieces: list[bytes], incoming: Any) -> list[Event]:
    decoder = SPOKEN.decoder(stream=incoming.stream, passing=incoming)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.close()]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_stream_passes_byte_for_byte_at_any_split(cuts: list[int]) -> None:
    incoming = read(stream=True, stream_options={"include_usage": True})
    edges = [0, *sorted(cuts), len(STREAM)]
    events = decoded([STREAM[at:end] for at, end in pairwise(edges)], incoming)
    assert b"".join(event.raw for event in events if isinstance(event, Passed | Finished)) == STREAM
    assert sum(event.output_bytes for event in events if isinstance(event, Passed)) == len("Grüße".encode())
    assert ChoiceEnded(StopReason.LENGTH) in events
    assert UsageReported(Usage(input_tokens=3, output_tokens=2)) in events


def test_a_whole_answer_passes_with_its_usage() -> None:
    choices = [{"text": text, "index": i, "finish_reason": "stop"} for i, text in enumerate(("Hi", "Ho"))]
    body = json.dumps({"choices": choices, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()
    events = decoded([body], read(n=2))
    assert events[0] == Passed(body, 4)
    assert events[1:3] == [ChoiceEnded(StopReason.END, None, 0), ChoiceEnded(StopReason.END, None, 1)]
    assert events[3] == UsageReported(Usage(input_tokens=3, output_tokens=2))


def test_the_usage_chunk_is_kept_from_those_who_did_not_ask() -> None:
    events = decoded([STREAM], read(stream=True))
    assert USAGE not in [event.raw for event in events if isinstance(event, Passed)]
    assert UsageReported(Usage(input_tokens=3, output_tokens=2)) in events


def test_a_stream_without_its_end_must_have_every_choice() -> None:
    one = chunk("a", 0, "stop")
    assert isinstance(decoded([one], read(stream=True, best_of=3))[-1], Finished)
    with pytest.raises(Fault):
        decoded([one], read(stream=True, prompt=["a", "b"]))


STARTED = AnswerStarted("x", "claude-x", 1_790_000_000)
EVENTS: list[Event] = [
    STARTED,
    ThinkingAdded("hm", 0),
    TextAdded("Hel", 1),
    TextAdded("lo", 1),
    RefusalAdded("!", 2),
    TextAdded("Ho", 0, 1),
    ChoiceEnded(StopReason.LENGTH),
    ChoiceEnded(StopReason.END, None, 1),
    UsageReported(Usage(input_tokens=3, output_tokens=2)),
    Finished(),
]


def test_answers_are_valid_for_the_official_sdk_whole_and_streamed() -> None:
    incoming = read(stream=True, stream_options={"include_usage": True})
    whole = SPOKEN.writer(incoming, request_id="r", created_s=7).whole(EVENTS)
    completion = sdk.Completion.model_validate_json(whole)
    assert [(choice.text, choice.finish_reason) for choice in completion.choices] == [
        ("Hello!", "length"),
        ("Ho", "stop"),
    ]
    assert json.loads(whole)["choices"][0]["reasoning_content"] == "hm"
    assert completion.id == "cmpl-r"
    writer = SPOKEN.writer(incoming, request_id="r", created_s=7)
    stream = b"".join(writer.write([event]) for event in EVENTS[:-1]) + writer.finish(EVENTS[-1])
    assert stream.endswith(DONE)
    texts = {0: "", 1: ""}
    for frame in stream.split(b"\n\n")[:-2]:
        told = json.loads(frame.removeprefix(b"data: "))
        for choice in told["choices"]:
            texts[choice["index"]] += choice["text"]
            if choice["finish_reason"] is not None:
                sdk.Completion.model_validate(told)
    assert texts == {0: "Hello!", 1: "Ho"}
    assert told["usage"]["total_tokens"] == 5


def test_the_end_of_a_stream_is_what_it_was_or_is_written() -> None:
    silent = SPOKEN.writer(read(stream=True), request_id="r", created_s=7)
    assert silent.write([Passed(b"data: 1\n\n", 1), ChoiceEnded(StopReason.END)]) == b"data: 1\n\n"
    assert silent.finish(Finished(DONE)) == DONE
    silent.write(EVENTS[:-1])
    assert silent.finish(EVENTS[-1]) == DONE
    assert silent.whole([Passed(b"{}"), Finished()]) == b"{}"
