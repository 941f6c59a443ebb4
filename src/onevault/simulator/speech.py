"""OpenAI's speech: ten milliseconds of sound for every character, in pieces or as a stream of events.

Written from platform.openai.com/docs/api-reference/audio/createSpeech.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from onevault.simulator.faults import invalid
from onevault.simulator.openai_format import ERROR_EVENT, OPENAI
from onevault.simulator.openai_reading import check_ranges, missing, read
from onevault.simulator.reply import SSE, Reply, half
from onevault.simulator.sounds import compressed, pcm, wav
from onevault.simulator.tokens import tokens_of
from onevault.simulator.turn import Route, Turn

_CHARACTER_S: Final = 0.01
_TOKEN_S: Final = 0.05
_CHARACTERS_MAX: Final = 4096
_PIECE_BYTES: Final = 4096
_EVENTLESS: Final = ("tts-1", "tts-1-hd")
_TYPES: Final = {
    "mp3": b"audio/mpeg",
    "opus": b"audio/ogg",
    "aac": b"audio/aac",
    "flac": b"audio/flac",
    "wav": b"audio/wav",
    "pcm": b"audio/pcm",
}
_encode: Final = msgspec.json.encode


class SpeechRequest(msgspec.Struct):
    model: str
    input: str
    voice: str | dict[str, Any]
    instructions: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: float | None = None
    stream_format: Literal["sse", "audio"] | None = None


_decoder: Final = msgspec.json.Decoder(SpeechRequest)


def serve(turn: Turn) -> Reply:
    request = read(_decoder, turn.request.body)
    check_ranges(request, (("speed", 0.25, 4),))
    if not request.input:
        raise missing("input")
    if len(request.input) > _CHARACTERS_MAX:
        message = f"Invalid 'input': string too long. Expected a string with maximum length {_CHARACTERS_MAX}."
        raise invalid(message, param="input", code="string_above_max_length")
    if request.stream_format == "sse" and request.model in _EVENTLESS:
        raise invalid(f"stream_format 'sse' is not supported for '{request.model}'.", param="stream_format")
    events = request.stream_format == "sse"
    text = turn.enter(request.model, text=request.input, stream=events)
    duration_s = len(text) * _CHARACTER_S / (request.speed or 1)
    spoken = _spoken(request.response_format or "mp3", duration_s)
    tokens = math.ceil(duration_s / _TOKEN_S)
    read_tokens = tokens_of(text) + tokens_of(request.instructions or "")
    turn.call.output_tokens = tokens
    turn.state.log.stats.input_tokens += read_tokens
    if events:
        usage = {"input_tokens": read_tokens, "output_tokens": tokens, "total_tokens": read_tokens + tokens}
        told = None if turn.behaviour.no_usage else usage
        return Reply(200, events=_events(spoken, told), content_type=SSE, output_tokens=tokens, error_event=ERROR_EVENT)
    kind = _TYPES[request.response_format or "mp3"]
    return Reply(200, events=_pieces(spoken), content_type=kind, output_tokens=tokens, broken=half)


def _spoken(kind: str, duration_s: float) -> bytes:
    match kind:
        case "wav":
            return wav(duration_s)
        case "pcm":
            return pcm(duration_s)
        case _:
            return compressed(kind, duration_s)


def _pieces(spoken: bytes) -> Iterator[bytes]:
    for at in range(0, len(spoken), _PIECE_BYTES):
        yield spoken[at : at + _PIECE_BYTES]


def _events(spoken: bytes, usage: dict[str, int] | None) -> Iterator[bytes]:
    for piece in _pieces(spoken):
        yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
    yield _event({"type": "speech.audio.done"} | ({"usage": usage} if usage is not None else {}))


def _event(data: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _encode(data)


ROUTES: Final = (Route("POST", "/v1/audio/speech", serve, OPENAI),)
