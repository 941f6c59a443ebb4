"""OpenAI's audio dialects as the registry takes them up."""

from __future__ import annotations

from onevault.core.codec import PLAIN, AnswerWriter, Decoder, Incoming, RequestLine
from onevault.core.faults import Fault
from onevault.dialects.openai.passing_only import OpenAIPassing, ProvidersTypeWriter
from onevault.dialects.openai_audio.answer import (
    PassingAudio,
    PassingSpeechEvents,
    PassingTranscript,
    PassingTranscriptEvents,
)
from onevault.dialects.openai_audio.names import OPENAI_SPEECH, OPENAI_TRANSCRIPTIONS
from onevault.dialects.openai_audio.request import (
    EVENTS,
    SPEECH_PATH,
    TRANSCRIPTIONS_PATH,
    read_speech,
    read_transcription,
)
from onevault.dialects.wire.passing_request import PassingIncoming


class RecordingWriter(ProvidersTypeWriter):
    """Nothing can be written between the bytes of a recording."""

    def comment(self, text: str) -> bytes:
        return b""


class OpenAISpeech(OpenAIPassing):
    """Both sides of openai-speech."""

    dialect = OPENAI_SPEECH
    paths = ("/v1/audio/speech",)
    wire_paths = (SPEECH_PATH,)
    makes = "speaks"

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_speech(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return RecordingWriter()

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        asked = passing.answer_format if isinstance(passing, PassingIncoming) else "mp3"
        if asked == EVENTS:
            return PassingSpeechEvents(characters=0 if passing is None else passing.size.characters)
        return PassingAudio(answer_format=asked)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        """Nothing: whatever is added to a recording is noise in it."""
        return b""


class OpenAITranscriptions(OpenAIPassing):
    """Both sides of openai-transcriptions."""

    dialect = OPENAI_TRANSCRIPTIONS
    paths = ("/v1/audio/transcriptions",)
    wire_paths = (TRANSCRIPTIONS_PATH,)
    takes = "multipart/form-data"
    makes = "writes down what it hears"

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_transcription(body, line)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return ProvidersTypeWriter()

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        if stream:
            return PassingTranscriptEvents()
        return PassingTranscript(
            answer_format=passing.answer_format if isinstance(passing, PassingIncoming) else "json"
        )
