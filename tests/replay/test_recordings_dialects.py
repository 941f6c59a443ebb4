"""Every recorded exchange with OpenAI and Anthropic goes through the dialects: read, rewritten, decoded, passed, translated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anthropic.types as anthropic_types
import msgspec
import openai.types.chat as openai_types
import pytest
from pydantic import TypeAdapter

from onevault.core.codec import Incoming
from onevault.core.events import Event, Finished, OpaqueAdded, Passed, UsageReported
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Dialect, Operation
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

FOLDER = Path(os.environ.get("ONEVAULT_RECORDINGS", Path(__file__).parents[3] / "shared" / "recorded"))
DIALECTS = {
    "/chat/completions": "openai-chat",
    "/embeddings": "openai-embeddings",
    "/messages": "anthropic-messages",
    "/messages/count_tokens": "anthropic-count-tokens",
}
OPENAI_CALL = INGRESS["openai-chat"].read(
    b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}'
)
ANTHROPIC_CALL = INGRESS["anthropic-messages"].read(
    b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}'
)
ANTHROPIC_EVENT: TypeAdapter[Any] = TypeAdapter(anthropic_types.RawMessageStreamEvent)

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no recordings here")


class Exchange(NamedTuple):
    name: str
    dialect: Dialect
    request: bytes
    status: int
    headers: dict[str, str]
    answer: bytes

    @property
    def stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")


def exchanges() -> Iterator[Exchange]:
    for name in ("openai", "anthropic"):
        path = FOLDER / f"{name}.jsonl"
        if not path.exists():
            continue
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                record = json.loads(line)
                route = record["path"].partition("?")[0]
                dialect = next((d for end, d in DIALECTS.items() if route == f"/v1{end}"), None)
                if dialect is not None and "text" in record["request"] and "text" in record["response"]:
                    yield Exchange(
                        f"{name}-{number}",
                        dialect,
                        record["request"]["text"].encode(),
                        record["status"],
                        record["response_headers"],
                        record["response"]["text"].encode(),
                    )


ALL = list(exchanges()) if FOLDER.is_dir() else []
ANSWERED = [exchange for exchange in ALL if exchange.status == 200]
CHATS = [e for e in ANSWERED if e.dialect in ("openai-chat", "anthropic-messages")]


def decoded(exchange: Exchange, *, passing: Incoming | None, step: int = 0) -> list[Event]:
    decoder = CODECS[exchange.dialect].decoder(stream=exchange.stream, passing=passing)
    body = exchange.answer
    step = step or len(body)
    events = [event for at in range(0, len(body), step) for event in decoder.feed(body[at : at + step])]
    return [*events, *decoder.close()]


def last_usage(events: list[Event]) -> Usage | None:
    return next((event.usage for event in reversed(events) if isinstance(event, UsageReported)), None)


def test_there_are_recordings_of_every_dialect() -> None:
    assert {exchange.dialect for exchange in ALL} == set(DIALECTS.values())
    assert len(CHATS) > 900


def test_every_request_is_read_and_passed_on_as_it_was() -> None:
    for exchange in ALL:
        incoming = INGRESS[exchange.dialect].read(exchange.request)
        sent = json.loads(incoming.rewritten("another-model", output_tokens_max=None).body)
        came = json.loads(exchange.request)
        assert incoming.model == came["model"], exchange.name
        assert sent.pop("model") == "another-model"
        del came["model"]
        if incoming.operation is Operation.CHAT and incoming.dialect == "openai-chat" and incoming.stream:
            assert sent["stream_options"].pop("include_usage") is True
            came.setdefault("stream_options", {}).pop("include_usage", None)
        assert sent == came, exchange.name


def test_no_input_was_larger_than_its_bound() -> None:
    checked = 0
    for exchange in ANSWERED:
        incoming = INGRESS[exchange.dialect].read(exchange.request)
        usage = last_usage(decoded(exchange, passing=incoming))
        if usage is not None and b"web_search" not in exchange.request and b"server_tool_use" not in exchange.answer:
            checked += 1
            assert usage.input_tokens <= incoming.size.tokens_at_most, exchange.name
    assert checked > 700


@pytest.mark.parametrize("step", [0, 1021, 17])
def test_every_answer_passes_byte_for_byte(step: int) -> None:
    for exchange in ANSWERED:
        incoming = INGRESS[exchange.dialect].read(exchange.request)
        events = decoded(exchange, passing=incoming, step=step)
        writer = INGRESS[exchange.dialect].writer(incoming, request_id="r", created_s=0)
        finished = [event for event in events if isinstance(event, Finished)]
        assert len(finished) == 1, exchange.name
        assert events[-1] is finished[0]
        passed = writer.write(events[:-1]) + writer.finish(finished[0]) if exchange.stream else writer.whole(events)
        assert passed == exchange.answer, exchange.name
        assert (last_usage(events) is None) == (b'"usage"' not in exchange.answer and b"input_tokens" not in passed)


def test_the_usage_chunk_is_kept_from_those_who_did_not_ask() -> None:
    silent = INGRESS["openai-chat"].read(b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}')
    kept = 0
    for exchange in CHATS:
        if exchange.stream and exchange.dialect == "openai-chat":
            events = decoded(exchange, passing=silent)
            passed = b"".join(event.raw for event in events if isinstance(event, Passed | Finished))
            missing = [part for part in exchange.answer.split(b"\n\n") if part not in passed]
            assert all(b'"choices":[]' in part and b'"usage":{' in part for part in missing), exchange.name
            kept += len(missing)
    assert kept > 50


def test_passing_and_translating_count_the_same_usage_and_ends() -> None:
    for exchange in CHATS:
        incoming = INGRESS[exchange.dialect].read(exchange.request)
        passed, canonical = decoded(exchange, passing=incoming), decoded(exchange, passing=None)
        assert last_usage(passed) == last_usage(canonical), exchange.name


def test_any_split_gives_the_same_canonical_events() -> None:
    for exchange in CHATS:
        assert plain(decoded(exchange, passing=None, step=13)) == plain(decoded(exchange, passing=None)), exchange.name


def plain(events: list[Event]) -> list[tuple[str, bytes]]:
    return [(type(event).__name__, msgspec.json.encode(event)) for event in events]


def test_answers_of_anthropic_are_valid_for_the_sdk_of_openai() -> None:
    for exchange in CHATS:
        if exchange.dialect != "anthropic-messages":
            continue
        events = decoded(exchange, passing=None)
        ingress = INGRESS["openai-chat"]
        whole = ingress.writer(OPENAI_CALL, request_id="r", created_s=1).whole(events)
        completion = openai_types.ChatCompletion.model_validate_json(whole)
        writer = ingress.writer(OPENAI_CALL, request_id="r", created_s=1)
        stream = writer.write(events[:-1]) + writer.finish(events[-1])
        assert stream.endswith(b"data: [DONE]\n\n")
        chunks = [
            openai_types.ChatCompletionChunk.model_validate_json(frame.removeprefix(b"data: "))
            for frame in stream.split(b"\n\n")[:-2]
        ]
        message = completion.choices[0].message
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        assert "".join(delta.content or "" for delta in deltas) == (message.content or ""), exchange.name
        called = [call for delta in deltas for call in delta.tool_calls or () if call.id]
        assert [call.id for call in called] == [call.id for call in message.tool_calls or ()], exchange.name
        assert completion.usage == chunks[-1].usage
        assert completion.usage is not None


def test_answers_of_openai_are_valid_for_the_sdk_of_anthropic() -> None:
    for exchange in CHATS:
        if exchange.dialect != "openai-chat" or b'"n":' in exchange.request:
            continue
        events = decoded(exchange, passing=None)
        ingress = INGRESS["anthropic-messages"]
        whole = ingress.writer(ANTHROPIC_CALL, request_id="r", created_s=1).whole(events)
        message = anthropic_types.Message.model_validate_json(whole)
        writer = ingress.writer(ANTHROPIC_CALL, request_id="r", created_s=1)
        stream = writer.write(events[:-1]) + writer.finish(events[-1])
        frames = [
            ANTHROPIC_EVENT.validate_json(frame.partition(b"\ndata: ")[2]) for frame in stream.split(b"\n\n") if frame
        ]
        assert [frame.type for frame in frames[:1] + frames[-2:]] == ["message_start", "message_delta", "message_stop"]
        assert accumulated(frames) == [block.model_dump(exclude_none=True) for block in message.content], exchange.name
        assert frames[-2].usage.output_tokens == message.usage.output_tokens


def accumulated(frames: list[Any]) -> list[dict[str, Any]]:
    """What a client of Anthropic's makes of the events, checking that one block is open at a time."""
    blocks: list[dict[str, Any]] = []
    arguments: dict[int, str] = {}
    open_block: int | None = None
    for frame in frames:
        if frame.type == "content_block_start":
            assert open_block is None
            assert frame.index == len(blocks)
            open_block = frame.index
            blocks.append(frame.content_block.model_dump(exclude_none=True))
        elif frame.type == "content_block_delta":
            assert frame.index == open_block
            delta, block = frame.delta, blocks[frame.index]
            if delta.type == "text_delta":
                block["text"] += delta.text
            elif delta.type == "thinking_delta":
                block["thinking"] += delta.thinking
            elif delta.type == "signature_delta":
                block["signature"] = delta.signature
            elif delta.type == "citations_delta":
                block.setdefault("citations", []).append(delta.citation.model_dump(exclude_none=True))
            elif delta.type == "input_json_delta":
                arguments[frame.index] = arguments.get(frame.index, "") + delta.partial_json
        elif frame.type == "content_block_stop":
            assert frame.index == open_block
            open_block = None
    assert open_block is None
    for index, text in arguments.items():
        blocks[index]["input"] = json.loads(text)
    return blocks


def test_requests_go_to_the_other_dialect_or_name_what_cannot() -> None:
    other = {"openai-chat": "anthropic-messages", "anthropic-messages": "openai-chat"}
    translated: dict[Dialect, int] = {}
    refusals: list[Fault] = []
    for exchange in ALL:
        if exchange.dialect not in other:
            continue
        to = other[exchange.dialect]
        try:
            request = INGRESS[exchange.dialect].read(exchange.request).canonical()
            wire = CODECS[to].encode(request, output_tokens_max=1000)
        except Fault as fault:
            refusals.append(fault)
            continue
        INGRESS[to].read(wire.body)
        assert wire == CODECS[to].encode(request, output_tokens_max=1000)
        translated[exchange.dialect] = translated.get(exchange.dialect, 0) + 1
    assert {fault.kind for fault in refusals} <= {FaultKind.UNSUPPORTED_PARAMETER, FaultKind.INVALID_REQUEST}
    assert all(fault.param for fault in refusals)
    assert translated["openai-chat"] > 200
    assert translated["anthropic-messages"] > 500


def test_every_refusal_is_a_fault_with_the_provider_status_and_without_its_words() -> None:
    refusals = [exchange for exchange in ALL if exchange.status != 200]
    assert len(refusals) > 20
    for exchange in refusals:
        fault = CODECS[exchange.dialect].fault(exchange.status, exchange.headers, exchange.answer)
        said = json.loads(exchange.answer)["error"]["message"]
        assert fault.provider_status == exchange.status
        assert said[:30] in fault.provider_text.replace('\\"', '"')
        assert said[:30] not in fault.message
        expected = {
            401: FaultKind.PROVIDER_ERROR,
            404: FaultKind.MODEL_NOT_FOUND,
        }.get(exchange.status)
        if expected is not None:
            assert fault.kind is expected, exchange.name
        else:
            assert fault.kind in (FaultKind.INVALID_REQUEST, FaultKind.UNSUPPORTED_PARAMETER), exchange.name


def test_only_server_tools_make_blocks_that_another_dialect_cannot_say() -> None:
    kinds = {
        event.kind for exchange in CHATS for event in decoded(exchange, passing=None) if isinstance(event, OpaqueAdded)
    }
    assert kinds
    assert not kinds & {"text", "thinking", "redacted_thinking", "tool_use"}
