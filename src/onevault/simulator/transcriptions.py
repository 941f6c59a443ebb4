"""OpenAI's transcriptions: text made from the recording's bytes, in every shape that is offered, whole or as a stream.

Written from platform.openai.com/docs/api-reference/audio/createTranscription.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from onevault.simulator.ask import Ask, Choice
from onevault.simulator.faults import Refused, invalid
from onevault.simulator.multipart import Form, read_form
from onevault.simulator.openai_chat import logprob
from onevault.simulator.openai_format import ERROR_EVENT, OPENAI
from onevault.simulator.openai_reading import missing, unsupported
from onevault.simulator.reply import SSE, Reply
from onevault.simulator.sounds import duration_s
from onevault.simulator.tokens import pieces_of, tokens_of
from onevault.simulator.turn import Route, Turn

_BY_DURATION: Final = ("whisper-1", "sim-transcribe")
"""Models that are paid by the second, know every shape, and do not stream; others are paid by the token."""

_SHAPES: Final = {True: ("json", "text", "srt", "verbose_json", "vtt"), False: ("json", "text")}
_TOKENS_S: Final = 10
_SEGMENT_WORDS: Final = 8
_TEXT: Final = b"text/plain; charset=utf-8"
_encode: Final = msgspec.json.encode


def serve(turn: Turn) -> Reply:
    form = read_form(turn.request)
    model = turn.parts.get("model") or form.required("model")
    files = form.files.get("file")
    if not files:
        raise missing("file")
    shape = form.text("response_format") or "json"
    timed = model in _BY_DURATION
    if shape not in _SHAPES[timed]:
        raise unsupported("response_format", shape, ", ".join(f"'{known}'" for known in _SHAPES[timed]))
    if not files[0].data:
        raise _unreadable()
    stream = form.text("stream") == "true" and not timed
    seconds = duration_s(files[0].data)
    heard = math.ceil(seconds * _TOKENS_S)
    prompt = form.text("prompt")
    ask = Ask(
        model=model,
        content=_encode((model, turn.state.ring.digest(files[0].data), prompt, form.text("language"))),
        user_text=prompt,
        prompt_tokens=heard + tokens_of(prompt),
        max_tokens=None,
    )
    answer = turn.answer(ask, stream=stream)
    usage: dict[str, Any] = {"type": "duration", "seconds": math.ceil(seconds)}
    if not timed:
        usage = {
            "type": "tokens",
            "input_tokens": ask.prompt_tokens,
            "input_token_details": {"text_tokens": tokens_of(prompt), "audio_tokens": heard},
            "output_tokens": answer.output_tokens,
            "total_tokens": ask.prompt_tokens + answer.output_tokens,
        }
    heard_text = _Heard(form, answer.choices[0], seconds, None if turn.behaviour.no_usage else usage)
    if stream:
        events = heard_text.events()
        tokens = answer.output_tokens
        return Reply(200, events=events, content_type=SSE, output_tokens=tokens, error_event=ERROR_EVENT)
    return heard_text.shaped(shape)


def _unreadable() -> Refused:
    message = "Audio file might be corrupted or unsupported."
    return invalid(message, param="file", code="invalid_value")


class _Heard:
    """What was heard in a recording, and how long it is."""

    def __init__(self, form: Form, choice: Choice, seconds: float, usage: dict[str, Any] | None) -> None:
        self._text = choice.text or choice.refusal
        self._seconds = seconds
        self._usage = {} if usage is None else {"usage": usage}
        self._words = "word" in form.listed("timestamp_granularities")
        self._logprobs = "logprobs" in form.listed("include")
        self._language = form.text("language") or "english"

    def shaped(self, shape: str) -> Reply:
        match shape:
            case "text":
                return Reply(200, f"{self._text}\n".encode(), content_type=_TEXT)
            case "srt":
                return Reply(200, self._subtitles("", ","), content_type=_TEXT)
            case "vtt":
                return Reply(200, self._subtitles("WEBVTT\n\n", "."), content_type=_TEXT)
            case "verbose_json":
                return Reply(200, _encode(self._verbose()))
            case _:
                logprobs = {"logprobs": self._rows(self._text)} if self._logprobs else {}
                return Reply(200, _encode({"text": self._text, **logprobs, **self._usage}))

    def events(self) -> Iterator[bytes]:
        for piece in pieces_of(self._text):
            logprobs = {"logprobs": self._rows(piece)} if self._logprobs else {}
            yield _event({"type": "transcript.text.delta", "delta": piece, **logprobs})
        logprobs = {"logprobs": self._rows(self._text)} if self._logprobs else {}
        yield _event({"type": "transcript.text.done", "text": self._text, **logprobs, **self._usage})

    def _rows(self, text: str) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in logprob(piece, 0).items() if name != "top_logprobs"}
            for piece in pieces_of(text)
        ]

    def _spans(self, words_each: int) -> list[tuple[float, float, str]]:
        """Start, end and text of each so many words, as if all were spoken equally fast."""
        words = self._text.split()
        step_s = self._seconds / max(1, len(words))
        return [
            (
                round(at * step_s, 3),
                round(min(at + words_each, len(words)) * step_s, 3),
                " ".join(words[at : at + words_each]),
            )
            for at in range(0, len(words), words_each)
        ]

    def _verbose(self) -> dict[str, Any]:
        segments = [
            {
                "id": index,
                "seek": 0,
                "start": start,
                "end": end,
                "text": f" {text}",
                "tokens": list(range(50_364, 50_364 + tokens_of(text))),
                "temperature": 0.0,
                "avg_logprob": -0.125,
                "compression_ratio": 1.0,
                "no_speech_prob": 0.01,
            }
            for index, (start, end, text) in enumerate(self._spans(_SEGMENT_WORDS))
        ]
        verbose = {"task": "transcribe", "language": self._language, "duration": round(self._seconds, 3)}
        verbose |= {"text": self._text, "segments": segments, **self._usage}
        if self._words:
            verbose["words"] = [{"word": text, "start": start, "end": end} for start, end, text in self._spans(1)]
        return verbose

    def _subtitles(self, head: str, point: str) -> bytes:
        numbered = not head
        blocks = [
            (f"{index}\n" if numbered else "") + f"{_clock(start, point)} --> {_clock(end, point)}\n{text}\n"
            for index, (start, end, text) in enumerate(self._spans(_SEGMENT_WORDS), start=1)
        ]
        return (head + "\n".join(blocks)).encode()


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _encode(data)


ROUTES: Final = (Route("POST", "/v1/audio/transcriptions", serve, OPENAI),)
