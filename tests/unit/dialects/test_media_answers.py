"""Answers of media operations pass byte for byte at any split, and what is reported as used is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import ImagesResponse, ModerationCreateResponse
from openai.types.audio import Transcription, TranscriptionVerbose
from tests.support.media import PNG, audio, sent, wav

from onevault.core.codec import Incoming, RequestLine
from onevault.core.events import Event, Finished, Passed, UsageReported
from onevault.core.faults import Fault, FaultKind
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

TOKENS = {"total_tokens": 60, "input_tokens": 10, "output_tokens": 50}
IMAGE_TOKENS = {**TOKENS, "input_tokens_details": {"text_tokens": 6, "image_tokens": 4}}
AUDIO_TOKENS = {"type": "tokens", **TOKENS, "input_token_details": {"text_tokens": 2, "audio_tokens": 8}}
B64 = {"b64_json": "iVBORw=="}


def read(dialect: str, body: dict[str, Any]) -> Incoming:
    return INGRESS[dialect].read(json.dumps(body).encode())


def transcription(data: bytes = b"ID3", **fields: str) -> Incoming:
    body, content_type = sent({"model": "m", **fields}, audio(data))
    return INGRESS["openai-transcriptions"].read(body, RequestLine(content_type=content_type))


def edit() -> Incoming:
    body, content_type = sent({"prompt": "x"}, [PNG])
    return INGRESS["openai-image-edits"].read(body, RequestLine(content_type=content_type))


def sse(*events: dict[str, Any], done: bool = False) -> bytes:
    frames = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    return b"".join(frames) + (b"data: [DONE]\n\n" if done else b"")


def document(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


IMAGES = read("openai-images", {"prompt": "x", "n": 2})
IMAGE_STREAM = read("openai-images", {"prompt": "x", "stream": True, "partial_images": 1})
TWO_STREAMED = read("openai-images", {"prompt": "x", "stream": True, "n": 2})
SPEECH = read("openai-speech", {"input": "Hello", "voice": "alloy"})
SPEECH_EVENTS = read("openai-speech", {"input": "Hello", "voice": "alloy", "stream_format": "sse"})
VERDICTS = read("openai-moderations", {"input": "x"})
DELTA = {"type": "transcript.text.delta", "delta": "Hel"}
PARTIAL = {"type": "image_generation.partial_image", "partial_image_index": 0, **B64}
COMPLETED = {"type": "image_generation.completed", **B64, "usage": IMAGE_TOKENS}

CASES: dict[str, tuple[Incoming, bytes, Usage | None]] = {
    "images by the piece": (IMAGES, document(created=1, data=[{"url": "https://x.example"}] * 2), Usage(images=2)),
    "images by the token": (
        IMAGES,
        document(created=1, data=[B64, B64], usage=IMAGE_TOKENS),
        Usage(10, 50, input_image_tokens=4, output_image_tokens=50, images=2),
    ),
    "images by the token, told apart": (
        IMAGES,
        document(
            created=1,
            data=[B64],
            usage={**IMAGE_TOKENS, "output_tokens_details": {"image_tokens": 40, "text_tokens": 10}},
        ),
        Usage(10, 50, input_image_tokens=4, output_image_tokens=40, images=1),
    ),
    "an edit": (edit(), document(created=1, data=[B64]), Usage(images=1)),
    "an image as events": (
        IMAGE_STREAM,
        sse(PARTIAL, COMPLETED),
        Usage(10, 50, input_image_tokens=4, output_image_tokens=50, images=1),
    ),
    "an image as events, and an end": (
        IMAGE_STREAM,
        sse(PARTIAL, COMPLETED, done=True),
        Usage(10, 50, input_image_tokens=4, output_image_tokens=50, images=1),
    ),
    "two images as events": (
        TWO_STREAMED,
        sse(COMPLETED, COMPLETED),
        Usage(20, 100, input_image_tokens=8, output_image_tokens=100, images=2),
    ),
    "images of a server that does not stream": (IMAGE_STREAM, document(data=[B64]), Usage(images=1)),
    "speech": (SPEECH, b"\xff\xf3" + bytes(4000), None),
    "speech that begins like a document": (SPEECH, b'{"e', None),
    "speech as events": (
        SPEECH_EVENTS,
        sse({"type": "speech.audio.delta", "audio": "AAAA"}, {"type": "speech.audio.done", "usage": TOKENS}),
        Usage(10, 50, output_audio_tokens=50, characters=5),
    ),
    "a transcript by the token": (
        transcription(),
        document(text="Hello", usage=AUDIO_TOKENS),
        Usage(10, 50, input_audio_tokens=8),
    ),
    "a transcript by the second": (
        transcription(wav(1234)),
        document(text="Hello", usage={"type": "duration", "seconds": 2}),
        Usage(audio_ms=2000),
    ),
    "a verbose transcript": (
        transcription(response_format="verbose_json"),
        document(task="transcribe", language="english", duration=8.470000267028809, text="Hello", segments=[]),
        Usage(audio_ms=8470),
    ),
    "a verbose transcript, its duration a text": (
        transcription(response_format="verbose_json"),
        document(task="transcribe", language="english", duration="8.47", text="Hello"),
        Usage(audio_ms=8470),
    ),
    "a transcript of which nothing is known": (transcription(), document(text="Hello"), None),
    "a plain transcript of a WAV": (transcription(wav(1234), response_format="text"), b"Hello\n", None),
    "subtitles": (transcription(response_format="srt"), b"1\n00:00:00,000 --> 00:00:01,000\nHello\n", None),
    "a transcript as events": (
        transcription(stream="true"),
        sse(DELTA, {"type": "transcript.text.done", "text": "Hello", "usage": AUDIO_TOKENS}),
        Usage(10, 50, input_audio_tokens=8),
    ),
    "a transcript of a model that does not stream": (
        transcription(stream="true"),
        document(text="Hello", usage={"type": "duration", "seconds": 2}),
        Usage(audio_ms=2000),
    ),
    "verdicts": (VERDICTS, document(id="m", model="m", results=[{"flagged": False}]), None),
    "verdicts with a usage": (
        VERDICTS,
        document(id="m", model="m", results=[], usage={"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}),
        Usage(7),
    ),
}


def passed(incoming: Incoming, pieces: list[bytes]) -> list[Event]:
    decoder = CODECS[incoming.dialect].decoder(stream=incoming.stream, passing=incoming)
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def written(incoming: Incoming, events: list[Event]) -> bytes:
    writer = INGRESS[incoming.dialect].writer(incoming, request_id="r", created_s=1)
    if incoming.stream:
        return b"".join(writer.write([event]) for event in events[:-1]) + writer.finish(events[-1])
    return writer.whole(events)


@settings(deadline=None)  # two cores shared with other tests
@given(st.sampled_from(list(CASES)), st.data())
def test_an_answer_passes_at_any_split_and_its_usage_is_told(case: str, data: st.DataObject) -> None:
    incoming, body, usage = CASES[case]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    events = passed(incoming, pieces)
    assert isinstance(events[-1], Finished)
    assert written(incoming, events) == body
    reported = [event.usage for event in events if isinstance(event, UsageReported)]
    assert (reported[-1] if reported else None) == usage
    one = passed(incoming, [body])
    for counted in (events, one):
        total = sum(event.output_bytes for event in counted if isinstance(event, Passed))
        assert total == sum(event.output_bytes for event in one if isinstance(event, Passed))


@pytest.mark.parametrize("case", CASES)
def test_a_cut_answer_is_never_complete(case: str) -> None:
    incoming, body, _ = CASES[case]
    if incoming is SPEECH or (incoming.size.audio_ms_at_most and not body.startswith((b"{", b"event"))):
        return  # a recording or a text is as long as HTTP says
    for cut in range(len(body) - 2 - len(b"data: [DONE]\n\n") * body.endswith(b"[DONE]\n\n")):
        with pytest.raises(Fault) as fault:
            passed(incoming, [body[:cut]])
        assert fault.value.kind is FaultKind.PROVIDER_ERROR


def test_a_recording_of_nothing_is_a_fault() -> None:
    with pytest.raises(Fault):
        passed(SPEECH, [b""])


@pytest.mark.parametrize(
    ("incoming", "body", "kind"),
    [
        (IMAGES, b"<html>", FaultKind.PROVIDER_ERROR),
        (IMAGES, document(created=1), FaultKind.PROVIDER_ERROR),
        (IMAGES, document(error={"code": "moderation_blocked"}), FaultKind.SAFETY_VIOLATION),
        (IMAGE_STREAM, sse({"type": "error", "error": {"code": "rate_limit_exceeded"}}), FaultKind.RATE_LIMITED),
        (IMAGE_STREAM, b"data: {oops\n\n", FaultKind.PROVIDER_ERROR),
        (SPEECH, document(error={"message": "x"}), FaultKind.PROVIDER_ERROR),
        (SPEECH_EVENTS, document(error={"message": "x"}), FaultKind.PROVIDER_ERROR),
        (SPEECH_EVENTS, b"data: [DONE]\n\n", FaultKind.PROVIDER_ERROR),
        (transcription(), b"Hello", FaultKind.PROVIDER_ERROR),
        (transcription(), document(error="x"), FaultKind.PROVIDER_ERROR),
        (transcription(response_format="text"), b"\xff\xfe", FaultKind.PROVIDER_ERROR),
        (transcription(stream="true"), sse(DELTA), FaultKind.PROVIDER_ERROR),
        (VERDICTS, b"{}", FaultKind.PROVIDER_ERROR),
    ],
)
def test_what_is_no_answer_is_the_fault_that_it_means(incoming: Incoming, body: bytes, kind: FaultKind) -> None:
    for step in (1, len(body)):
        with pytest.raises(Fault) as fault:
            passed(incoming, [body[at : at + step] for at in range(0, len(body), step)])
        assert fault.value.kind is kind


@settings(deadline=None)  # two cores shared with other tests
@given(st.sampled_from(sorted({id(case[0]): name for name, case in CASES.items()}.values())), st.binary(max_size=100))
def test_any_bytes_pass_or_are_a_fault(case: str, body: bytes) -> None:
    incoming = CASES[case][0]
    try:
        assert written(incoming, passed(incoming, [body])) == body
    except Fault as fault:
        assert fault.kind is FaultKind.PROVIDER_ERROR  # noqa: PT017 - any other exception fails the test


def test_what_broke_off_is_told_in_output_bytes() -> None:
    second_of_mp3 = passed(SPEECH, [b"\xff\xf3" + bytes(15_998)])[0]
    assert isinstance(second_of_mp3, Passed)
    assert second_of_mp3.output_bytes == 21 * 4  # tokens of a second, four bytes each
    partial = passed(IMAGE_STREAM, [sse(PARTIAL), sse(COMPLETED)])[0]
    assert isinstance(partial, Passed)
    assert partial.output_bytes == 100 * 4


def test_nothing_is_written_between_the_bytes_of_a_recording() -> None:
    ingress = INGRESS["openai-speech"]
    writer = ingress.writer(SPEECH, request_id="r", created_s=1)
    assert (writer.comment("keep-alive"), writer.stream_type) == (b"", None)
    assert ingress.error_frame(Fault(FaultKind.PROVIDER_ERROR, "x"), request_id="r") == b""


def test_the_answers_here_are_those_of_the_official_sdk() -> None:
    ImagesResponse.model_validate_json(CASES["images by the token, told apart"][1])
    ModerationCreateResponse.model_validate_json(document(id="m", model="m", results=[]))
    Transcription.model_validate_json(CASES["a transcript by the token"][1])
    TranscriptionVerbose.model_validate_json(CASES["a verbose transcript"][1])
