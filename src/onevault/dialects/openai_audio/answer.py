"""Watches audio and transcripts go by: which usage is reported, and whether the answer is complete."""

from __future__ import annotations

from typing import Any

import msgspec

from onevault.core.events import Event, Finished, Passed, UsageReported
from onevault.core.usage import NO_USAGE, Usage
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.wire.answers_passed import EventsOrWhole
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.media_usage import MediaUsage, media_usage_of, ms_of
from onevault.dialects.wire.provider_faults import cut_short, malformed

_BYTES_PER_S = {"mp3": 16_000, "opus": 4_000, "aac": 16_000, "flac": 24_000, "wav": 48_000, "pcm": 48_000}
"""About what OpenAI makes of a second of speech (samples: 24,000 of 16 bits)."""
_OUTPUT_BYTES_PER_S = 84
"""gpt-4o-mini-tts takes about 21 tokens for a second, and generated text is taken for a token every four bytes."""
_ERROR = b'{"error"'
_JSON_FORMATS = frozenset({"json", "verbose_json", "diarized_json"})


class SeenSpeech(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    audio: str | None = None
    usage: MediaUsage | None = None
    error: Any = None


class SeenTranscript(msgspec.Struct, frozen=True, gc=False):
    """An event (`delta`, or `text` with the usage at the end), or a whole transcript. `duration` in seconds, a text in some."""

    type: str = ""
    delta: str | None = None
    text: str | None = None
    usage: MediaUsage | None = None
    duration: float | str | None = None
    error: Any = None


_SPEECH = msgspec.json.Decoder(SeenSpeech).decode
_TRANSCRIPT = msgspec.json.Decoder(SeenTranscript).decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class PassingAudio:
    """Passes the bytes of a recording as they come; it is complete when they end.

    No usage comes with it. The characters spoken are in the request's size, for models that charge by them; for those that charge
    by the token its length is told as output.
    """

    __slots__ = ("_begun", "_bytes", "_bytes_per_s", "_counted")

    def __init__(self, *, answer_format: str) -> None:
        self._bytes_per_s = _BYTES_PER_S.get(answer_format, _BYTES_PER_S["mp3"])
        self._begun = b""
        self._bytes = 0
        self._counted = 0

    def feed(self, data: bytes) -> list[Event]:
        if not data:
            return []
        if self._bytes == 0:
            # An error inside a 200 answer shows in its first bytes; until there are enough of them, nothing is passed.
            data, self._begun = self._begun + data, b""
            if len(data) < len(_ERROR) and _ERROR.startswith(data):
                self._begun = data
                return []
            if data.startswith(_ERROR):
                raise malformed("an error where audio was to come")
        return [self._passed(data)]

    def _passed(self, data: bytes) -> Passed:
        self._bytes += len(data)
        total = self._bytes * _OUTPUT_BYTES_PER_S // self._bytes_per_s
        counted, self._counted = total - self._counted, total
        return Passed(data, counted)

    def close(self) -> list[Event]:
        rest: list[Event] = [self._passed(self._begun)] if self._begun else []
        if self._bytes == 0:
            raise cut_short()
        return [*rest, Finished()]


class PassingSpeechEvents(EventsOrWhole):
    """Passes audio as events; `speech.audio.done` is the last of them and has the usage, all of whose output is audio."""

    __slots__ = ("_characters",)

    def __init__(self, *, characters: int) -> None:
        super().__init__()
        self._characters = characters

    def seen(self, data: bytes, events: list[Event]) -> int:
        try:
            event = _SPEECH(data)
        except _NOT_JSON:
            raise malformed("an event that is not in its dialect", data) from None
        if event.error is not None or event.type == "error":
            raise fault_in_stream(event.error)
        if event.type == "speech.audio.done":
            self._complete = True
            if event.usage is not None:
                usage = media_usage_of(event.usage, certain=Usage(characters=self._characters))
                usage = msgspec.structs.replace(usage, output_audio_tokens=usage.output_tokens)
                events.append(UsageReported(usage))
        audio_bytes = len(event.audio or "") * 3 // 4
        return audio_bytes * _OUTPUT_BYTES_PER_S // _BYTES_PER_S["mp3"]

    def whole(self, body: bytes) -> list[Event]:
        raise malformed("a document where audio was to come")


def _transcribed(body: bytes) -> list[Event]:
    """A whole transcript in JSON. A usage of tokens or seconds counts before a duration."""
    try:
        seen = _TRANSCRIPT(body)
    except _NOT_JSON:
        raise malformed("an answer that is not in its dialect", body) from None
    if seen.error is not None:
        raise fault_in_stream(seen.error)
    if seen.text is None:
        raise malformed("an answer without a transcript", body)
    passed = Passed(body, len(seen.text.encode(errors="replace")))
    told = Usage(audio_ms=_ms_of_duration(seen.duration) or 0)
    if seen.usage is not None:
        told = media_usage_of(seen.usage, certain=told)
    return [passed, *([UsageReported(told)] if told != NO_USAGE else []), Finished()]


def _ms_of_duration(duration: float | str | None) -> int | None:
    try:
        return ms_of(float(duration)) if duration is not None else None
    except ValueError:
        return None


class PassingTranscript(WholeDecoder):
    """Passes a whole transcript. One that is plain text or subtitles reports nothing."""

    __slots__ = ("_in_json",)

    def __init__(self, *, answer_format: str) -> None:
        super().__init__()
        self._in_json = answer_format in _JSON_FORMATS

    def decoded(self, body: bytes) -> list[Event]:
        if self._in_json or body.startswith(_ERROR):
            return _transcribed(body)
        try:
            body.decode()
        except UnicodeDecodeError:
            raise malformed("an answer that is not text", body) from None
        return [Passed(body, len(body)), Finished()]


class PassingTranscriptEvents(EventsOrWhole):
    """Passes a transcript as events; `transcript.text.done` is the last of them and has the usage."""

    __slots__ = ()

    def seen(self, data: bytes, events: list[Event]) -> int:
        try:
            event = _TRANSCRIPT(data)
        except _NOT_JSON:
            raise malformed("an event that is not in its dialect", data) from None
        if event.error is not None or event.type == "error":
            raise fault_in_stream(event.error)
        if event.type == "transcript.text.done":
            self._complete = True
            if event.usage is not None:
                events.append(UsageReported(media_usage_of(event.usage)))
        return len((event.delta or "").encode(errors="replace"))

    def whole(self, body: bytes) -> list[Event]:
        return _transcribed(body)
