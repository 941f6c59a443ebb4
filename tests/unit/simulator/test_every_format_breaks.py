"""Directives, faults and broken deliveries in every wire format, as a raw socket sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.unit.simulator.conftest import CHAT, KEY, Exchange, Json, request_of

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.sounds import wav

LAST = b"0\r\n\r\n"


@dataclass(frozen=True)
class Sample:
    """One operation of a format: how its body asks for a directive, and how its stream is framed."""

    path: str
    body: Callable[[str], dict[str, Any]]
    stream: dict[str, Any] | None = None
    end: bytes = b"\n\n"


def _chat(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], "stream": False}


STREAM = {"stream": True}
SAMPLES = {
    "chat": Sample(CHAT, _chat, STREAM),
    "responses": Sample("/v1/responses", lambda text: {"model": "m", "input": text}, STREAM),
    "completions": Sample("/v1/completions", lambda text: {"model": "m", "prompt": text}, STREAM),
    "images": Sample(
        "/v1/images/generations", lambda text: {"model": "m", "prompt": text}, {"stream": True, "partial_images": 3}
    ),
    "speech": Sample(
        "/v1/audio/speech",
        lambda text: {"model": "m", "input": text + "x" * 2000, "voice": "alloy"},
        {"stream_format": "sse"},
    ),
    "moderations": Sample("/v1/moderations", lambda text: {"model": "m", "input": text}),
    "rerank": Sample("/v1/rerank", lambda text: {"model": "m", "query": text, "documents": ["d"]}),
    "azure": Sample("/openai/deployments/m/chat/completions?api-version=1", _chat, STREAM),
    "azure-v1": Sample("/openai/v1/chat/completions", _chat, STREAM),
    "cloudflare": Sample("/compat/chat/completions", lambda text: {**_chat(text), "model": "openai/m"}, STREAM),
    "cohere": Sample("/v2/chat", _chat, STREAM),
    "cohere-embed": Sample("/v2/embed", lambda text: {"model": "m", "texts": [text], "input_type": "search_query"}),
    "cohere-rerank": Sample("/v2/rerank", lambda text: {"model": "m", "query": text, "documents": ["d"]}),
    "ollama": Sample("/api/chat", _chat, STREAM, end=b"\n"),
    "ollama-embed": Sample("/api/embed", lambda text: {"model": "m", "input": text}),
}
WHOLE = pytest.mark.parametrize("name", sorted(SAMPLES.keys() - {"speech"}))
STREAMED = pytest.mark.parametrize("name", sorted(name for name, sample in SAMPLES.items() if sample.stream))


def asking(name: str, directives: str, *, stream: bool = False, header: bool = False) -> bytes:
    sample = SAMPLES[name]
    body = sample.body("x" if header else f"x [[simulate: {directives}]]")
    if stream:
        body |= sample.stream or {}
    return request_of(
        "POST", sample.path, body, connection="close", x_simulate=directives if header else "", api_key=KEY
    )


def unchunked(answer: bytes) -> bytes:
    rest, body = answer.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


def frames(body: bytes, end: bytes) -> list[Any]:
    """What is in each event or line; None where it is no JSON, and nothing for the mark of the end."""
    found: list[Any] = []
    for frame in body.removesuffix(end).split(end):
        data = next((line[6:] for line in frame.split(b"\n") if line.startswith(b"data: ")), frame)
        if data == b"[DONE]":
            continue
        try:
            found.append(json.loads(data))
        except ValueError:
            found.append(None)
    return found


@WHOLE
async def test_an_answer_is_json_and_the_same_every_time(exchange: Exchange, name: str) -> None:
    first, again = [(await exchange(asking(name, "latency_ms=1"))).partition(b"\r\n\r\n") for _ in range(2)]
    assert first[0].startswith(b"HTTP/1.1 200 ")
    assert first[2] == again[2]
    assert json.loads(first[2])


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("header", [True, False])
async def test_every_operation_fails_as_it_is_told(exchange: Exchange, name: str, header: bool) -> None:
    answer = await exchange(asking(name, "error=503; retry_after=7", header=header))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 7" in head
    assert {"error", "message"} & set(json.loads(body))


@pytest.mark.parametrize("name", SAMPLES)
async def test_the_first_calls_of_an_id_fail_and_then_it_succeeds(exchange: Exchange, name: str) -> None:
    statuses = [(await exchange(asking(name, f"error_times=2; id={name}")))[9:12] for _ in range(3)]
    assert statuses == [b"500", b"500", b"200"]


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_directive_that_is_not_understood_is_refused(exchange: Exchange, name: str) -> None:
    answer = await exchange(asking(name, "nonsense=1"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Unknown directive 'nonsense'" in answer


@WHOLE
async def test_a_whole_answer_is_cut_and_spoiled(exchange: Exchange, name: str) -> None:
    cut = await exchange(asking(name, "cut_after=1"))
    promised = int(cut.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert len(cut.partition(b"\r\n\r\n")[2]) == promised // 2
    broken = (await exchange(asking(name, "malformed=body"))).partition(b"\r\n\r\n")[2]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|Invalid"):
        json.loads(broken)
    page = await exchange(asking(name, "malformed=html"))
    assert b"content-type: text/html" in page


@STREAMED
async def test_a_stream_is_made_of_whole_frames(exchange: Exchange, name: str) -> None:
    answer = await exchange(asking(name, "latency_ms=0", stream=True))
    assert answer.endswith(LAST)
    body = unchunked(answer)
    assert body.endswith(SAMPLES[name].end)
    assert None not in frames(body, SAMPLES[name].end)


@STREAMED
async def test_one_frame_that_is_no_json_leaves_the_others_sound(exchange: Exchange, name: str) -> None:
    answer = await exchange(asking(name, "malformed=frame", stream=True))
    assert answer.endswith(LAST)
    found = frames(unchunked(answer), SAMPLES[name].end)
    assert found.count(None) == 1
    assert found[3] is None


@STREAMED
async def test_an_error_within_a_stream_is_a_frame_and_the_last(exchange: Exchange, name: str) -> None:
    answer = await exchange(asking(name, "malformed=status_in_stream", stream=True))
    assert answer.endswith(LAST)
    body = unchunked(answer)
    assert b"[DONE]" not in body
    found = frames(body, SAMPLES[name].end)
    assert None not in found
    assert b"error" in json.dumps(found[3]).encode()


@STREAMED
async def test_a_stream_is_cut_ended_truncated_and_mangled(
    exchange: Exchange, simulator: EmbeddedSimulator, name: str
) -> None:
    cut = await exchange(asking(name, "cut_after=2", stream=True))
    assert not cut.endswith(LAST)
    assert len(frames(unchunked(cut), SAMPLES[name].end)) == simulator.calls[-1].events_sent == 2
    assert simulator.calls[-1].outcome == "cut"
    ended = await exchange(asking(name, "end_after=3", stream=True))
    assert ended.endswith(LAST)
    assert len(frames(unchunked(ended), SAMPLES[name].end)) == 3
    assert not (await exchange(asking(name, "truncate", stream=True))).endswith(LAST)
    assert (await exchange(asking(name, "malformed=chunk", stream=True))).endswith(b"zz\r\nnot a chunk\r\n")


@STREAMED
async def test_a_stream_falls_silent_and_goes_on(exchange: Exchange, name: str) -> None:
    silent = await exchange(asking(name, "stall_after=2; stall_s=5", stream=True), silence_s=0.1)
    assert len(frames(unchunked(silent), SAMPLES[name].end)) == 2
    assert (await exchange(asking(name, "stall_after=2; stall_s=0.05", stream=True))).endswith(LAST)


async def test_a_stream_of_one_event_breaks_in_that_event(exchange: Exchange) -> None:
    body = {"model": "m", "prompt": "x", "stream": True}
    request = request_of("POST", "/v1/images/generations", body, connection="close", x_simulate="malformed=frame")
    assert frames(unchunked(await exchange(request)), b"\n\n") == [None]
    request = request_of("POST", "/v1/images/generations", body, connection="close", x_simulate="truncate")
    assert not (await exchange(request)).endswith(LAST)


async def test_sound_breaks_in_its_middle(exchange: Exchange) -> None:
    whole = unchunked(await exchange(asking("speech", "latency_ms=0")))
    for how, less in (("malformed=frame", 2048), ("malformed=body", 4096)):
        assert len(unchunked(await exchange(asking("speech", how)))) < len(whole) - less + 1, how
    assert whole.startswith(unchunked(await exchange(asking("speech", "malformed=status_in_stream"))))


async def test_a_form_takes_directives_in_its_prompt_and_in_the_header(exchange: Exchange) -> None:
    def form(prompt: str, **headers: str) -> bytes:
        parts = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.wav"\r\n\r\n' + wav(1)
        for name, value in (("model", "gpt-4o-transcribe"), ("prompt", prompt), ("stream", "true")):
            parts += f'\r\n--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        kind = "multipart/form-data; boundary=b"
        path = "/v1/audio/transcriptions"
        return request_of("POST", path, parts + b"\r\n--b--\r\n", content_type=kind, connection="close", **headers)

    assert (await exchange(form("[[simulate: error=429]]"))).startswith(b"HTTP/1.1 429 ")
    assert (await exchange(form("", x_simulate="error=529"))).startswith(b"HTTP/1.1 529 ")
    found = frames(unchunked(await exchange(form("", x_simulate="malformed=frame"))), b"\n\n")
    assert found.index(None) == 3
    assert found[-1]["type"] == "transcript.text.done"


@pytest.mark.parametrize(
    ("path", "key"),
    [("/v2/unknown", "message"), ("/api/unknown", "error"), ("/openai/unknown", "error"), ("/v1/unknown", "error")],
)
async def test_a_path_that_nobody_serves_is_refused_in_the_words_of_its_prefix(call: Json, path: str, key: str) -> None:
    status, answer = await call("POST", path, {})
    assert status == 404
    assert isinstance(answer[key], dict if path[1] in "ov" and key == "error" else str)


async def test_the_header_and_the_call_log_know_every_format(call: Json, simulator: EmbeddedSimulator) -> None:
    await call(
        "POST", "/api/chat", {"model": "llama3.2", "messages": [{"role": "user", "content": "x"}], "stream": False}
    )
    seen = simulator.calls[-1]
    assert (seen.model, seen.stream, seen.output_tokens, seen.outcome) == ("llama3.2", False, 24, "completed")
