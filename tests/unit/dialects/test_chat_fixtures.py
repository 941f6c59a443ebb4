"""The exchanges that stand for OpenAI's and Anthropic's chats: whole and streamed alike, and what goes out comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from onevault.core.chat import ChatRequest, Thinking, ToolCall
from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    Cited,
    Event,
    Finished,
    MediaAdded,
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
from onevault.core.faults import FaultKind
from onevault.dialects.registry import CODECS, INGRESS
from onevault.dialects.wire.signatures import tagged, untagged

GOLDEN = Path(__file__).parents[2] / "golden"
CHATS = ("openai-chat", "anthropic-messages")
ASKING = {
    "openai-chat": b'{"stream":true,"messages":[{"role":"user","content":"x"}]}',
    "anthropic-messages": b'{"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}',
}
KINDS = {
    "rate_limit": FaultKind.RATE_LIMITED,
    "context_length": FaultKind.CONTEXT_LENGTH_EXCEEDED,
    "content_filter": FaultKind.SAFETY_VIOLATION,
    "bad_request": FaultKind.INVALID_REQUEST,
    "authentication": FaultKind.PROVIDER_ERROR,
    "overloaded": FaultKind.OVERLOADED,
}
ENDS = {
    "text": StopReason.END,
    "tools": StopReason.TOOL_CALLS,
    "parallel_tools": StopReason.TOOL_CALLS,
    "thinking": StopReason.END,
    "length": StopReason.LENGTH,
    "refusal_or_filter": StopReason.REFUSAL,
}


def provider(dialect: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GOLDEN / "provider" / f"{dialect}.json").read_text(encoding="utf-8"))
    return document


def caller(dialect: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GOLDEN / "caller" / f"{dialect}.json").read_text(encoding="utf-8"))
    return document


def decoded(dialect: str, body: bytes, *, stream: bool, step: int = 0) -> list[Event]:
    decoder = CODECS[dialect].decoder(stream=stream, passing=None)
    step = step or len(body)
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def said(events: list[Event]) -> dict[str, Any]:
    """What an answer says, however it was cut."""
    calls = [[event.id, event.name, ""] for event in events if isinstance(event, ToolCallStarted)]
    for event in events:
        if isinstance(event, ToolArgumentsAdded):
            calls[event.call][2] += event.json_text
    return {
        "text": "".join(event.text for event in events if isinstance(event, TextAdded)),
        "refusal": "".join(event.text for event in events if isinstance(event, RefusalAdded)),
        "thinking": "".join(event.text for event in events if isinstance(event, ThinkingAdded)),
        "signatures": [(event.signature, event.by) for event in events if isinstance(event, ThinkingSigned)],
        "calls": [(id, name, json.loads(arguments)) for id, name, arguments in calls],
        "ends": [event.reason for event in events if isinstance(event, ChoiceEnded)],
    }


@pytest.mark.parametrize("case", ENDS)
@pytest.mark.parametrize("dialect", CHATS)
def test_a_stream_says_what_the_whole_answer_says(dialect: str, case: str) -> None:
    fixtures = provider(dialect)
    whole = said(decoded(dialect, json.dumps(fixtures["whole"][case]).encode(), stream=False))
    for step in (0, 1, 7):
        assert said(decoded(dialect, fixtures["stream"][case].encode(), stream=True, step=step)) == whole
    assert whole["ends"] == [ENDS[case]]
    assert len(whole["calls"]) == {"tools": 1, "parallel_tools": 2}.get(case, 0)
    assert whole["signatures"] == ([("c2lnbmF0dXJl", "anthropic-messages")] if case == "thinking" else [])


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("dialect", CHATS)
def test_an_error_answer_is_the_fault_that_it_means(dialect: str, case: str) -> None:
    error = provider(dialect)["errors"][case]
    fault = CODECS[dialect].fault(error["status"], error["headers"], json.dumps(error["body"]).encode())
    assert fault.kind is KINDS[case]
    assert (fault.retry_after_s is not None) == (case == "rate_limit")


@pytest.mark.parametrize(("source", "target"), [(one, other) for one in CHATS for other in CHATS])
def test_every_case_of_a_caller_is_carried_to_the_other_dialect(source: str, target: str) -> None:
    for case, body in caller(source).items():
        incoming = INGRESS[source].read(json.dumps(body).encode())
        if case == "audio_data" and target == "anthropic-messages":
            continue  # a fault, as the golden table has it
        wire = CODECS[target].encode(incoming.canonical(), output_tokens_max=1000)
        again = INGRESS[target].read(wire.body).canonical()
        assert isinstance(again, ChatRequest)
        dropped = {"sampling": {"seed", "top_p"}, "thinking_turns": {"thinking"}, "cache_marks": {"cache_control"}}
        assert set(wire.dropped) <= dropped.get(case, set()), case


def written(target: str, events: list[Event]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    incoming = INGRESS[target].read(ASKING[target])
    whole = json.loads(INGRESS[target].writer(incoming, request_id="r", created_s=1).whole(events))
    writer = INGRESS[target].writer(incoming, request_id="r", created_s=1)
    stream = writer.write(events[:-1]) + writer.finish(events[-1])
    frames = [frame.partition(b"data: ")[2] for frame in stream.split(b"\n\n")]
    return whole, [json.loads(frame) for frame in frames if frame.startswith(b"{")]


SIGNED: list[Event] = [
    AnswerStarted("a", "m"),
    ThinkingAdded("hm", 0),
    ThinkingSigned("one", 0, by="bedrock-converse"),
    ThinkingRedacted("dark", 1, by="openai-responses"),
    ThinkingSigned("two", 2, by="gemini"),
    ToolCallStarted(0, "c", "f", 3),
    ToolArgumentsAdded(0, "{}", 3),
    ChoiceEnded(StopReason.TOOL_CALLS),
    Finished(),
]


def test_signatures_of_any_provider_go_through_anthropic_and_come_back_in_their_places() -> None:
    whole, _ = written("anthropic-messages", SIGNED)
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "assistant", "content": whole["content"]}]}
    request = INGRESS["anthropic-messages"].read(json.dumps(asked).encode()).canonical()
    assert isinstance(request, ChatRequest)
    thinking, dark, signature, call = request.messages[0].parts
    assert thinking == Thinking(text="hm", signature="one", signed_by="bedrock-converse")
    assert msgspec.structs.asdict(dark) == {"data": "dark", "encrypted_by": "openai-responses"}
    assert signature == Thinking(text="", signature="two", signed_by="gemini")
    assert isinstance(call, ToolCall)


@pytest.mark.parametrize("without", ["", "thinking_blocks", "tool_calls.extra_content"])
def test_signatures_of_any_provider_go_through_openai_and_come_back_before_their_calls(without: str) -> None:
    """Clients that keep only one of the two places in which Gemini's signature stands lose nothing of it."""
    whole, _ = written("openai-chat", SIGNED)
    message = whole["choices"][0]["message"]
    if without == "thinking_blocks":
        message["thinking_blocks"] = message["thinking_blocks"][:2]
    elif without:
        del message["tool_calls"][0]["extra_content"]
    asked = {"model": "m", "messages": [message]}
    request = INGRESS["openai-chat"].read(json.dumps(asked).encode()).canonical()
    assert isinstance(request, ChatRequest)
    thinking, dark, signature, call = request.messages[0].parts
    assert thinking == Thinking(text="hm", signature="one", signed_by="bedrock-converse")
    assert msgspec.structs.asdict(dark) == {"data": "dark", "encrypted_by": "openai-responses"}
    assert signature == Thinking(text="", signature="two", signed_by="gemini")
    assert isinstance(call, ToolCall)


@pytest.mark.parametrize("target", CHATS)
def test_no_target_is_sent_what_another_provider_signed(target: str) -> None:
    whole, _ = written("openai-chat", SIGNED)
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}, whole["choices"][0]["message"]]}
    request = INGRESS["openai-chat"].read(json.dumps(asked).encode()).canonical()
    wire = CODECS[target].encode(request, output_tokens_max=9)
    assert wire.dropped == ("thinking",)
    for value in (b"one", b"dark", b"two"):
        assert value not in wire.body


@pytest.mark.parametrize(
    ("value", "by", "native", "text"),
    [
        ("Ab+/=", "gemini", "anthropic-messages", "gemini#Ab+/="),
        ("Ab+/=", "gemini", "gemini", "Ab+/="),
        ("Ab+/=", "", "gemini", "Ab+/="),
    ],
)
def test_a_signature_is_tagged_with_its_maker_unless_that_goes_without_saying(
    value: str, by: str, native: str, text: str
) -> None:
    assert tagged(value, by, native) == text
    assert untagged(text, native) == (value, by or native)


MADE: list[Event] = [
    AnswerStarted("a", "m"),
    TextAdded("Rome is old.", 0),
    CitationAdded("gemini", msgspec.Raw(b"{}"), 0, cited=Cited("https://x.example", "X", None, 0, 4)),
    MediaAdded("image/png", "iVBORw==", part=1),
    MediaAdded("audio/pcm", "AAE=", id="au", transcript="Hel", part=2),
    MediaAdded("audio/pcm", "//8=", expires_s=9, transcript="lo", part=2),
    MediaAdded("application/pdf", "JVBERg==", part=3),
    ChoiceEnded(StopReason.END),
    Finished(),
]


def test_what_a_model_made_is_written_for_callers_of_openai() -> None:
    whole, chunks = written("openai-chat", MADE)
    message = whole["choices"][0]["message"]
    assert message["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"url": "https://x.example", "title": "X", "start_index": 0, "end_index": 4},
        }
    ]
    assert message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}]
    assert message["audio"] == {"id": "au", "data": "AAH//w==", "expires_at": 9, "transcript": "Hello"}
    assert message["files"] == [{"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg=="}}]
    completion = ChatCompletion.model_validate(whole)
    assert completion.choices[0].message.audio is not None
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [delta["audio"] for delta in deltas if "audio" in delta] == [
        {"id": "au", "data": "AAE=", "transcript": "Hel"},
        {"data": "//8=", "expires_at": 9, "transcript": "lo"},
    ]
    for name in ("images", "files", "annotations"):
        assert [delta[name] for delta in deltas if name in delta] == [[{"index": 0, **message[name][0]}]]


def test_what_a_model_made_is_written_for_callers_of_anthropic() -> None:
    whole, frames = written("anthropic-messages", MADE)
    image, audio, document = whole["content"][1:]
    assert image["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
    assert (audio["type"], audio["source"]["data"], audio["transcript"]) == ("audio", "AAH//w==", "Hello")
    assert (document["type"], document["source"]["media_type"]) == ("document", "application/pdf")
    started = [frame["content_block"] for frame in frames if frame["type"] == "content_block_start"]
    assert started[1:] == whole["content"][1:]
    assert whole["content"][0]["citations"] == [
        {
            "type": "web_search_result_location",
            "cited_text": "Rome",
            "encrypted_index": "",
            "title": "X",
            "url": "https://x.example",
        }
    ]


def test_callers_of_the_older_functions_get_their_call_as_a_function_call() -> None:
    body = b'{"stream":true,"functions":[{"name":"get_weather"}],"messages":[{"role":"user","content":"x"}]}'
    incoming = INGRESS["openai-chat"].read(body)
    raw = json.dumps(provider("anthropic-messages")["whole"]["tools"]).encode()
    events = decoded("anthropic-messages", raw, stream=False)
    whole = json.loads(INGRESS["openai-chat"].writer(incoming, request_id="r", created_s=1).whole(events))
    choice = whole["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    assert "tool_calls" not in choice["message"]
    writer = INGRESS["openai-chat"].writer(incoming, request_id="r", created_s=1)
    stream = writer.write(events[:-1]) + writer.finish(events[-1])
    assert b'"tool_calls"' not in stream
    assert stream.count(b'"function_call"') == 3  # its name, its arguments, and why it ended


def test_audio_is_asked_of_openai_with_a_voice_and_a_format() -> None:
    asked = {
        "model": "m",
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "mp3"},
        "messages": [{"role": "user", "content": "x"}],
    }
    request = INGRESS["openai-chat"].read(json.dumps(asked).encode()).canonical()
    body = json.loads(CODECS["openai-chat"].encode(request, output_tokens_max=9).body)
    assert body["modalities"] == ["text", "audio"]
    assert body["audio"] == {"voice": "alloy", "format": "mp3"}


@pytest.mark.parametrize("stream", [False, True])
def test_counting_and_passing_agree_on_the_usage(stream: bool) -> None:
    for dialect in CHATS:
        given = provider(dialect)["stream" if stream else "whole"]["text"]
        body = given.encode() if stream else json.dumps(given).encode()
        decoder = CODECS[dialect].decoder(stream=stream, passing=INGRESS[dialect].read(ASKING[dialect]))
        passed = [*decoder.feed(body), *decoder.close()]
        usages = [
            [event.usage for event in events if isinstance(event, UsageReported)][-1]
            for events in (passed, decoded(dialect, body, stream=stream))
        ]
        assert usages[0] == usages[1]
        assert (usages[0].input_tokens, usages[0].output_tokens, usages[0].cache_read_tokens) == (20, 12, 8)
        assert any(isinstance(event, Passed) for event in passed)
