"""A stream that breaks tells what came before the break, however the network joined the provider's writes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onevault.core.events import Event
from onevault.core.faults import Fault, FaultKind
from onevault.dialects.bedrock.eventstream import MessageCutter
from onevault.dialects.registry import CODECS

PROVIDERS = Path(__file__).parents[2] / "golden" / "provider"
BROKEN = {"ollama-chat": b"}{\n", "bedrock-converse": b"\0" * 64}
"""What no event is. The other dialects cut at blank lines."""


def stream_of(dialect: str) -> bytes:
    told: Any = json.loads((PROVIDERS / f"{dialect}.json").read_text(encoding="utf-8"))["stream"]["text"]
    return told.replace("\r\n", "\n").encode() if isinstance(told, str) else base64.b64decode(told["base64"])


def first_half(dialect: str, raw: bytes) -> bytes:
    """Of its events, whole."""
    if dialect == "bedrock-converse":
        sizes = [i for i in range(1, len(raw)) if sum(1 for _ in MessageCutter().feed(raw[:i])) >= 3]
        return raw[: sizes[0]]
    end = b"\n" if dialect == "ollama-chat" else b"\n\n"
    events = raw.split(end)[:-1]
    return b"".join(event + end for event in events[: max(1, len(events) // 2)])


@pytest.mark.parametrize("dialect", sorted(file.stem for file in PROVIDERS.glob("*.json")))
def test_what_came_before_the_break_is_read(dialect: str) -> None:
    sound = first_half(dialect, stream_of(dialect))
    expected: list[Event] = CODECS[dialect].decoder(stream=True, passing=None).feed(sound)
    assert expected
    with pytest.raises(Fault) as broken:
        CODECS[dialect].decoder(stream=True, passing=None).feed(sound + BROKEN.get(dialect, b"data: }{\n\n"))
    assert broken.value.kind is FaultKind.PROVIDER_ERROR
    assert list(map(msgspec.to_builtins, broken.value.read_before)) == list(map(msgspec.to_builtins, expected))
