"""What real providers accepted the simulator accepts, and its answers have no field that theirs lack."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onevault.simulator.calls import Call
from onevault.simulator.provider import Provider
from onevault.simulator.request import Request
from onevault.simulator.settings import Settings
from onevault.simulator.state import State
from onevault.simulator.vertex_tokens import new_token

RECORDINGS = Path(os.environ.get("ONEVAULT_RECORDINGS", Path(__file__).parents[3] / ".." / "shared" / "recorded"))
SETTINGS = Settings(directives=False)
OPERATIONS = re.compile(
    r":(generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents|predict)\b"
    r"|/converse(-stream)?$|/count-tokens$|embed[^/]*/invoke$"
)
UNSAID = re.compile(r"\.(args|input|values|groundingMetadata|trace)\b")
UNRECORDED = ".candidates.content.parts.inlineData"  # no model was recorded while it drew
PROVIDERS = pytest.mark.parametrize("provider", ["gemini", "vertex", "bedrock"])


def recorded(provider: str) -> Iterator[dict[str, Any]]:
    """The exchanges of the simulated operations that the provider accepted, those whose request is whole."""
    path = RECORDINGS / f"{provider}.jsonl"
    if not path.exists():
        pytest.skip("no recordings here")
    with path.open() as lines:
        for line in lines:
            exchange = json.loads(line)
            if (
                OPERATIONS.search(exchange["path"])
                and exchange["status"] == 200
                and is_json(bytes_of(exchange["request"]))
            ):
                yield exchange


def is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def bytes_of(body: dict[str, str] | None) -> bytes:
    body = body or {}
    return body["text"].encode() if "text" in body else base64.b64decode(body.get("base64", ""))


def ask(path: str, body: bytes) -> tuple[int, bytes]:
    token = new_token(State(SETTINGS).ring, int(time.time()) + 60, "robot@example.com")
    headers = {b"authorization": b"Bearer " + token.encode(), b"x-goog-api-key": b"key"}
    reply, _ = Provider(SETTINGS).answer(Request("POST", path.encode(), headers, body=body), Call("POST", path, 0.0))
    return reply.status, reply.body if reply.events is None else b"".join(reply.events)


@PROVIDERS
def test_what_a_provider_accepted_is_accepted(provider: str) -> None:
    refused = []
    for exchange in recorded(provider):
        status, answer = ask(exchange["path"], bytes_of(exchange["request"]))
        if status != 200:
            refused.append((exchange["path"], answer))
    assert refused == []


def fields(value: Any, place: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield f"{place}.{name}"
            if not UNSAID.search(f"{place}.{name}"):
                yield from fields(member, f"{place}.{name}")
    elif isinstance(value, list):
        for member in value:
            yield from fields(member, place)


@pytest.mark.parametrize(
    ("provider", "operation"),
    [("gemini", ":generateContent"), ("vertex", ":generateContent"), ("bedrock", "/converse")],
)
def test_an_answer_has_no_field_that_the_providers_answers_lack(provider: str, operation: str) -> None:
    theirs: set[str] = set()
    ours: set[str] = set()
    for exchange in recorded(provider):
        if exchange["path"].endswith(operation):
            theirs.update(fields(json.loads(bytes_of(exchange["response"]))))
            ours.update(fields(json.loads(ask(exchange["path"], bytes_of(exchange["request"]))[1])))
    assert {field for field in ours - theirs if not field.startswith(UNRECORDED)} == set()
