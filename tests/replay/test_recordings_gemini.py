"""Every recorded exchange with the Gemini API and Vertex AI goes through the dialects: read, rewritten, decoded, passed, translated."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anthropic.types as anthropic_types
import msgspec
import openai.types.chat as openai_types
import pytest
from google.genai import types as genai_types

from onevault.core.codec import Incoming, RequestLine
from onevault.core.events import (
    ChoiceEnded,
    CitationAdded,
    EmbeddingsMade,
    Event,
    Finished,
    Passed,
    StopReason,
    TextAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Dialect
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

FOLDER = Path(os.environ.get("ONEVAULT_RECORDINGS", Path(__file__).parents[3] / "shared" / "recorded"))
DIALECTS = {
    "generateContent": "gemini",
    "streamGenerateContent": "gemini",
    "countTokens": "gemini-count-tokens",
    "embedContent": "gemini-embeddings",
    "batchEmbedContents": "gemini-embeddings",
    "predict": "vertex-embeddings",
}
ROUTE = re.compile(r"^(?P<before>.*)/models/(?P<model>[^/:?]+):(?P<verb>[A-Za-z]+)(?:\?.*)?$")
CALLS = {
    "openai-chat": b'{"model":"m","stream":true,"stream_options":{"include_usage":true},'
    b'"messages":[{"role":"user","content":"x"}]}',
    "anthropic-messages": b'{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}',
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no recordings here")


class Exchange(NamedTuple):
    name: str
    dialect: Dialect
    model: str
    verb: str
    request: bytes
    status: int
    headers: dict[str, str]
    answer: bytes

    @property
    def stream(self) -> bool:
        return self.verb == "streamGenerateContent"

    @property
    def line(self) -> RequestLine:
        query = {"alt": "sse"} if self.stream else {}
        return RequestLine(f"/v1beta/models/{self.model}:{self.verb}", query)

    def read(self, *, array: bool = False) -> Incoming:
        line = RequestLine(self.line.path) if array else self.line
        return INGRESS[self.dialect].read(self.request, line)

    @property
    def bodies(self) -> list[Any]:
        """The answer's objects, as an independent reader sees them."""
        if not self.stream:
            return [json.loads(self.answer)]
        frames = re.split(r"\r?\n\r?\n", self.answer.decode())
        return [json.loads(frame[5:]) for frame in frames if frame.startswith("data:")]


def exchanges() -> Iterator[Exchange]:
    for name in ("gemini", "vertex"):
        path = FOLDER / f"{name}.jsonl"
        if not path.exists():
            continue
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                record = json.loads(line)
                route = ROUTE.match(record["path"])
                if route is not None and "text" in record["request"] and "text" in record["response"]:
                    yield Exchange(
                        f"{name}-{number}",
                        DIALECTS[route["verb"]],
                        route["model"],
                        route["verb"],
                        record["request"]["text"].encode(),
                        record["status"],
                        record["response_headers"],
                        record["response"]["text"].encode(),
                    )


ALL = list(exchanges()) if FOLDER.is_dir() else []
ANSWERED = [exchange for exchange in ALL if exchange.status == 200]
CHATS = [exchange for exchange in ANSWERED if exchange.dialect == "gemini"]
BLOCKED = [exchange for exchange in CHATS if b"blockReason" in exchange.answer]
READ = [exchange for exchange in ALL if exchange.verb != "predict"]


def decoded(exchange: Exchange, *, passing: Incoming | None, step: int = 0) -> list[Event]:
    decoder = CODECS[exchange.dialect].decoder(stream=exchange.stream, passing=passing)
    body = exchange.answer
    step = step or len(body)
    events = [event for at in range(0, len(body), step) for event in decoder.feed(body[at : at + step])]
    return [*events, *decoder.close()]


def last_usage(events: list[Event]) -> Usage | None:
    return next((event.usage for event in reversed(events) if isinstance(event, UsageReported)), None)


def plain(events: list[Event]) -> list[tuple[str, bytes]]:
    return [(type(event).__name__, msgspec.json.encode(event)) for event in events]


def test_there_are_recordings_of_every_verb() -> None:
    assert {exchange.verb for exchange in ALL} == set(DIALECTS)
    assert len(CHATS) > 600
    assert len([exchange for exchange in CHATS if exchange.stream]) > 70


def test_every_request_is_read_and_passed_on_as_it_was() -> None:
    for exchange in READ:
        incoming = exchange.read()
        assert incoming.model == exchange.model
        assert incoming.stream == exchange.stream
        wire = incoming.rewritten(exchange.model, output_tokens_max=None)
        assert wire.path.partition("?")[0] == f"/models/{exchange.model}:{exchange.verb}"
        assert json.loads(wire.body) == json.loads(exchange.request), exchange.name
        if exchange.dialect == "gemini":
            assert wire.body == exchange.request, exchange.name


def test_a_limit_is_added_to_the_callers_own_configuration() -> None:
    for exchange in READ:
        if exchange.dialect == "gemini":
            sent = json.loads(exchange.read().rewritten("other", output_tokens_max=7).body)
            came = json.loads(exchange.request)
            config = sent.pop("generationConfig")
            assert config.pop("maxOutputTokens") == 7
            expected = came.pop("generationConfig", {})
            expected.pop("maxOutputTokens", None)
            assert (config, sent) == (expected, came), exchange.name


def test_no_input_was_larger_than_its_bound() -> None:
    checked = 0
    for exchange in CHATS:
        usage = last_usage(decoded(exchange, passing=exchange.read()))
        assert usage is not None, exchange.name
        checked += 1
        assert usage.input_tokens <= exchange.read().size.tokens_at_most, exchange.name
        assert usage.searches <= max(exchange.read().size.searches_at_most, 0), exchange.name
    assert checked > 600


@pytest.mark.parametrize("step", [0, 1021, 17])
def test_every_answer_passes_byte_for_byte(step: int) -> None:
    for exchange in ANSWERED:
        if exchange.verb == "predict":
            continue
        incoming = exchange.read()
        events = decoded(exchange, passing=incoming, step=step)
        writer = INGRESS[exchange.dialect].writer(incoming, request_id="r", created_s=0)
        finished = [event for event in events if isinstance(event, Finished)]
        assert finished == [events[-1]], exchange.name
        passed = writer.write(events[:-1]) + writer.finish(finished[0]) if exchange.stream else writer.whole(events)
        assert passed == exchange.answer, exchange.name


@pytest.mark.parametrize("step", [0, 19])
def test_a_stream_passes_as_an_array_of_the_same_objects(step: int) -> None:
    for exchange in CHATS:
        if exchange.stream:
            incoming = exchange.read(array=True)
            events = decoded(exchange, passing=incoming, step=step)
            writer = INGRESS["gemini"].writer(incoming, request_id="r", created_s=0)
            pieces = b"".join(writer.write([event]) + writer.comment("still here") for event in events[:-1])
            assert json.loads(pieces + writer.finish(events[-1])) == exchange.bodies, exchange.name


def test_usage_is_what_the_body_says() -> None:
    for exchange in CHATS:
        said = exchange.bodies[-1].get("usageMetadata", {})
        for passing in (exchange.read(), None):
            if passing is None and exchange in BLOCKED:
                continue
            usage = last_usage(decoded(exchange, passing=passing))
            assert usage is not None, exchange.name
            assert usage.total_tokens == said.get("totalTokenCount", 0), exchange.name
            assert usage.reasoning_tokens == said.get("thoughtsTokenCount", 0)
            assert usage.cache_read_tokens == said.get("cachedContentTokenCount", 0)
            assert usage.output_tokens == said.get("candidatesTokenCount", 0) + usage.reasoning_tokens
            modalities = {entry["modality"]: entry["tokenCount"] for entry in said.get("promptTokensDetails", ())}
            assert usage.input_image_tokens == modalities.get("IMAGE", 0)
            assert usage.input_audio_tokens == modalities.get("AUDIO", 0)
            assert usage.tier == ("flex" if said.get("trafficType") == "ON_DEMAND_FLEX" else "")


def test_any_split_gives_the_same_events() -> None:
    for exchange in CHATS:
        if exchange not in BLOCKED:
            assert plain(decoded(exchange, passing=None, step=13)) == plain(decoded(exchange, passing=None)), (
                exchange.name
            )


def test_a_blocked_prompt_is_a_safety_violation_and_passes_to_its_own_dialect() -> None:
    assert BLOCKED
    for exchange in BLOCKED:
        with pytest.raises(Fault) as fault:
            decoded(exchange, passing=None)
        assert fault.value.kind is FaultKind.SAFETY_VIOLATION
        ends = [event for event in decoded(exchange, passing=exchange.read()) if isinstance(event, ChoiceEnded)]
        assert [end.reason for end in ends] == [StopReason.CONTENT_FILTER]


def test_every_text_and_call_of_an_answer_is_an_event() -> None:
    for exchange in CHATS:
        if exchange in BLOCKED:
            continue
        events = decoded(exchange, passing=None)
        said = [
            part
            for body in exchange.bodies
            for candidate in body.get("candidates", ())
            for part in candidate.get("content", {}).get("parts", ())
        ]
        texts = "".join(part["text"] for part in said if "text" in part and not part.get("thought"))
        assert "".join(event.text for event in events if isinstance(event, TextAdded)) == texts
        calls = [part["functionCall"]["name"] for part in said if "functionCall" in part]
        started = [event for event in events if isinstance(event, ToolCallStarted)]
        assert [event.name for event in started] == calls
        assert len({event.id for event in started}) == len(calls)


def test_a_citation_spans_the_text_that_it_is_about() -> None:
    placed = 0
    for exchange in CHATS:
        if exchange in BLOCKED:
            continue
        events = decoded(exchange, passing=None)
        texts: dict[int, str] = {}
        for event in events:
            if isinstance(event, TextAdded):
                texts[event.part] = texts.get(event.part, "") + event.text
        for event in events:
            if isinstance(event, CitationAdded) and event.cited is not None and event.cited.text:
                placed += 1
                text = texts[event.part][event.cited.start : event.cited.end]
                assert text == event.cited.text, exchange.name
    assert placed > 50


def test_answers_are_valid_for_the_sdk_of_openai() -> None:
    for exchange in CHATS:
        if exchange in BLOCKED:
            continue
        events = decoded(exchange, passing=None)
        ingress = INGRESS["openai-chat"]
        call = ingress.read(CALLS["openai-chat"])
        whole = ingress.writer(call, request_id="r", created_s=1).whole(events)
        completion = openai_types.ChatCompletion.model_validate_json(whole)
        writer = ingress.writer(call, request_id="r", created_s=1)
        stream = b"".join(writer.write([event]) for event in events[:-1]) + writer.finish(events[-1])
        chunks = [
            openai_types.ChatCompletionChunk.model_validate_json(frame.removeprefix(b"data: "))
            for frame in stream.split(b"\n\n")[:-2]
        ]
        message = completion.choices[0].message
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        assert "".join(delta.content or "" for delta in deltas) == (message.content or ""), exchange.name
        called = [call for delta in deltas for call in delta.tool_calls or () if call.id]
        assert [call.id for call in called] == [call.id for call in message.tool_calls or ()], exchange.name
        assert completion.usage is not None
        assert completion.usage == chunks[-1].usage


def test_answers_are_valid_for_the_sdk_of_anthropic() -> None:
    for exchange in CHATS:
        if exchange in BLOCKED:
            continue
        events = decoded(exchange, passing=None)
        ingress = INGRESS["anthropic-messages"]
        call = ingress.read(CALLS["anthropic-messages"])
        whole = json.loads(ingress.writer(call, request_id="r", created_s=1).whole(events))
        # Blocks that only Google can say go along as the gateway's extension.
        whole["content"] = [block for block in whole["content"] if "type" in block and block["type"] in KNOWN]
        message = anthropic_types.Message.model_validate(whole)
        texts = "".join(block.text for block in message.content if block.type == "text")
        assert texts == "".join(event.text for event in events if isinstance(event, TextAdded)), exchange.name
        called = [block.name for block in message.content if block.type == "tool_use"]
        assert called == [event.name for event in events if isinstance(event, ToolCallStarted)]


KNOWN = {"text", "thinking", "redacted_thinking", "tool_use"}


@pytest.mark.parametrize("form", ["whole", "events", "array"])
def test_answers_of_other_providers_are_valid_for_googles_sdk(form: str) -> None:
    """What other dialects' decoders give is written for callers of this one; the SDK's own types judge."""
    line = RequestLine(
        "/v1beta/models/m:generateContent" if form == "whole" else "/v1beta/models/m:streamGenerateContent",
        {"alt": "sse"} if form == "events" else {},
    )
    call = INGRESS["gemini"].read(b'{"contents":[{"parts":[{"text":"x"}]}]}', line)
    written = 0
    for name, ending, dialect in (
        ("openai", "/v1/chat/completions", "openai-chat"),
        ("anthropic", "/v1/messages", "anthropic-messages"),
    ):
        for record in recorded(name, ending):
            stream = record["response_headers"].get("content-type", "").startswith("text/event-stream")
            decoder = CODECS[dialect].decoder(stream=stream, passing=None)
            events = [*decoder.feed(record["response"]["text"].encode()), *decoder.close()]
            writer = INGRESS["gemini"].writer(call, request_id="r", created_s=1)
            bodies: list[Any]
            if form == "whole":
                bodies = [json.loads(writer.whole(events))]
            else:
                raw = b"".join(writer.write([event]) for event in events[:-1]) + writer.finish(events[-1])
                if form == "array":
                    bodies = json.loads(raw)
                else:
                    bodies = [json.loads(frame.removeprefix(b"data: ")) for frame in raw.split(b"\r\n\r\n")[:-1]]
            parsed = [genai_types.GenerateContentResponse.model_validate(body) for body in bodies]
            texts = "".join(
                part.text or ""
                for answer in parsed
                for part in parts_of(answer)
                if not part.thought and part.text is not None
            )
            said = [event for event in events if isinstance(event, TextAdded) and event.choice == 0]
            if not any("refusal" in type(event).__name__.lower() for event in events):
                assert texts == "".join(event.text for event in said)
            called = [part.function_call for answer in parsed for part in parts_of(answer) if part.function_call]
            started = [event for event in events if isinstance(event, ToolCallStarted) and event.choice == 0]
            assert [call.name for call in called] == [event.name for event in started]
            assert parsed[-1].usage_metadata is not None
            usage = last_usage(events)
            if usage is not None:
                assert parsed[-1].usage_metadata.total_token_count == usage.total_tokens
            assert parsed[-1].candidates is not None
            assert all(candidate.finish_reason is not None for candidate in parsed[-1].candidates)
            written += 1
    assert written > 800


def parts_of(answer: genai_types.GenerateContentResponse) -> list[genai_types.Part]:
    candidates = answer.candidates or []
    first = next((candidate for candidate in candidates if not candidate.index), None)
    return list(first.content.parts or ()) if first is not None and first.content is not None else []


def recorded(name: str, ending: str) -> Iterator[Any]:
    with (FOLDER / f"{name}.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["status"] == 200 and record["path"].partition("?")[0] == ending and "text" in record["response"]:
                yield record


@pytest.mark.parametrize("to", ["openai-chat", "anthropic-messages"])
def test_requests_go_to_another_dialect_or_name_what_cannot(to: str) -> None:
    translated = 0
    refusals: list[Fault] = []
    for exchange in READ:
        if exchange.dialect == "gemini":
            try:
                wire = CODECS[to].encode(exchange.read().canonical(), output_tokens_max=1000)
            except Fault as fault:
                refusals.append(fault)
                continue
            INGRESS[to].read(wire.body)
            assert wire == CODECS[to].encode(exchange.read().canonical(), output_tokens_max=1000)
            translated += 1
    assert {fault.kind for fault in refusals} <= {FaultKind.UNSUPPORTED_PARAMETER, FaultKind.INVALID_REQUEST}
    assert all(fault.param for fault in refusals)
    assert translated > 480


def test_requests_of_its_own_come_back_in_the_same_meaning() -> None:
    """Through the canonical form and back: what Google would read is the same, but for what is spelled otherwise."""
    for exchange in READ:
        if exchange.dialect == "gemini":
            try:
                request = exchange.read().canonical()
                wire = CODECS["gemini"].encode(request, output_tokens_max=1000)
            except Fault:
                continue
            again = INGRESS["gemini"].read(wire.body, RequestLine(f"/v1beta{wire.path.partition('?')[0]}"))
            first, second = request, again.canonical()
            if b'"text":""' not in exchange.request and "thinking" not in wire.dropped:  # neither of which is sent
                assert first.messages == second.messages, exchange.name
            assert [bytes_of(tool) for tool in first.tools] == [bytes_of(tool) for tool in second.tools], exchange.name
            assert first.tool_choice == second.tool_choice or first.tool_choice is None


def bytes_of(tool: Any) -> bytes:
    return msgspec.json.encode(tool)


def test_every_refusal_is_a_fault_with_the_provider_status_and_without_its_words() -> None:
    refusals = [exchange for exchange in ALL if exchange.status != 200]
    assert len(refusals) >= 9
    for exchange in refusals:
        fault = CODECS[exchange.dialect].fault(exchange.status, exchange.headers, exchange.answer)
        said = json.loads(exchange.answer)["error"]["message"]
        assert fault.provider_status == exchange.status
        assert said[:30] in fault.provider_text
        assert said[:30] not in fault.message
        if exchange.status == 404:
            assert fault.kind is FaultKind.MODEL_NOT_FOUND
        elif b"API_KEY_INVALID" in exchange.answer:
            assert fault.kind is FaultKind.PROVIDER_ERROR
        else:
            assert fault.kind is FaultKind.INVALID_REQUEST


def test_embeddings_reach_callers_of_openai_and_of_google() -> None:
    made = [exchange for exchange in ANSWERED if exchange.dialect.endswith("-embeddings")]
    assert len(made) >= 15
    for exchange in made:
        events = decoded(exchange, passing=None)
        vectors = next(event.vectors for event in events if isinstance(event, EmbeddingsMade))
        asked = json.loads(exchange.request)
        assert len(vectors) == len(asked.get("requests") or asked.get("instances") or [asked])
        usage = last_usage(events)
        body = exchange.bodies[0]
        if "usageMetadata" in body:
            assert usage == Usage(input_tokens=body["usageMetadata"]["promptTokenCount"])
        elif exchange.verb == "predict":
            assert usage == Usage(input_tokens=4)
        else:
            assert usage is None
        if exchange.verb != "predict":
            writer = INGRESS["gemini-embeddings"].writer(exchange.read(), request_id="r", created_s=0)
            written = json.loads(writer.whole(events))
            for vector in written.get("embeddings") or [written["embedding"]]:
                genai_types.ContentEmbedding.model_validate(vector)
            assert {name: written[name] for name in written if name != "usageMetadata"} == {
                name: body[name] for name in body if name != "usageMetadata"
            }


def test_nothing_passed_lacks_its_output() -> None:
    """What a caller who hangs up pays for is counted from the bytes that carry text."""
    for exchange in CHATS:
        events = decoded(exchange, passing=exchange.read())
        counted = sum(event.output_bytes for event in events if isinstance(event, Passed))
        said = sum(
            len(part.get("text", "").encode())
            for body in exchange.bodies
            for candidate in body.get("candidates", ())
            for part in candidate.get("content", {}).get("parts", ())
        )
        assert counted >= said, exchange.name
