"""Reads requests to speak a text or to write down what a file says: valid or a fault, sized, ready to be passed on.

Source: OpenAI API reference, "Create speech" and "Create transcription". Speech is sized by the characters to speak, and by the tokens
that these can be; a transcription by how long its file can last.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from onevault.core.codec import InputSize, RequestLine
from onevault.core.operations import Operation
from onevault.dialects.openai_audio.names import OPENAI_SPEECH, OPENAI_TRANSCRIPTIONS
from onevault.dialects.wire.audio_length import audio_ms_at_most, wav_ms
from onevault.dialects.wire.extensions import ExtendedBody, extensions_of
from onevault.dialects.wire.input_size import AUDIO_BYTES_PER_MS_ESTIMATED, text_size
from onevault.dialects.wire.json_body import decoded, invalid
from onevault.dialects.wire.multipart import read_form
from onevault.dialects.wire.passing_request import PassingIncoming, checked_model, form_extensions

SPEECH_PATH = "/audio/speech"
TRANSCRIPTIONS_PATH = "/audio/transcriptions"

EVENTS = "sse"
AUDIO_TOKENS_MIN = 1_000
AUDIO_TOKENS_PER_CHARACTER_MAX = 8
"""gpt-4o-mini-tts takes about 21 tokens for a second, and no language is read at fewer than three characters a second; a short
text may be read as slowly as its instructions ask."""
AUDIO_TOKENS_PER_S_MAX = 50
"""Models that hear charge 10 to 32 tokens for a second."""


class SpeechBody(ExtendedBody, frozen=True, kw_only=True):
    """`voice` is a name, or at some servers an object; other fields pass unread."""

    input: Annotated[str, Meta(min_length=1)]
    model: str | None = None
    voice: str | dict[str, msgspec.Raw] | None = None
    response_format: str | None = None
    speed: Annotated[float, Meta(gt=0)] | None = None
    stream_format: Literal["sse", "audio"] | None = None


class TranscriptionForm(msgspec.Struct, frozen=True, kw_only=True):
    model: str | None = None
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"] | None = None
    stream: bool | None = None
    language: str | None = None
    prompt: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None


_SPEECH_BODY = msgspec.json.Decoder(SpeechBody)
_TRANSCRIPTION_FORM = msgspec.json.Decoder(TranscriptionForm, strict=False)
"""Not strict: a form's values are all texts."""


def read_speech(body: bytes) -> PassingIncoming:
    """Its answer is always passed as it comes. Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is
    not built yet."""
    parsed = decoded(_SPEECH_BODY, body)
    characters = len(parsed.input)
    return PassingIncoming(
        body=body,
        path=SPEECH_PATH,
        dialect=OPENAI_SPEECH,
        operation=Operation.SPEECH,
        model=checked_model(parsed.model),
        size=msgspec.structs.replace(text_size(len(body), tools=False), characters=characters),
        extensions=extensions_of(parsed),
        stream=True,
        answer_format=EVENTS if parsed.stream_format == EVENTS else parsed.response_format or "mp3",
        output_tokens_asked=AUDIO_TOKENS_MIN + characters * AUDIO_TOKENS_PER_CHARACTER_MAX,
    )


def read_transcription(body: bytes, line: RequestLine) -> PassingIncoming:
    """Raises as `read_speech` does."""
    form = read_form(body, line.content_type)
    texts = form.texts()
    parsed = decoded(_TRANSCRIPTION_FORM, msgspec.json.encode(texts))
    files = form.files("file")
    if not files or not files[0].data:
        raise invalid("file", "is missing" if not files else "must not be empty")
    if len(files) > 1:
        raise invalid("file", "may be one file at most")
    data = files[0].data
    return PassingIncoming(
        body=body,
        form=form,
        path=TRANSCRIPTIONS_PATH,
        dialect=OPENAI_TRANSCRIPTIONS,
        operation=Operation.TRANSCRIPTION,
        model=checked_model(parsed.model),
        size=_size(data, parsed.prompt or ""),
        extensions=form_extensions(texts),
        stream=parsed.stream is True,
        answer_format=parsed.response_format or "json",
    )


_BILLED_MS = 1000
"""Providers report, and charge for, whole seconds (OpenAI: `{"type": "duration", "seconds": 3}`)."""


def _size(data: bytes, prompt: str) -> InputSize:
    exact = wav_ms(data)
    ms = audio_ms_at_most(data) if exact is None else exact
    tokens = 1 + ms * AUDIO_TOKENS_PER_S_MAX // 1000
    text = text_size(len(prompt.encode()), tools=False)
    return msgspec.structs.replace(
        text,
        tokens_at_most=text.tokens_at_most + tokens,
        tokens_estimated=text.tokens_estimated + max(tokens // 20, 1),
        audio_ms_at_most=-(-ms // _BILLED_MS) * _BILLED_MS,
        audio_ms_estimated=len(data) // AUDIO_BYTES_PER_MS_ESTIMATED if exact is None else exact,
    )
