"""`python -m bench.dialects`: what a streamed event costs to translate, for every pair of dialects, without sockets.

Each provider's fixture stream of text is made longer by repeating what lies between its first and last deltas; a round decodes and
writes it in pieces of one event, as a paced provider sends them. Processor time, median of rounds.
"""

from __future__ import annotations

import base64
import json
import re
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from onevault.core.codec import Incoming
from onevault.core.events import ChoiceEnded, Event, Finished, TextAdded
from onevault.dialects.bedrock import eventstream
from onevault.dialects.registry import CODECS, INGRESS

FIXTURES = Path(__file__).parents[1] / "tests" / "golden" / "provider"
EVENTS = 2_000
ROUNDS = 7
CALLERS = {
    "openai-chat": b'{"stream":true,"messages":[{"role":"user","content":"x"}]}',
    "openai-responses": b'{"stream":true,"input":"x"}',
    "anthropic-messages": b'{"stream":true,"max_tokens":9,"messages":[{"role":"user","content":"x"}]}',
    "own": b'{"stream":true,"prompt":"x"}',
    "gemini": b'{"contents":[{"role":"user","parts":[{"text":"x"}]}]}',
}
_FRAME_END = re.compile(rb"\r?\n\r?\n")


def frames_of(dialect: str) -> list[bytes]:
    """A provider's stream, cut into its events, the middle one repeated."""
    told = json.loads((FIXTURES / f"{dialect}.json").read_text(encoding="utf-8"))["stream"]["text"]
    body = told.encode() if isinstance(told, str) else base64.b64decode(told["base64"])
    frames = _cut(dialect, body)
    decoder = CODECS[dialect].decoder(stream=True, passing=None)
    read = [decoder.feed(frame) for frame in frames]
    delta = max(place for place, events in enumerate(read) if {*map(type, events)} & {TextAdded} and not _ends(events))
    return [*frames[:delta], *[frames[delta]] * EVENTS, *frames[delta + 1 :]]


def _ends(events: list[Event]) -> bool:
    return any(isinstance(event, ChoiceEnded | Finished) for event in events)


def _cut(dialect: str, body: bytes) -> list[bytes]:
    if dialect == "bedrock-converse":
        found, place = [], 0
        while place < len(body):
            total = int.from_bytes(body[place : place + 4])
            found.append(body[place : place + total])
            place += total
        return found
    if dialect == "ollama-chat":
        return body.splitlines(keepends=True)
    found, place = [], 0
    for end in _FRAME_END.finditer(body):
        found.append(body[place : end.end()])
        place = end.end()
    return found


def cost_us(frames: list[bytes], target: str, incoming: Incoming | None, caller: str | None) -> float:
    """Microseconds of processor time an event: decoding alone where there is no caller."""

    def once() -> float:
        decoder = CODECS[target].decoder(stream=True, passing=None)
        write: Callable[..., bytes] | None = None
        if caller is not None and incoming is not None:
            write = INGRESS[caller].writer(incoming, request_id="r", created_s=1).write
        began = time.process_time_ns()
        for frame in frames:
            events = decoder.feed(frame)
            if write is not None and events and type(events[-1]) is not Finished:
                write(events)
        return (time.process_time_ns() - began) / 1_000 / len(frames)

    return statistics.median(once() for _ in range(ROUNDS))


def parser_us() -> float:
    """Microseconds an event of the binary event stream takes to be parsed, both checksums included."""
    named = (
        (b":event-type", b"contentBlockDelta"),
        (b":content-type", b"application/json"),
        (b":message-type", b"event"),
    )
    head = b"".join(len(name).to_bytes() + name + b"\x07" + len(text).to_bytes(2) + text for name, text in named)
    payload = b'{"contentBlockIndex":0,"delta":{"text":" word"},"p":"abcdefghij"}'
    start = (16 + len(head) + len(payload)).to_bytes(4) + len(head).to_bytes(4)
    message = start + zlib.crc32(start).to_bytes(4) + head + payload
    message += zlib.crc32(message).to_bytes(4)

    def once() -> float:
        parser = eventstream.MessageCutter()
        began = time.process_time_ns()
        for _ in range(EVENTS):
            parser.feed(message)
        return (time.process_time_ns() - began) / 1_000 / EVENTS

    return statistics.median(once() for _ in range(ROUNDS))


def main() -> None:
    targets = sorted(path.stem for path in FIXTURES.glob("*.json") if path.stem in CODECS)
    rows = ["| µs an event | decoded | " + " | ".join(CALLERS) + " |", "|---|" + "---|" * (len(CALLERS) + 1)]
    worst = 0.0
    for target in targets:
        frames = frames_of(target)
        figures = [cost_us(frames, target, None, None)]
        for caller, body in CALLERS.items():
            incoming = INGRESS[caller].read(body)
            figures.append(cost_us(frames, target, incoming, caller))
        worst = max(worst, *figures)
        rows.append(f"| {target} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")
    rows.append(f"\nWorst pair: {worst:.1f} µs. Binary event stream: {parser_us():.1f} µs an event.")
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
