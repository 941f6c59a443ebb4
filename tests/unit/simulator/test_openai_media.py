"""Images, speech, transcriptions, moderations and rankings as OpenAI's own SDK and a decoder of each file read them."""

from __future__ import annotations

import base64
import io
import json
import math
import struct
import wave
import zlib
from typing import Any

import openai as openai_sdk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI
from tests.unit.simulator.conftest import Exchange, Json, request_of

from onevault.simulator.faults import Refused
from onevault.simulator.multipart import read_form
from onevault.simulator.pictures import png
from onevault.simulator.request import Request
from onevault.simulator.sounds import duration_s, wav

RECORDING = wav(2.0)


def pixels(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and unpacked rows of a PNG whose every chunk has a right checksum."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", data, at + 8 + size)[0]
        chunks[kind] = body
        at += 12 + size
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    return width, height, zlib.decompress(chunks[b"IDAT"])


@pytest.mark.parametrize(
    ("request_", "size", "count", "tokens"),
    [
        ({}, (1024, 1024), 1, 1056),
        ({"n": 3, "quality": "low"}, (1024, 1024), 3, 816),
        ({"size": "1536x1024", "quality": "high"}, (1536, 1024), 1, 6208),
        ({"size": "auto", "model": "sim-image"}, (1024, 1024), 1, 1056),
    ],
)
async def test_each_image_is_a_picture_of_the_size_and_price_asked_for(
    openai: AsyncOpenAI, request_: dict[str, Any], size: tuple[int, int], count: int, tokens: int
) -> None:
    answer = await openai.images.generate(**{"model": "gpt-image-1", "prompt": "a cat on a mat", **request_})
    pictures = [base64.b64decode(image.b64_json or "") for image in answer.data or ()]
    assert len(set(pictures)) == count
    for picture in pictures:
        width, height, rows = pixels(picture)
        assert (width, height) == size
        assert len(rows) == height * (1 + -(-width // 8))
    assert answer.usage is not None
    assert answer.usage.input_tokens == answer.usage.input_tokens_details.text_tokens == 4
    assert answer.usage.output_tokens == tokens
    assert answer.usage.total_tokens == 4 + tokens
    assert answer.size == f"{size[0]}x{size[1]}"


async def test_an_edit_takes_pictures_in_a_form_and_counts_them(openai: AsyncOpenAI) -> None:
    picture = ("cat.png", png(8, 8, "0" * 28), "image/png")
    answer = await openai.images.edit(model="gpt-image-1", image=[picture, picture], prompt="a hat", n=2, quality="low")
    assert len(answer.data or ()) == 2
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 170
    assert answer.usage.input_tokens_details.text_tokens == 2
    with pytest.raises(openai_sdk.BadRequestError, match="<= 10"):
        await openai.images.edit(model="gpt-image-1", image=picture, prompt="a hat", n=11)


async def test_images_are_streamed_first_in_part(openai: AsyncOpenAI) -> None:
    whole = await openai.images.generate(model="gpt-image-1", prompt="a cat")
    stream = await openai.images.generate(model="gpt-image-1", prompt="a cat", stream=True, partial_images=2)
    seen = [event async for event in stream]
    assert [event.type for event in seen] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert seen[-1].b64_json == (whole.data or [])[0].b64_json
    assert whole.usage is not None
    assert seen[-1].usage.output_tokens == whole.usage.output_tokens  # type: ignore[union-attr]


async def test_older_image_models_give_addresses_and_no_usage(openai: AsyncOpenAI) -> None:
    answer = await openai.images.generate(model="dall-e-3", prompt="a cat")
    assert (answer.data or [])[0].url
    assert answer.usage is None
    coded = await openai.images.generate(model="dall-e-2", prompt="a cat", response_format="b64_json", size="256x256")
    assert pixels(base64.b64decode((coded.data or [])[0].b64_json or ""))[:2] == (256, 256)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"size": "3x3"}, "invalid_value"),
        ({"quality": "best"}, "invalid_value"),
        ({"output_format": "webp"}, "invalid_value"),
        ({"response_format": "url"}, "unknown_parameter"),
        ({"n": 0}, "integer_below_min_value"),
        ({"prompt": ""}, "missing_required_parameter"),
        ({"prompt": "x [[simulate: refusal]]"}, "moderation_blocked"),
    ],
)
async def test_an_image_that_cannot_be_is_refused(openai: AsyncOpenAI, request_: dict[str, Any], code: str) -> None:
    with pytest.raises(openai_sdk.BadRequestError) as refused:
        await openai.images.generate(**{"model": "gpt-image-1", "prompt": "a cat", **request_})
    assert refused.value.code == code


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 3), (8, 8), (9, 1000), (257, 2)])
def test_a_picture_of_any_size_has_all_its_pixels(width: int, height: int) -> None:
    found = pixels(png(width, height, "123456789abcdef0123456789abc"))
    assert found[:2] == (width, height)
    assert len(found[2]) == height * (1 + -(-width // 8))


@pytest.mark.parametrize(("speed", "frames"), [(1.0, 2400), (2.0, 1200)])
async def test_speech_lasts_ten_milliseconds_a_character(openai: AsyncOpenAI, speed: float, frames: int) -> None:
    request: Any = {"model": "tts-1", "voice": "alloy", "input": "ten chars.", "speed": speed}
    spoken = await openai.audio.speech.create(**request, response_format="wav")
    assert spoken.response.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(spoken.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.getnframes() == frames
        heard = file.readframes(frames)
    assert len(set(heard)) > 50
    assert (await openai.audio.speech.create(**request, response_format="pcm")).content == heard


async def test_mp3_is_a_row_of_whole_frames_sent_in_chunks(openai: AsyncOpenAI, exchange: Exchange) -> None:
    spoken = await openai.audio.speech.create(model="sim-speech", voice="alloy", input="x" * 500)
    frames = round(5.0 * 44_100 / 1152)
    assert len(spoken.content) == 417 * frames
    assert {spoken.content[at : at + 3] for at in range(0, len(spoken.content), 417)} == {b"\xff\xfb\x90"}
    body = {"model": "sim-speech", "voice": "alloy", "input": "x" * 500}
    answer = await exchange(request_of("POST", "/v1/audio/speech", body, connection="close"))
    assert b"transfer-encoding: chunked" in answer
    assert b"content-type: audio/mpeg" in answer


@pytest.mark.parametrize(("kind", "magic"), [("opus", b"OggS"), ("aac", b"\xff\xf1"), ("flac", b"fLaC")])
async def test_other_sound_begins_as_its_kind_does(openai: AsyncOpenAI, kind: Any, magic: bytes) -> None:
    spoken = await openai.audio.speech.create(model="tts-1", voice="alloy", input="hello", response_format=kind)
    assert spoken.content.startswith(magic)
    assert len(spoken.content) == 800


async def test_speech_as_events_adds_up_to_the_same_sound_and_tells_its_usage(call: Json, exchange: Exchange) -> None:
    body = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "hello there!", "response_format": "pcm"}
    whole = await exchange(request_of("POST", "/v1/audio/speech", body, connection="close"))
    answer = await exchange(
        request_of("POST", "/v1/audio/speech", {**body, "stream_format": "sse"}, connection="close")
    )

    events = [json.loads(line[6:]) for line in answer.split(b"\n") if line.startswith(b"data: ")]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert len(sound) == 12 * 480
    assert sound[:4000] in whole
    assert events[-1] == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 3, "output_tokens": 3, "total_tokens": 6},
    }
    status, refused = await call("POST", "/v1/audio/speech", {**body, "model": "tts-1", "stream_format": "sse"})
    assert (status, refused["error"]["param"]) == (400, "stream_format")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"input": ""}, "input"),
        ({"input": "x" * 4097}, "too long"),
        ({"speed": 5.0}, "<= 4"),
        ({"response_format": "midi"}, "flac"),
    ],
)
async def test_speech_that_cannot_be_is_refused(openai: AsyncOpenAI, request_: dict[str, Any], words: str) -> None:
    with pytest.raises(openai_sdk.BadRequestError, match=words):
        await openai.audio.speech.create(**{"model": "tts-1", "voice": "alloy", "input": "x", **request_})


@pytest.mark.parametrize("model", ["whisper-1", "sim-transcribe", "gpt-4o-transcribe"])
async def test_a_recording_becomes_text_paid_by_the_second_or_the_token(openai: AsyncOpenAI, model: str) -> None:
    answer: Any = await openai.audio.transcriptions.create(
        model=model, file=("two.wav", RECORDING), prompt="[[simulate: output_tokens=6]]"
    )
    assert len(answer.text.split()) == 6
    if model == "gpt-4o-transcribe":
        assert answer.usage.type == "tokens"
        assert answer.usage.input_token_details.audio_tokens == 20
        assert answer.usage.input_token_details.text_tokens == answer.usage.input_tokens - 20 == 8
        assert answer.usage.output_tokens == 6
        assert answer.usage.total_tokens == 34
    else:
        assert (answer.usage.type, answer.usage.seconds) == ("duration", 2)
    again: Any = await openai.audio.transcriptions.create(model=model, file=("x", RECORDING + b"\0"), prompt="")
    assert again.text != answer.text


async def test_every_shape_of_a_transcription_tells_the_same_text(openai: AsyncOpenAI) -> None:
    async def shaped(shape: Any, **more: Any) -> Any:
        file = ("two.wav", RECORDING)
        return await openai.audio.transcriptions.create(model="whisper-1", file=file, response_format=shape, **more)

    text = (await shaped("json")).text
    assert await shaped("text") == text + "\n"
    verbose = await shaped("verbose_json", timestamp_granularities=["word", "segment"])
    assert (verbose.text, verbose.duration, verbose.language, verbose.usage.seconds) == (text, 2.0, "english", 2)
    assert "".join(segment.text for segment in verbose.segments).strip() == text
    assert [word.word for word in verbose.words] == text.split()
    assert (verbose.words[0].start, verbose.words[-1].end) == (0.0, 2.0)
    assert all(
        one.end == following.start for one, following in zip(verbose.segments, verbose.segments[1:], strict=False)
    )
    srt, vtt = await shaped("srt"), await shaped("vtt")
    assert srt.startswith("1\n00:00:00,000 --> ")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert "00:00:02,000\n" in srt
    assert len(srt.split("\n\n")) == len(vtt.split("\n\n")) - 1 == math.ceil(len(text.split()) / 8)


async def test_a_transcription_is_streamed_by_models_that_can(openai: AsyncOpenAI) -> None:
    file = ("two.wav", RECORDING)
    whole: Any = await openai.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, include=["logprobs"])
    stream: Any = await openai.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=file, stream=True, include=["logprobs"]
    )
    seen = [event async for event in stream]
    assert "".join(event.delta for event in seen[:-1]) == seen[-1].text == whole.text
    assert seen[-1].usage.to_dict() == whole.usage.to_dict()
    assert [row.token for event in seen[:-1] for row in event.logprobs] == [row.token for row in whole.logprobs]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"model": "gpt-4o-transcribe", "response_format": "srt"}, "'json', 'text'"),
        ({"file": ("x.wav", b"")}, "corrupted"),
        ({"model": ""}, "'model'"),
    ],
)
async def test_a_transcription_that_cannot_be_is_refused(
    openai: AsyncOpenAI, request_: dict[str, Any], words: str
) -> None:
    with pytest.raises(openai_sdk.BadRequestError, match=words):
        await openai.audio.transcriptions.create(**{"model": "whisper-1", "file": ("x.wav", RECORDING), **request_})


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (wav(0.5), 0.5),
        (wav(0.5)[:-12_000], 0.25),
        (b"RIFF\0\0\0\0WAVE", 12 / 16_000),
        (b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff", 20 / 16_000),
        (bytes(32_000), 2.0),
    ],
)
def test_the_length_of_a_recording_is_measured_or_guessed(data: bytes, seconds: float) -> None:
    assert math.isclose(duration_s(data), seconds)


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=200)
    | st.lists(st.sampled_from([b"--b", b"\r\n", b'name="a"', b"\r\n\r\n", b"--", b"x"])).map(b"".join)
)
def test_any_body_is_a_form_or_refused(body: bytes) -> None:
    request = Request("POST", b"/", {b"content-type": b"multipart/form-data; boundary=b"}, body=body)
    try:
        form = read_form(request)
    except Refused:
        return
    assert b"--b--" in b"\r\n" + body
    assert all(isinstance(text, str) for texts in form.fields.values() for text in texts)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300))
def test_a_file_in_a_form_is_read_as_it_was_sent(data: bytes) -> None:
    parts = b'--b0und\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n' + data + b"\r\n"
    parts += b'--b0und\r\nContent-Disposition: form-data; name="n[]"\r\n\r\n1\r\n--b0und--\r\n'
    form = read_form(Request("POST", b"/", {b"content-type": b'multipart/form-data; boundary="b0und"'}, body=parts))
    assert form.files["f"][0].data == data
    assert form.listed("n") == ["1"]


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ("hello", [[]]),
        (["hello", "that is harassment"], [[], ["harassment"]]),
        ([{"type": "text", "text": "violence"}, {"type": "image_url", "image_url": {"url": "data:,"}}], [["violence"]]),
    ],
)
async def test_a_text_is_flagged_for_what_it_names(openai: AsyncOpenAI, given: Any, flags: list[list[str]]) -> None:
    answer = await openai.moderations.create(model="omni-moderation-latest", input=given)
    found = [[name for name, flag in row.categories.to_dict().items() if flag] for row in answer.results]
    assert found == flags
    assert [row.flagged for row in answer.results] == [bool(each) for each in flags]
    for row in answer.results:
        assert all(
            (score > 0.5) == row.categories.to_dict()[name] for name, score in row.category_scores.to_dict().items()
        )  # type: ignore[operator]
    if isinstance(given[0], dict):
        assert answer.results[0].category_applied_input_types.violence == ["text", "image"]


DOCUMENTS = ["quarterly revenue grew", "the cat sat on the mat", {"text": "a cat"}]


@pytest.mark.parametrize(
    ("more", "order"),
    [({}, [1, 2, 0]), ({"top_n": 1}, [1]), ({"top_n": 9, "return_documents": True}, [1, 2, 0])],
)
async def test_documents_are_ranked_by_the_words_they_share_with_the_query(
    call: Json, more: dict[str, Any], order: list[int]
) -> None:
    body = {"model": "sim-rerank", "query": "where sat the cat on the mat", "documents": DOCUMENTS, **more}
    status, answer = await call("POST", "/v1/rerank", body)
    assert status == 200
    assert [row["index"] for row in answer["results"]] == order
    scores = [row["relevance_score"] for row in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    best = {"text": DOCUMENTS[1]} if "return_documents" in more else None
    assert answer["results"][0].get("document") == best
    assert answer["usage"] == {"prompt_tokens": 21, "total_tokens": 21}
    assert answer["meta"]["billed_units"] == {"search_units": 1}


@pytest.mark.parametrize(("documents", "units"), [(1, 1), (100, 1), (101, 2)])
async def test_a_search_unit_is_a_hundred_documents(call: Json, documents: int, units: int) -> None:
    _, answer = await call("POST", "/v1/rerank", {"model": "m", "query": "q", "documents": ["d"] * documents})
    assert answer["meta"]["billed_units"] == {"search_units": units}
