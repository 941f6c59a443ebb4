"""Answers that break on the wire in Google's framings and in AWS's, and requests of theirs that hold anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.simulator.conftest import KEY, Exchange, request_of
from tests.unit.simulator.test_broken_answers import LAST, unchunked
from tests.unit.simulator.test_robustness import JSON, SCHEMA, places, replaced

from onevault.simulator.calls import Call
from onevault.simulator.eventstream import corrupted, event_headers, frame
from onevault.simulator.provider import Provider
from onevault.simulator.request import Request
from onevault.simulator.settings import Settings

SSE = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
LIST = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
FRAMES = "/model/amazon.nova-lite-v1%3A0/converse-stream"
WHOLE = {SSE: SSE.replace("streamG", "g"), FRAMES: FRAMES.removesuffix("-stream")}
FRAMINGS = pytest.mark.parametrize("path", [SSE, LIST, FRAMES])


def asking(path: str, directives: str) -> bytes:
    said = f"x [[simulate: {directives}]]"
    body: dict[str, Any] = {"contents": [{"parts": [{"text": said}]}]}
    if path.startswith("/model/"):
        body = {"messages": [{"role": "user", "content": [{"text": said}]}]}
    return request_of("POST", path, body, x_goog_api_key=KEY, connection="close")


def frames_in(data: bytes) -> list[Any]:
    """The whole messages, both of their checksums right. Raises ChecksumMismatch."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


def events_in(path: str, answer: bytes) -> int:
    chunks = answer.partition(b"\r\n\r\n")[2]
    count = 0
    while chunks and not chunks.startswith(b"0\r\n"):
        size, _, chunks = chunks.partition(b"\r\n")
        count += len(chunks) >= int(size, 16) + 2
        chunks = chunks[int(size, 16) + 2 :]
    return count


@FRAMINGS
@pytest.mark.parametrize("events", [1, 2, 5])
async def test_a_cut_closes_the_connection_after_so_many_events(exchange: Exchange, path: str, events: int) -> None:
    answer = await exchange(asking(path, f"cut_after={events}"))
    assert events_in(path, answer) == events
    assert not answer.endswith(LAST)


@FRAMINGS
async def test_an_end_without_the_formats_end_is_sound_http(exchange: Exchange, path: str) -> None:
    answer = await exchange(asking(path, "end_after=4"))
    assert events_in(path, answer) == 4
    assert answer.endswith(LAST)
    data = unchunked(answer)
    if path == FRAMES:
        assert [message.headers[":event-type"] for message in frames_in(data)][-1] == "contentBlockDelta"
    elif path == LIST:
        assert len(json.loads(data + b"]")) == 4
    else:
        assert b"finishReason" not in data


@FRAMINGS
async def test_a_stall_is_silence_after_which_the_stream_goes_on(exchange: Exchange, path: str) -> None:
    assert events_in(path, await exchange(asking(path, "stall_after=2; stall_s=5"), silence_s=0.2)) == 2
    assert (await exchange(asking(path, "stall_after=2; stall_s=0.05"))).endswith(LAST)


async def test_a_malformed_frame_has_a_checksum_that_is_not_its_own(exchange: Exchange) -> None:
    data = unchunked(await exchange(asking(FRAMES, "malformed=frame")))
    with pytest.raises(ChecksumMismatch):
        frames_in(data)
    sound = unchunked(await exchange(asking(FRAMES, "id=sound")))
    assert len(frames_in(sound)) > 5


async def test_a_malformed_event_is_no_json_and_the_stream_goes_on(exchange: Exchange) -> None:
    events = unchunked(await exchange(asking(SSE, "malformed=frame"))).split(b"data: ")[1:]
    broken = []
    for at, event in enumerate(events):
        try:
            json.loads(event)
        except ValueError:
            broken.append(at)
    assert broken == [3]
    assert b'"finishReason":"STOP"' in events[-1]


async def test_a_malformed_member_breaks_the_array(exchange: Exchange) -> None:
    data = unchunked(await exchange(asking(LIST, "malformed=frame")))
    assert data.endswith(b"]")
    with pytest.raises(ValueError, match=r"Expecting|Invalid|Unterminated"):
        json.loads(data)


@FRAMINGS
async def test_an_error_within_a_stream_is_the_formats_own_and_the_last(exchange: Exchange, path: str) -> None:
    data = unchunked(await exchange(asking(path, "malformed=status_in_stream")))
    if path == FRAMES:
        last = frames_in(data)[-1]
        assert last.headers[":message-type"] == "exception"
        assert last.headers[":exception-type"] == "modelStreamErrorException"
        assert json.loads(last.payload)["originalStatusCode"] == 500
    elif path == LIST:
        assert json.loads(data)[-1]["error"]["status"] == "INTERNAL"
    else:
        assert json.loads(data.split(b"data: ")[-1])["error"]["status"] == "INTERNAL"


@pytest.mark.parametrize("path", WHOLE.values())
async def test_a_malformed_body_is_half_a_json_text(exchange: Exchange, path: str) -> None:
    body = (await exchange(asking(path, "malformed=body"))).partition(b"\r\n\r\n")[2]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(body)


@FRAMINGS
async def test_broken_chunks_and_web_pages_come_in_every_format(exchange: Exchange, path: str) -> None:
    assert (await exchange(asking(path, "malformed=chunk"))).endswith(b"zz\r\nnot a chunk\r\n")
    assert b"<!DOCTYPE html>" in await exchange(asking(path, "error=502; malformed=html"))


def test_a_frame_is_read_by_awss_own_parser_and_a_corrupted_one_is_not() -> None:
    event = frame(event_headers("messageStart"), b'{"role":"assistant"}')
    (read,) = frames_in(event)
    assert read.headers == {
        ":event-type": "messageStart",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    assert read.payload == b'{"role":"assistant"}'
    with pytest.raises(ChecksumMismatch):
        frames_in(corrupted(event))


GEMINI = {
    "systemInstruction": {"parts": [{"text": "s"}]},
    "contents": [
        {"role": "user", "parts": [{"text": "u"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]},
        {
            "role": "model",
            "parts": [{"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "aGk="}],
        },
        {"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"x": 1}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}, {"googleSearch": {}}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "safetySettings": [{"category": "c", "threshold": "t"}],
    "generationConfig": {
        "candidateCount": 2,
        "stopSequences": ["x"],
        "maxOutputTokens": 50,
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}},
        "responseLogprobs": True,
        "logprobs": 2,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 9},
    },
}
CONVERSE = {
    "system": [{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [{"text": "u"}, {"image": {"format": "png", "source": {"bytes": "aGk="}}}]},
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}},
                {"toolUse": {"toolUseId": "1", "name": "f", "input": {}}},
            ],
        },
        {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"json": {}}, {"text": "r"}]}}]},
    ],
    "inferenceConfig": {"maxTokens": 50, "stopSequences": ["x"]},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}}}, {"cachePoint": {"type": "default"}}],
        "toolChoice": {"tool": {"name": "f"}},
    },
    "guardrailConfig": {"guardrailIdentifier": "g", "trace": "enabled"},
    "additionalModelRequestFields": {"thinking": {"type": "enabled"}},
    "outputConfig": {"textFormat": {"structure": {"jsonSchema": {"name": "n", "schema": "{}"}}}},
    "performanceConfig": {"latency": "optimized"},
    "serviceTier": {"type": "flex"},
}
EMBED = {"requests": [{"model": "models/e", "content": {"parts": [{"text": "x"}]}, "outputDimensionality": 3}]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (LIST.replace("2.5-flash", "3-pro-image"), GEMINI),
        (SSE, GEMINI),
        (WHOLE[SSE], GEMINI),
        (LIST.replace("streamGenerateContent", "countTokens"), {"contents": GEMINI["contents"]}),
        ("/v1beta/models/e:batchEmbedContents", EMBED),
        ("/v1beta/models/e:embedContent", {"content": {"parts": [{"text": "x"}]}}),
        (FRAMES, CONVERSE),
        (WHOLE[FRAMES], CONVERSE),
        ("/model/x/count-tokens", {"input": {"converse": {"messages": CONVERSE["messages"]}}}),
        ("/model/x/count-tokens", {"input": {"invokeModel": {"body": "e30="}}}),
        ("/model/cohere.embed-v4/invoke", {"texts": ["x"], "input_type": "search_query", "embedding_types": ["int8"]}),
        ("/model/amazon.titan-embed-text-v2/invoke", {"inputText": "x", "embeddingTypes": ["binary"]}),
    ],
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_request_with_any_value_in_any_place_is_answered_or_refused(
    path: str, body: dict[str, Any], data: st.DataObject
) -> None:
    changed = body
    for _ in range(data.draw(st.integers(0, 2))):
        changed = replaced(changed, data.draw(st.sampled_from(places(changed))), data.draw(JSON))
    headers = {b"authorization": b"Bearer key", b"x-goog-api-key": b"key"}
    request = Request("POST", path.encode(), headers, body=json.dumps(changed).encode())
    reply, _ = Provider(Settings()).answer(request, Call("POST", path, 0.0))
    assert reply.status in (200, 400)
    if reply.events is None:
        json.loads(reply.body)
    elif path == FRAMES:
        assert frames_in(b"".join(reply.events))
    elif "alt=sse" in path:
        assert all(json.loads(event.removeprefix(b"data: ")) for event in reply.events)
    else:
        assert json.loads(b"".join(reply.events))


@settings(max_examples=200, deadline=None)
@given(authorization=st.text(alphabet="AWS4-HMAC256 Credential=/,;Signature:bedrock_request0é", max_size=80))
def test_any_authorization_is_answered_or_refused(authorization: str) -> None:
    listed = [(b"authorization", b"AWS4-HMAC-SHA256 " + authorization.encode()), (b"x-amz-date", b"20260101T000000Z")]
    request = Request("POST", FRAMES.encode(), dict(listed), listed, b"{}")
    assert Provider(Settings()).answer(request, Call("POST", FRAMES, 0.0))[0].status in (400, 403)
