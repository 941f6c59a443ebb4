"""The official OpenAI SDK makes images, speech, transcripts and verdicts through a real gateway."""

from __future__ import annotations

import base64
import io
import json
import time
import wave
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.support.media import wav
from tests.support.processes import GatewayProcess, http

LOADED_WITHIN_TRIES = 100
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.base_url}/v1", api_key=gateway.api_key, max_retries=0) as made:
        yield made


def told(gateway: GatewayProcess, request_id: str) -> Any:
    """What the gateway keeps of a call; its record is loaded soon after the call."""
    for _ in range(LOADED_WITHIN_TRIES):
        status, _, body = http(f"{gateway.base_url}/v1/requests/{request_id}", key=gateway.api_key)
        if status == 200:
            return body
        time.sleep(0.05)
    raise AssertionError("the call was not recorded")


def test_images_are_made_and_paid_for_by_the_token(client: OpenAI) -> None:
    raw = client.images.with_raw_response.generate(model="gpt-image-1", prompt="A cat", n=2, size="1024x1024")
    answer = raw.parse()
    assert answer.data is not None
    assert [base64.b64decode(image.b64_json or "")[:4] for image in answer.data] == [b"\x89PNG"] * 2
    assert answer.usage is not None
    assert float(raw.headers["x-gateway-cost-usd"]) > 0
    assert raw.headers["x-gateway-model"] == "gpt-image-1"


def test_an_image_streams_with_its_partial_ones(client: OpenAI) -> None:
    stream = client.images.generate(model="gpt-image-1", prompt="A cat", stream=True, partial_images=2)
    kinds = [event.type for event in stream]
    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


def test_an_image_is_edited(client: OpenAI) -> None:
    answer = client.images.edit(
        model="gpt-image-1",
        prompt="Add a hat",
        image=[("a.png", PNG, "image/png"), ("b.png", PNG, "image/png")],
        extra_body={"budget": '{"max_cost_per_request": 5}'},
    )
    assert answer.data is not None
    assert answer.data[0].b64_json


@pytest.mark.parametrize("model", ["tts-1", "gpt-4o-mini-tts"])
def test_speech_streams_as_the_recording_that_it_is(gateway: GatewayProcess, client: OpenAI, model: str) -> None:
    with client.audio.speech.with_streaming_response.create(
        model=model, voice="alloy", input="Hello there.", response_format="wav"
    ) as answer:
        assert answer.headers["content-type"] == "audio/wav"
        recording = answer.read()
    with wave.open(io.BytesIO(recording)) as read:
        assert read.getnframes() > 0
    record = told(gateway, answer.headers["x-request-id"])
    assert record["usage"]["characters"] == len("Hello there.")
    if model == "tts-1":
        assert record["cost_nanos"] == 12 * 15_000  # 15 dollars for a million characters
    else:
        assert 0 < record["cost_usd"] < record["held_usd"]


def test_speech_streams_as_events(client: OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input="Hello there.", stream_format="sse"
    ) as answer:
        text = answer.read().decode()
    assert text.count("speech.audio.done") >= 1


@pytest.mark.parametrize("response_format", ["json", "verbose_json", "text", "srt", "vtt"])
def test_a_recording_is_written_down_in_every_format(client: OpenAI, response_format: str) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", wav(1500), "audio/wav"), response_format=response_format
    )
    assert (answer if isinstance(answer, str) else answer.text).strip()


def test_whisper_costs_by_the_second(client: OpenAI) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=("a.wav", wav(10_000), "audio/wav")
    )
    assert float(raw.headers["x-gateway-cost-usd"]) == pytest.approx(0.006 / 6)


def test_a_model_that_does_not_stream_gives_its_document_once(gateway: GatewayProcess, client: OpenAI) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=("a.wav", wav(1500), "audio/wav"), extra_body={"stream": "true"}
    )
    assert raw.headers["content-type"] == "application/json"
    assert json.loads(raw.content)["usage"] == {"type": "duration", "seconds": 2}
    once = client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=("a.wav", wav(1500), "audio/wav")
    )
    paid = told(gateway, raw.headers["x-request-id"])["cost_nanos"]
    assert paid == told(gateway, once.headers["x-request-id"])["cost_nanos"] > 0


def test_a_transcript_streams(client: OpenAI) -> None:
    events = list(
        client.audio.transcriptions.create(
            model="gpt-4o-mini-transcribe", file=("a.wav", wav(1500), "audio/wav"), stream=True
        )
    )
    assert events[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == events[-1].text


def test_texts_are_judged(client: OpenAI) -> None:
    raw = client.moderations.with_raw_response.create(model="omni-moderation-latest", input=["Hello", "Bye"])
    assert len(raw.parse().results) == 2
    assert float(raw.headers["x-gateway-cost-usd"]) == 0


def test_what_is_wrong_is_named(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="gpt-image-1", prompt="x", n=11)
    assert refused.value.param == "n"
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"", "audio/wav"))
    assert refused.value.param == "file"


def test_a_chats_model_makes_no_images(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.images.generate(model="gpt-4o-mini", prompt="x")
    assert 400 <= refused.value.status_code < 500
