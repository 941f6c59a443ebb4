"""What is unusual and right is served; these calls cost something."""

from __future__ import annotations

import pytest

from tests.flow.hostile import Hostile
from tests.support.raw_http import chunked, converse, request
from tests.support.surfaces import CHAT, MESSAGES, SURFACES, Surface


def valid(hostile: Hostile, surface: Surface = CHAT, **more: object) -> bytes:
    return request("POST", surface.path, surface.body(), key=hostile.key, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_unusual_requests_that_are_right_are_served(hostile: Hostile, surface: Surface) -> None:
    h2c = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAARAAAAAAAIAAAAA"}
    slow = valid(hostile, surface)
    chunks = request("POST", surface.path, b"", key=hostile.key, headers={"transfer-encoding": "chunked"})
    unusual = {
        "HTTP/1.0": [valid(hostile, surface, version="1.0")],
        "byte by byte": [slow[at : at + 40] for at in range(0, len(slow), 40)],
        "chunks": [chunks + chunked(surface.body(), 7)],
        "no content type": [valid(hostile, surface, headers={"content-type": ""}).replace(b"content-type: \r\n", b"")],
        "a content type with parameters": [valid(hostile, surface, headers={"content-type": "Application/JSON; charset=utf-8"})],
        "an offer to upgrade": [valid(hostile, surface, headers=h2c, close=False)],
        "a websocket's offer": [valid(hostile, surface, headers={"connection": "upgrade", "upgrade": "websocket"})],
        "identity": [valid(hostile, surface, headers={"content-encoding": "identity"})],
        "spaces around": [request("POST", surface.path, b"\r\n " + surface.body() + b"\n\n", key=hostile.key)],
        "900 levels": [request("POST", surface.path, surface.body(extra=nested(900)), key=hostile.key)],
        "a path with escapes": [valid(hostile, surface).replace(b"/v1/", b"/%76%31/")],
        "a key in lower case's scheme": [request("POST", surface.path, surface.body(), headers={"AUTHORIZATION": f"bearer {hostile.key}"})],
        "the key as a query": [request("POST", f"{surface.path}?key={hostile.key}", surface.body())],
        "an empty line first": [b"\r\n" + valid(hostile, surface)],
    }  # fmt: skip
    for case, pieces in unusual.items():
        said = converse(hostile.port, *pieces, pause_s=0.001, one_is_enough=True)
        assert [answer.status for answer in said.answers] == [200], (case, said.received[:500])
    expecting = converse(hostile.port, valid(hostile, surface, headers={"expect": "100-continue"}))
    assert expecting.received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def nested(levels: int) -> list[object]:
    found: list[object] = []
    for _ in range(levels):
        found = [found]
    return found


def test_pipelined_requests_are_answered_in_their_order(hostile: Hostile) -> None:
    several = [
        valid(hostile, CHAT, close=False),
        request("GET", "/health", close=False),
        valid(hostile, MESSAGES, close=False),
        request("POST", MESSAGES.path, b"{", key=hostile.key, close=False),
        request("GET", "/nothing", close=False),
        valid(hostile, CHAT),
    ]
    said = converse(hostile.port, b"".join(several))
    assert [answer.status for answer in said.answers] == [200, 200, 200, 400, 404, 200]
    assert said.answers[2].json["type"] == "message"
    behind = converse(
        hostile.port, valid(hostile, headers={"upgrade": "h2c", "connection": "upgrade"}, close=False) * 3
    )
    assert [answer.status for answer in behind.answers] == [200, 200, 200]


def test_what_follows_a_call_and_is_not_http_is_never_taken_for_its_answer(hostile: Hostile) -> None:
    slow = CHAT.body(messages=[{"role": "user", "content": "Hello [[simulate: latency_ms=200]]"}])
    said = converse(
        hostile.port, request("POST", CHAT.path, slow, key=hostile.key, close=False) + b"\x00garbage\r\n\r\n"
    )
    assert said.received == b""
    assert said.closed


def test_of_a_model_written_twice_one_is_sent_and_it_is_the_one_that_was_allowed(hostile: Hostile) -> None:
    for written in (b'"model":"gpt-4o",', b'"mod\\u0065l":"gpt-4o",', b'"Model":"gpt-4o","MODEL":"gpt-4o",'):
        hostile.simulator.reset()
        body = b"{" + written + CHAT.body()[1:]
        answer = converse(hostile.port, request("POST", CHAT.path, body, key=hostile.narrow_key)).answer
        assert answer.status == 200, answer.body
        assert [call["model"] for call in hostile.simulator.calls()] == ["gpt-4o-mini"]


def test_metadata_and_strange_fields_reach_no_header(hostile: Hostile) -> None:
    evil = "x\r\nset-cookie: injected=1\r\n\r\n"
    for surface, model in ((CHAT, "claude-haiku-4-5"), (MESSAGES, "gpt-4o-mini"), (CHAT, "gpt-4o-mini")):
        strange = {f"{evil}{number}": evil for number in range(1_000)}
        own = {"metadata": {"evil": evil}} if surface is CHAT else {"metadata": {"user_id": evil}}
        answer = converse(
            hostile.port, request("POST", surface.path, surface.body(model=model, **own, **strange), key=hostile.key)
        ).answer
        assert answer.status == 200, answer.body
        assert not [name for name, value in answer.headers if name == "set-cookie" or "\n" in value]
        assert sum(len(name) + len(value) for name, value in answer.headers) < 8_000
