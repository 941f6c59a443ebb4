"""The calls that are made: one prompt for every gateway, whole and streamed, and what a right answer has in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.settings import STREAM_EVENTS, STREAM_EVENTS_PER_S

OPENAI_MODEL: Final = "gpt-4o-mini"
ANTHROPIC_MODEL: Final = "claude-sonnet-4-5"

_END: Final = "that is all of it."
_ANSWER: Final = ("The quick brown fox jumps over the lazy dog near the river bank. " * 6)[: 400 - len(_END)] + _END
"""About 100 tokens; its end is what a right answer must have in it."""
_PROSE: Final = "Please read the following notes with care, weigh what they say, and answer in a few plain sentences. "


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request in OpenAI's chat dialect, and what its answer must show. `events` is how many the upstream streams."""

    name: str
    model: str
    body: bytes
    marker: bytes
    events: int = 0

    @property
    def translated(self) -> bool:
        return self.model == ANTHROPIC_MODEL


def _case(name: str, model: str, directives: str, *, prompt_bytes: int, events: int = 0) -> Case:
    directive = f"[[simulate: {directives}]]"
    prose = (_PROSE * (prompt_bytes // len(_PROSE) + 1))[: prompt_bytes - len(directive) - 1]
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": f"{prose} {directive}"},
    ]
    body = {"model": model, "messages": messages, "max_tokens": 1_024, "temperature": 0.5}
    if events:
        body["stream"] = True
    marker = b"[DONE]" if events else _END.encode()
    return Case(name=name, model=model, body=json.dumps(body).encode(), marker=marker, events=events)


def stream(
    model: str, *, events: int = STREAM_EVENTS, events_per_s: float = STREAM_EVENTS_PER_S, name: str = "stream"
) -> Case:
    """A stream of so many events at a pace; 0: as fast as they can be written."""
    pace = f"; pace={events_per_s:g}" if events_per_s else ""
    return _case(name, model, f"output_tokens={events}{pace}", prompt_bytes=1_000, events=events)


def whole(*, latency_ms: int, name: str) -> Case:
    """The whole call of the figures, answered by an upstream that takes so long."""
    return _case(name, OPENAI_MODEL, f'text="{_ANSWER}"; latency_ms={latency_ms}', prompt_bytes=1_000)


WHOLE: Final = _case("whole", OPENAI_MODEL, f'text="{_ANSWER}"', prompt_bytes=1_000)
WHOLE_5KB: Final = _case("whole_5kb", OPENAI_MODEL, f'text="{_ANSWER}"', prompt_bytes=5_000)
WHOLE_TRANSLATED: Final = _case("whole_translated", ANTHROPIC_MODEL, f'text="{_ANSWER}"', prompt_bytes=1_000)
STREAM: Final = stream(OPENAI_MODEL)
STREAM_TRANSLATED: Final = stream(ANTHROPIC_MODEL, name="stream_translated")
STREAM_BURST: Final = stream(OPENAI_MODEL, events_per_s=0, name="stream_burst")
STREAM_BURST_TRANSLATED: Final = stream(ANTHROPIC_MODEL, events_per_s=0, name="stream_burst_translated")


def http_request(port: int, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The request as one piece of bytes, ready to be written again and again."""
    head = {
        "host": f"127.0.0.1:{port}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body
