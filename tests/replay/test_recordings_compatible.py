"""Recorded answers of the servers that speak OpenAI's chat are valid in both SDKs after translation, and lose nothing on the way."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anthropic.types as anthropic_types
import openai.types.chat as openai_types
import pytest
from pydantic import TypeAdapter

from onevault.core.events import (
    Event,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import Fault
from onevault.dialects.registry import CODECS, INGRESS

FOLDER = Path(os.environ.get("ONEVAULT_RECORDINGS", Path(__file__).parents[3] / "shared" / "recorded"))
PROVIDERS = ("azure", "cerebras", "deepseek", "groq", "huggingface", "mistral", "ollama", "openrouter", "together")
CALLS = {
    "openai-chat": b'{"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}',
    "anthropic-messages": b'{"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}',
}
ANTHROPIC_EVENT: TypeAdapter[Any] = TypeAdapter(anthropic_types.RawMessageStreamEvent)

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no recordings here")


class Answer(NamedTuple):
    name: str
    provider: str
    stream: bool
    body: bytes
    events: list[Event]


def answers() -> Iterator[Answer]:
    codec = CODECS["openai-chat"]
    for provider in PROVIDERS:
        path = FOLDER / f"{provider}.jsonl"
        if not path.exists():
            continue
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                told = json.loads(line)
                route = told["path"].partition("?")[0].partition("#")[0]
                if told["status"] != 200 or not route.endswith("/chat/completions"):
                    continue
                stream = told["response_headers"].get("content-type", "").startswith("text/event-stream")
                body = told["response"]["text"].encode()
                decoder = codec.decoder(stream=stream, passing=None)
                try:
                    events = [*decoder.feed(body), *decoder.close()]
                except Fault:
                    assert b'"error"' in body, f"{provider}:{number}"
                    continue
                yield Answer(f"{provider}:{number}", provider, stream, body, events)


ALL = list(answers()) if FOLDER.is_dir() else []


def written(dialect: str, answer: Answer) -> tuple[bytes, list[bytes]]:
    incoming = INGRESS[dialect].read(CALLS[dialect])
    whole = INGRESS[dialect].writer(incoming, request_id="r", created_s=1).whole(answer.events)
    writer = INGRESS[dialect].writer(incoming, request_id="r", created_s=1)
    stream = writer.write(answer.events[:-1]) + writer.finish(answer.events[-1])
    data = [frame.partition(b"data: ")[2] for frame in stream.split(b"\n\n")]
    return whole, [document for document in data if document.startswith(b"{")]


def text_of(answer: Answer) -> str:
    return "".join(event.text for event in answer.events if isinstance(event, TextAdded | RefusalAdded))


def test_there_are_recordings_of_every_compatible_provider() -> None:
    assert set(Counter(answer.provider for answer in ALL)) == set(PROVIDERS)
    assert len(ALL) > 170


def test_answers_are_valid_for_the_sdk_of_openai() -> None:
    for answer in ALL:
        whole, chunks = written("openai-chat", answer)
        message = openai_types.ChatCompletion.model_validate_json(whole).choices[0].message
        assert (message.content or "") + (message.refusal or "") == text_of(answer), answer.name
        calls = [event.id for event in answer.events if isinstance(event, ToolCallStarted)]
        assert [call.id for call in message.tool_calls or ()] == calls, answer.name
        read = [openai_types.ChatCompletionChunk.model_validate_json(chunk) for chunk in chunks]
        indexes = [
            call.index
            for chunk in read
            for choice in chunk.choices
            for call in choice.delta.tool_calls or ()
            if call.id
        ]
        assert indexes == list(range(len(calls))), answer.name


def test_answers_are_valid_for_the_sdk_of_anthropic() -> None:
    for answer in ALL:
        whole, frames = written("anthropic-messages", answer)
        message = anthropic_types.Message.model_validate_json(whole)
        assert "".join(block.text for block in message.content if block.type == "text") == text_of(answer), answer.name
        called = [block.id for block in message.content if block.type == "tool_use"]
        assert called == [event.id for event in answer.events if isinstance(event, ToolCallStarted)], answer.name
        for frame in frames:
            ANTHROPIC_EVENT.validate_json(frame)


def test_usage_is_what_the_body_says() -> None:
    for answer in ALL:
        told = [event.usage for event in answer.events if isinstance(event, UsageReported)]
        documents = (
            [answer.body]
            if not answer.stream
            else [line[6:] for line in answer.body.splitlines() if line.startswith(b"data: {")]
        )
        said = None
        for document in map(json.loads, documents):
            said = document.get("usage") or (document.get("x_groq") or {}).get("usage") or said
        assert (said is None) == (not told), answer.name
        if said is not None:
            assert told[-1].input_tokens == said["prompt_tokens"], answer.name
            assert told[-1].total_tokens in (said["total_tokens"], said["prompt_tokens"] + said["completion_tokens"])


def test_signatures_that_a_router_passes_on_are_kept_with_their_makers() -> None:
    makers: Counter[str] = Counter()
    for answer in ALL:
        formats = [b'"signature":"', b"reasoning.encrypted"]
        kept = [event.by for event in answer.events if isinstance(event, ThinkingSigned | ThinkingRedacted)]
        assert bool(kept) == any(mark in answer.body for mark in formats), answer.name
        makers.update(kept)
    assert set(makers) >= {"anthropic-messages", "gemini", "openai-responses"}


def test_thinking_in_whatever_field_is_thinking() -> None:
    thinking = {answer.provider for answer in ALL if any(isinstance(event, ThinkingAdded) for event in answer.events)}
    assert thinking >= {"deepseek", "groq", "mistral", "openrouter"}
