"""Requests for images, speech, transcripts and verdicts: read, sized, and passed on with their own bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.media import PNG, Files, audio, sent, wav

from onevault.core.codec import Incoming, RequestLine
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Operation
from onevault.dialects.registry import CODECS, INGRESS
from onevault.dialects.wire.audio_length import audio_ms_at_most, wav_ms
from onevault.dialects.wire.input_size import IMAGE_TOKENS_MAX

DIALECTS = {
    "openai-images": Operation.IMAGES,
    "openai-image-edits": Operation.IMAGE_EDITS,
    "openai-speech": Operation.SPEECH,
    "openai-transcriptions": Operation.TRANSCRIPTION,
    "openai-moderations": Operation.MODERATION,
}


def read(dialect: str, body: dict[str, Any]) -> Incoming:
    return INGRESS[dialect].read(json.dumps(body).encode())


def read_form(dialect: str, fields: dict[str, Any], files: Files) -> Incoming:
    body, content_type = sent(fields, files)
    return INGRESS[dialect].read(body, RequestLine(content_type=content_type))


def test_images_are_sized_by_their_number_and_each_is_a_choice() -> None:
    asked = {"prompt": "A cat", "model": "m", "n": 3, "size": "1024x1024", "user": "u", "stream": True}
    incoming = read("openai-images", asked)
    assert (incoming.model, incoming.stream, incoming.end_user) == ("m", True, "u")
    assert (incoming.size.images, incoming.choices, incoming.output_tokens_asked) == (3, 3, None)
    assert incoming.size.tokens_at_most >= len(json.dumps(asked))


def test_edits_are_sized_by_their_files_too() -> None:
    mask = ("mask", ("m.png", b"\x89PNG", "image/png"))
    incoming = read_form("openai-image-edits", {"prompt": "A hat", "n": "2"}, [PNG, PNG, mask])
    assert incoming.size.images == 2
    assert 3 * IMAGE_TOKENS_MAX < incoming.size.tokens_at_most < 3 * IMAGE_TOKENS_MAX + 1000


def test_speech_is_sized_by_its_characters_and_always_streams() -> None:
    incoming = read("openai-speech", {"input": "Grüezi 🙂", "model": "tts-1", "voice": "alloy"})
    assert incoming.size.characters == 8
    assert incoming.stream


@pytest.mark.parametrize("ms", [0, 1, 10, 2500])
def test_a_wav_says_exactly_how_long_it_is(ms: int) -> None:
    assert wav_ms(wav(ms)) == ms
    assert wav_ms(wav(ms, bytes_per_s=9)) == ms
    assert wav_ms(wav(ms, chunks=b"LIST\3\0\0\0abc\0", kind=0xFFFE)) == ms


@pytest.mark.parametrize("declared", [0, 0xFFFFFFFF, 1 << 20])
def test_samples_of_unsaid_or_wrong_length_all_count(declared: int) -> None:
    assert wav_ms(wav(100, declared=declared)) == 100


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 99,
        wav(9, kind=2),
        wav(9)[:36],
        b"ID3" * 9,
    ],
)
def test_any_other_file_lasts_as_long_as_the_lowest_bitrate_allows(data: bytes) -> None:
    assert wav_ms(data) is None
    assert audio_ms_at_most(data) == len(data)


def test_a_transcription_is_sized_by_how_long_its_file_can_last() -> None:
    short = read_form("openai-transcriptions", {"model": "whisper-1"}, audio(wav(2500)))
    assert (short.size.audio_ms_at_most, short.size.audio_ms_estimated) == (3000, 2500)  # whole seconds are charged for
    assert short.size.tokens_at_most > 25  # ten tokens for a second
    unknown = read_form("openai-transcriptions", {"model": "whisper-1", "stream": "true"}, audio(b"ID3" * 1000))
    assert (unknown.size.audio_ms_at_most, unknown.size.audio_ms_estimated) == (3000, 187)
    assert unknown.stream


def test_verdicts_take_texts_and_images() -> None:
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]
    assert read("openai-moderations", {"input": parts}).size.tokens_at_most > IMAGE_TOKENS_MAX
    assert read("openai-moderations", {"input": ["a", "b"], "model": "m"}).model == "m"


@pytest.mark.parametrize(
    ("dialect", "body", "param"),
    [
        ("openai-images", {}, "prompt"),
        ("openai-images", {"prompt": ""}, "prompt"),
        ("openai-images", {"prompt": "x", "n": 0}, "n"),
        ("openai-images", {"prompt": "x", "n": 11}, "n"),
        ("openai-images", {"prompt": "x", "n": "2"}, "n"),
        ("openai-images", {"prompt": "x", "size": "big"}, "size"),
        ("openai-images", {"prompt": "x", "response_format": "png"}, "response_format"),
        ("openai-images", {"prompt": "x", "partial_images": 4}, "partial_images"),
        ("openai-images", {"prompt": "x", "model": ""}, "model"),
        ("openai-images", {"prompt": "x", "routing": {"provider": "x"}}, "routing.provider"),
        ("openai-speech", {"voice": "alloy"}, "input"),
        ("openai-speech", {"input": ""}, "input"),
        ("openai-speech", {"input": "x", "speed": 0}, "speed"),
        ("openai-speech", {"input": "x", "stream_format": "mp3"}, "stream_format"),
        ("openai-moderations", {}, "input"),
        ("openai-moderations", {"input": []}, "input"),
        ("openai-moderations", {"input": [{"type": "image_url"}]}, "input[0].image_url"),
        ("openai-moderations", {"input": [{"type": "video"}]}, "input[0].type"),
    ],
)
def test_what_is_not_valid_is_named_by_its_path(dialect: str, body: dict[str, Any], param: str) -> None:
    with pytest.raises(Fault) as fault:
        read(dialect, body)
    assert (fault.value.kind, fault.value.param) == (FaultKind.INVALID_REQUEST, param)


@pytest.mark.parametrize(
    ("dialect", "fields", "files", "param"),
    [
        ("openai-image-edits", {}, [PNG], "prompt"),
        ("openai-image-edits", {"prompt": "x"}, [("mask", PNG[1])], "image"),
        ("openai-image-edits", {"prompt": "x"}, [PNG] * 17, "image"),
        ("openai-image-edits", {"prompt": "x"}, [("image", ("a.png", b"", "image/png"))], "image"),
        ("openai-image-edits", {"prompt": "x", "n": "11"}, [PNG], "n"),
        ("openai-image-edits", {"prompt": "x", "n": "two"}, [PNG], "n"),
        ("openai-image-edits", {"prompt": "x", "budget": "{"}, [PNG], ""),
        ("openai-image-edits", {"prompt": "x", "budget": '{"max":1}'}, [PNG], "budget.max"),
        ("openai-transcriptions", {"model": "m"}, [PNG], "file"),
        ("openai-transcriptions", {"model": "m"}, audio(b""), "file"),
        ("openai-transcriptions", {"model": "m"}, audio(b"x") * 2, "file"),
        ("openai-transcriptions", {"response_format": "xml"}, audio(b"x"), "response_format"),
        ("openai-transcriptions", {"stream": "perhaps"}, audio(b"x"), "stream"),
    ],
)
def test_what_is_not_valid_in_a_form_is_named_too(
    dialect: str, fields: dict[str, Any], files: Files, param: str
) -> None:
    with pytest.raises(Fault) as fault:
        read_form(dialect, fields, files)
    assert (fault.value.kind, fault.value.param or "") == (FaultKind.INVALID_REQUEST, param)


def test_json_is_passed_on_but_for_the_model_and_the_gateways_own_fields() -> None:
    asked = {"prompt": "x", "model": "a", "budget": {"max_cost_per_request": 1}, "unknown": [1.50], "quality": "high"}
    incoming = read("openai-images", asked)
    assert incoming.extensions.budget.max_cost_per_request == 1
    wire = incoming.rewritten("b", output_tokens_max=7)
    assert json.loads(wire.body) == {"prompt": "x", "model": "b", "unknown": [1.50], "quality": "high"}
    assert (wire.path, wire.content_type) == ("/images/generations", "application/json")


def test_a_form_is_passed_on_but_for_the_model_and_the_gateways_own_fields() -> None:
    fields = {"model": "a", "prompt": "x", "timestamp_granularities[]": "word", "budget": '{"max_cost_per_request":1}'}
    data = wav(10) + b"\r\n--"
    body, content_type = sent(fields, audio(data))
    incoming = INGRESS["openai-transcriptions"].read(body, RequestLine(content_type=content_type))
    assert incoming.extensions.budget.max_cost_per_request == 1
    wire = incoming.rewritten("b", output_tokens_max=None)
    assert wire.path == "/audio/transcriptions"
    assert wire.content_type == content_type
    again = INGRESS["openai-transcriptions"].read(wire.body, RequestLine(content_type=wire.content_type))
    assert again.model == "b"
    assert b"budget" not in wire.body
    assert b'name="timestamp_granularities[]"\r\n\r\nword\r\n' in wire.body
    assert b'filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n' + data + b"\r\n" in wire.body


@pytest.mark.parametrize(("dialect", "operation"), DIALECTS.items())
def test_media_are_spoken_in_one_dialect_alone(dialect: str, operation: Operation) -> None:
    if INGRESS[dialect].takes == "application/json":
        incoming = read(dialect, {"prompt": "x", "input": "x"})
    else:
        incoming = read_form(dialect, {"prompt": "x"}, [PNG, *audio(b"x")])
    assert (incoming.dialect, incoming.operation) == (dialect, operation)
    for refused in (
        incoming.canonical,
        lambda: CODECS[dialect].encode(INGRESS["openai-chat"].read(CHAT).canonical(), output_tokens_max=1),
    ):
        with pytest.raises(Fault) as fault:
            refused()
        assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, "model")


CHAT = b'{"messages":[{"role":"user","content":"x"}]}'
