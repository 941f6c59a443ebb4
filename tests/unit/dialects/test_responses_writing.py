"""Answers written for callers of the responses dialect: as events, whole, and as the official SDK understands them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import openai
import openai.types.responses as sdk
import pydantic
import pytest
from msgspec import Raw
from pydantic import TypeAdapter

from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    Cited,
    Event,
    Finished,
    LogprobsAdded,
    MediaAdded,
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

SPOKEN = OpenAIResponses()
BODY = json.dumps(
    {
        "model": "m",
        "input": "x",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
        "temperature": 0.5,
        "text": {"verbosity": "low"},
        "metadata": None,
    }
).encode()
CALL = SPOKEN.read(BODY)
STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(sdk.ResponseStreamEvent)

STARTED = AnswerStarted("msg_1", "claude-x", 1_790_000_000, "standard")
USAGE = UsageReported(Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4, reasoning_tokens=2))


def ended(reason: StopReason = StopReason.END) -> list[Event]:
    return [ChoiceEnded(reason), USAGE, Finished()]


def frames(events: list[Event]) -> list[dict[str, Any]]:
    """The events of a stream, written one canonical event at a time, each valid in the SDK."""
    writer = SPOKEN.writer(CALL, request_id="r", created_s=7)
    stream = b"".join(writer.write([event]) for event in events[:-1]) + writer.finish(events[-1])
    told: list[dict[str, Any]] = []
    for frame in stream.split(b"\n\n")[:-1]:
        name, _, data = frame.partition(b"\ndata: ")
        STREAM_EVENT.validate_json(data)
        told.append(json.loads(data))
        assert name == b"event: " + told[-1]["type"].encode()
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    return told


def whole(events: list[Event]) -> dict[str, Any]:
    """The whole answer, the same as the one that the stream ends with."""
    body = SPOKEN.writer(CALL, request_id="r", created_s=7).whole(events)
    sdk.Response.model_validate_json(body)
    answer = dict(json.loads(body))
    assert frames(events)[-1]["response"] == answer
    return answer


def test_a_text_is_told_step_by_step() -> None:
    told = frames([STARTED, TextAdded("Hel"), TextAdded("lo"), *ended()])
    assert [event["type"] for event in told] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert told[0]["response"]["status"] == "in_progress"
    assert told[0]["response"]["output"] == []
    assert told[6]["text"] == "Hello"
    assert told[-1]["response"]["output"] == [told[-2]["item"]]


def test_a_whole_answer_repeats_its_request_and_counts_its_usage() -> None:
    answer = whole([STARTED, TextAdded("Hello"), *ended()])
    assert (answer["id"], answer["model"], answer["created_at"]) == ("resp_r", "claude-x", 1_790_000_000)
    assert answer["tools"] == json.loads(BODY)["tools"]
    assert (answer["temperature"], answer["top_p"], answer["store"]) == (0.5, 1.0, False)
    assert answer["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert (answer["metadata"], answer["service_tier"]) == ({}, "default")
    assert answer["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        (StopReason.END, "completed", None),
        (StopReason.STOP_SEQUENCE, "completed", None),
        (StopReason.TOOL_CALLS, "completed", None),
        (StopReason.REFUSAL, "completed", None),
        (StopReason.PAUSE, "completed", None),
        (StopReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (StopReason.CONTEXT_LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (StopReason.CONTENT_FILTER, "incomplete", {"reason": "content_filter"}),
    ],
)
def test_an_answer_says_whether_it_is_complete(reason: StopReason, status: str, details: dict[str, str] | None) -> None:
    answer = whole([STARTED, TextAdded("Hello"), *ended(reason)])
    assert (answer["status"], answer["incomplete_details"]) == (status, details)
    assert answer["output"][0]["status"] == status
    assert frames([STARTED, *ended(reason)])[-1]["type"] == f"response.{status}"


def test_thinking_text_and_calls_are_items_in_their_order() -> None:
    answer = whole(
        [
            STARTED,
            ThinkingAdded("I thi", 0),
            ThinkingAdded("nk", 0),
            ThinkingSigned("ErU=", 0, by="anthropic-messages"),
            ThinkingRedacted("EmQ=", 1, by="anthropic-messages"),
            TextAdded("Let me", 2),
            TextAdded(" see", 3),
            ThinkingSigned("CiQB", 4, by="gemini"),
            ToolCallStarted(0, "a", "f", 5),
            ToolArgumentsAdded(0, "{}", 5),
            *ended(StopReason.TOOL_CALLS),
        ]
    )
    thought, hidden, message, signature, call = answer["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "I think"}]
    assert thought["encrypted_content"] == "anthropic-messages#ErU="
    assert (hidden["summary"], hidden["encrypted_content"]) == ([], "anthropic-messages#redacted:EmQ=")
    assert [part["text"] for part in message["content"]] == ["Let me", " see"]
    assert (signature["summary"], signature["encrypted_content"]) == ([], "gemini#CiQB")
    assert (call["call_id"], call["name"], call["arguments"]) == ("a", "f", "{}")
    assert len({item["id"] for item in answer["output"]}) == 5


def test_what_was_written_is_read_again_with_its_makers() -> None:
    events: list[Event] = [
        STARTED,
        ThinkingAdded("I think", 0),
        ThinkingSigned("ErU=", 0, by="anthropic-messages"),
        ThinkingRedacted("EmQ=", 1, by="anthropic-messages"),
        ThinkingSigned("CiQB", 2, by="gemini"),
        ThinkingRedacted("rs_1:gA==", 3, by="openai-responses"),
        ToolCallStarted(0, "a", "f", 4),
        ToolArgumentsAdded(0, "{}", 4),
        *ended(StopReason.TOOL_CALLS),
    ]
    output = whole(events)["output"]
    parts = SPOKEN.read(json.dumps({"model": "m", "input": output}).encode()).canonical().messages[0].parts
    by = [getattr(part, "signed_by", getattr(part, "encrypted_by", None)) for part in parts]
    assert by == ["anthropic-messages", "anthropic-messages", "gemini", "openai-responses", None]
    assert [getattr(part, "signature", getattr(part, "data", None)) for part in parts[:3]] == ["ErU=", "EmQ=", "CiQB"]
    assert [type(part).__name__ for part in parts[:2]] == ["Thinking", "RedactedThinking"]
    assert parts[3].data.endswith(":gA==")


def test_calls_whose_arguments_come_in_turns_stay_apart() -> None:
    events: list[Event] = [
        STARTED,
        TextAdded("Both", 0),
        ToolCallStarted(0, "a", "f", 1),
        ToolCallStarted(1, "b", "g", 2),
        ToolArgumentsAdded(1, '{"x"', 2),
        ToolArgumentsAdded(0, '{"y"', 1),
        ToolArgumentsAdded(1, ":1}", 2),
        ToolArgumentsAdded(0, ":2}", 1),
        *ended(StopReason.TOOL_CALLS),
    ]
    answer = whole(events)
    assert [item.get("arguments") for item in answer["output"]] == [None, '{"y":2}', '{"x":1}']
    done = [event for event in frames(events) if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in done] == [0, 1, 2]


def test_a_refusal_is_a_part_of_the_message() -> None:
    answer = whole([STARTED, TextAdded("Well", 0), RefusalAdded("I ca", 1), RefusalAdded("n't", 1), *ended()])
    assert answer["output"][0]["content"][1] == {"type": "refusal", "refusal": "I can't"}


def test_citations_of_pages_are_annotations_and_others_an_extension() -> None:
    page = Raw(b'{"type":"web_search_result_location","url":"https://a.example","encrypted_index":"E"}')
    own = Raw(b'{"type":"url_citation","url":"https://b.example","title":"B","start_index":0,"end_index":2}')
    place = Raw(b'{"type":"char_location","cited_text":"abc","document_index":0}')
    anthropic = "anthropic-messages"
    events: list[Event] = [
        STARTED,
        CitationAdded(anthropic, page, 0, cited=Cited("https://a.example", "A")),
        TextAdded("Hello", 0),
        CitationAdded(anthropic, page, 0, cited=Cited("https://a.example", None, None, 1, 3)),
        CitationAdded("openai-responses", own, 0),
        CitationAdded(anthropic, place, 0, cited=Cited(text="abc")),
        *ended(),
    ]
    part = whole(events)["output"][0]["content"][0]
    url = {"type": "url_citation", "url": "https://a.example"}
    assert part["annotations"] == [
        url | {"title": "A", "start_index": 0, "end_index": 5},
        url | {"title": "", "start_index": 1, "end_index": 3},
        json.loads(bytes(own)),
    ]
    assert part["citations"] == [json.loads(bytes(place))]
    told = [event for event in frames(events) if event["type"].endswith("annotation.added")]
    assert [(event["annotation_index"], event["annotation"]) for event in told] == list(enumerate(part["annotations"]))


def test_logprobs_come_with_the_text() -> None:
    logprobs = [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]
    raw = Raw(json.dumps({"content": logprobs, "refusal": None}).encode())
    events: list[Event] = [STARTED, TextAdded("Hi"), LogprobsAdded(raw), TextAdded("Hi"), LogprobsAdded(raw), *ended()]
    assert whole(events)["output"][0]["content"][0]["logprobs"] == logprobs * 2
    deltas = [event for event in frames(events) if event["type"] == "response.output_text.delta"]
    assert [(event["delta"], len(event["logprobs"])) for event in deltas] == [("Hi", 0), ("", 1), ("Hi", 0), ("", 1)]


def test_logprobs_that_come_before_the_text_are_kept() -> None:
    raw = Raw(b'{"content":[{"token":"Hi","logprob":-0.1,"bytes":[72],"top_logprobs":[]}]}')
    answer = whole([STARTED, LogprobsAdded(raw), TextAdded("Hi"), *ended()])
    assert len(answer["output"][0]["content"][0]["logprobs"]) == 1


def test_what_only_its_own_dialect_can_say_is_an_item_or_an_extension() -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}
    answer = whole(
        [
            STARTED,
            OpaqueAdded("openai-responses", "web_search_call", Raw(json.dumps(search).encode()), 0),
            OpaqueAdded("anthropic-messages", "server_tool_use", Raw(b'{"type":"server_tool_use"}'), 1),
            TextAdded("Found", 2),
            *ended(),
        ]
    )
    assert answer["output"][0] == search
    assert len(answer["output"]) == 2
    block = {"dialect": "anthropic-messages", "kind": "server_tool_use", "block": {"type": "server_tool_use"}}
    assert answer["opaque_blocks"] == [block]


def test_media_that_a_model_made_is_there() -> None:
    answer = whole(
        [STARTED, MediaAdded("image/png", "AA=="), MediaAdded("audio/wav", "BB==", transcript="hi", part=1), *ended()]
    )
    image = answer["output"][0]
    assert (image["type"], image["result"], image["output_format"]) == ("image_generation_call", "AA==", "png")
    assert answer["opaque_blocks"][0]["block"]["data"] == "BB=="


def test_an_answer_without_content_is_one_all_the_same() -> None:
    assert whole([STARTED, *ended()])["output"] == []


def test_a_passed_answer_is_written_as_it_came() -> None:
    writer = SPOKEN.writer(CALL, request_id="r", created_s=7)
    passed: list[Event] = [Passed(b"event: a\n\n", 1), ChoiceEnded(StopReason.END), USAGE]
    assert writer.write(passed) == b"event: a\n\n"
    assert writer.finish(Finished(b"event: b\n\n")) == b"event: b\n\n"
    assert SPOKEN.writer(CALL, request_id="r", created_s=7).whole([Passed(b"{}"), *ended()]) == b"{}"
    assert (writer.whole_type, writer.comment("x")) == ("application/json", b": x\n\n")


# ---- as the official SDK understands it


class Place(pydantic.BaseModel):
    city: str


EVENTS: list[Event] = [
    STARTED,
    ThinkingAdded("hm", 0),
    ThinkingSigned("ErU=", 0, by="anthropic-messages"),
    TextAdded('{"city":', 1),
    TextAdded('"Paris"}', 1),
    ToolCallStarted(0, "a", "f", 2),
    ToolArgumentsAdded(0, '{"x":1}', 2),
    *ended(StopReason.TOOL_CALLS),
]


@pytest.fixture(name="client")
def _client() -> Iterator[openai.OpenAI]:
    """The SDK, at a server that answers with what was written: whole, as a stream, or for the model `broken` cut off by a fault."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            incoming = SPOKEN.read(body)
            writer = SPOKEN.writer(incoming, request_id="r", created_s=7)
            if not incoming.stream:
                answer = writer.whole(EVENTS)
            elif incoming.model == "broken":
                fault = Fault(FaultKind.PROVIDER_ERROR, "The provider broke off.")
                answer = writer.write(EVENTS[:4]) + SPOKEN.error_frame(fault, request_id="r")
            else:
                answer = writer.write(EVENTS[:-1]) + writer.comment("cost") + writer.finish(EVENTS[-1])
            self.send_response(200)
            self.send_header("content-type", writer.stream_type if incoming.stream else writer.whole_type)  # type: ignore[arg-type]
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        with openai.OpenAI(api_key="k", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0) as client:
            yield client
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_official_sdk_reads_a_whole_answer(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="m", input="x")
    assert answer.output_text == '{"city":"Paris"}'
    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call"]
    parsed = client.responses.parse(model="m", input="x", text_format=Place)
    assert parsed.output_parsed == Place(city="Paris")


def test_the_official_sdk_reads_a_stream(client: openai.OpenAI) -> None:
    told = list(client.responses.create(model="m", input="x", stream=True))
    assert told[-1].type == "response.completed"
    with client.responses.stream(model="m", input="x", text_format=Place) as stream:
        seen = [event.type for event in stream]
        final = stream.get_final_response()
    assert seen == [event.type for event in told]
    assert final.output_parsed == Place(city="Paris")
    assert final.usage is not None
    assert final.usage.total_tokens == 15


def test_the_official_sdk_raises_on_a_stream_that_broke(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="broke off"):
        list(client.responses.create(model="broken", input="x", stream=True))


def test_an_error_event_is_the_dialects_own() -> None:
    frame = SPOKEN.error_frame(Fault(FaultKind.RATE_LIMITED, "Slow.", param="input"), request_id="r")
    event = json.loads(frame.partition(b"\ndata: ")[2])
    assert isinstance(STREAM_EVENT.validate_python(event), sdk.ResponseErrorEvent)
    assert (event["code"], event["param"], event["error"]["type"]) == ("RATE_LIMITED", "input", "rate_limit_error")
