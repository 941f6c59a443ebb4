"""Whatever a client does with HTTP itself: a clear answer or none, bounded in time, and nothing held, charged or sent."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from tests.flow.hostile import Hostile
from tests.support.processes import http
from tests.support.raw_http import RawAnswer, chunked, converse, request
from tests.support.surfaces import CHAT, MESSAGES, SURFACES, Surface

CONNECTIONS = 1_000
EVERY = pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)


@pytest.fixture(autouse=True)
def _nothing_happens(hostile: Hostile) -> Iterator[None]:
    with hostile.nothing_happens():
        yield


def check_plain(answer: RawAnswer, status: int, code: str) -> None:
    """An error where no dialect has a say yet: readable as OpenAI's and as Anthropic's."""
    assert answer.status == status, answer.body
    assert answer.header("content-type") == "application/json"
    assert answer.json["type"] == "error"
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    assert answer.json["error"]["code"] == code


def valid(hostile: Hostile, surface: Surface = CHAT, **more: object) -> bytes:
    return request("POST", surface.path, surface.body(), key=hostile.key, **more)  # type: ignore[arg-type]


HEADS = {
    "not HTTP": b"HELO gateway\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "zeros": b"\x00" * 100,
    "a version that is none": b"GET /health HTTP/9.9\r\n\r\n",
    "a method that is none": b"FETCH /health HTTP/1.1\r\nhost: x\r\n\r\n",
    "a method in small letters": b"get /health HTTP/1.1\r\nhost: x\r\n\r\n",
    "a space in the path": b"GET /v1/models /x HTTP/1.1\r\nhost: x\r\n\r\n",
    "a path beyond ASCII": b"GET /v1/mod\xc3\xa9ls HTTP/1.1\r\nhost: x\r\n\r\n",
    "an address without a path": b"GET http://evil.example HTTP/1.1\r\nhost: x\r\n\r\n",
    "a proxy's method": b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    "a space before the colon": b"GET /health HTTP/1.1\r\nhost : x\r\n\r\n",
    "a field without a name": b"GET /health HTTP/1.1\r\n: x\r\n\r\n",
    "a folded field": b"GET /health HTTP/1.1\r\nx: a\r\n b\r\nhost\x00: x\r\n\r\n",
    "a NUL in a field": b"GET /health HTTP/1.1\r\nx: a\x00b\r\n\r\n",
    "a bare carriage return": b"GET /health HTTP/1.1\r\nx: a\rset-cookie: b\r\n\r\n",
    "two lengths": b"POST %s HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
    "a length and chunks": b"POST %s HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"POST %s HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "a coding that hides chunks": b"POST %s HTTP/1.1\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks that are not last": b"POST %s HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST %s HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    "a length with a sign": b"POST %s HTTP/1.1\r\ncontent-length: +5\r\n\r\nabcde",
    "a length in hexadecimal": b"POST %s HTTP/1.1\r\ncontent-length: 0x5\r\n\r\nabcde",
    "a length beyond all numbers": b"POST %s HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\nx",
    "a list of lengths": b"POST %s HTTP/1.1\r\ncontent-length: 5, 5\r\n\r\nabcde",
}


@EVERY
@pytest.mark.parametrize("case", HEADS)
def test_what_is_not_http_is_400_and_the_connection_ends(hostile: Hostile, surface: Surface, case: str) -> None:
    said = converse(hostile.port, HEADS[case].replace(b"%s", surface.path.encode()))
    assert said.closed
    check_plain(said.answer, 400, "INVALID_REQUEST")
    assert said.answer.header("connection") == "close"


@EVERY
@pytest.mark.parametrize(
    ("ending", "framing"),
    [
        ("0\r\n\r\n", {"content-length": "5", "transfer-encoding": "chunked"}),
        ("", {"transfer-encoding": "chunked", "content-length": "0"}),
    ],
)
def test_a_request_hidden_in_anothers_body_is_never_served(
    hostile: Hostile, surface: Surface, ending: str, framing: dict[str, str]
) -> None:
    outer = request("POST", surface.path, b"", key=hostile.key, headers=framing, close=False)
    hidden = valid(hostile, surface)
    said = converse(hostile.port, outer + ending.encode() + hidden)
    assert said.closed
    check_plain(said.answer, 400, "INVALID_REQUEST")


@EVERY
def test_a_body_with_broken_chunks_is_400(hostile: Hostile, surface: Surface) -> None:
    head = request("POST", surface.path, b"", key=hostile.key, headers={"transfer-encoding": "chunked"})
    for chunks in (b"zz\r\n", b"-5\r\nabcde\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\nx"):
        check_plain(converse(hostile.port, head + chunks).answer, 400, "INVALID_REQUEST")


def test_trailers_are_no_headers(hostile: Hostile) -> None:
    head = request("POST", CHAT.path, b"", headers={"transfer-encoding": "chunked", "trailer": "authorization"})
    body = chunked(CHAT.body())[:-2] + f"authorization: Bearer {hostile.key}\r\n\r\n".encode()
    CHAT.check_error(converse(hostile.port, head + body).answer, status=401, code="UNAUTHENTICATED")


OVERSIZED = {
    "one long field": {"x-long": "a" * 70_000},
    "a long key": {"x-api-key": "gw_live_" + "a" * 70_000},
    "many fields": {f"x-{number}": "a" for number in range(200)},
    "many middling fields": {f"x-{number}": "a" * 1_000 for number in range(100)},
}


@pytest.mark.parametrize("case", OVERSIZED)
def test_a_head_that_is_too_large_is_431(hostile: Hostile, case: str) -> None:
    for surface in SURFACES:
        said = converse(hostile.port, valid(hostile, surface, headers=OVERSIZED[case]))
        assert said.closed
        check_plain(said.answer, 431, "PAYLOAD_TOO_LARGE")


def test_a_field_without_end_is_cut_off_while_it_comes(hostile: Hostile) -> None:
    said = converse(hostile.port, b"GET /v1/models HTTP/1.1\r\nx: ", *[b"a" * 1_000_000] * 10)
    check_plain(said.answer, 431, "PAYLOAD_TOO_LARGE")
    long_path = converse(hostile.port, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n")
    check_plain(long_path.answer, 431, "PAYLOAD_TOO_LARGE")


def test_a_slow_head_is_timed_out_the_first_and_every_later_one(hostile: Hostile) -> None:
    dripping = [b"GET /health HTTP/1.1\r\n", *[b"x: y\r\n"] * 20]
    first = converse(hostile.port, *dripping, pause_s=0.1)
    check_plain(first.answer, 408, "INVALID_REQUEST")
    assert first.seconds < 3
    health = request("GET", "/health", close=False)
    later = converse(hostile.port, health, *dripping, pause_s=0.1)
    assert [answer.status for answer in later.answers] == [200, 408]
    assert later.closed
    silent = converse(hostile.port, b"")
    assert silent.closed
    assert silent.received == b""


@EVERY
def test_a_slow_body_is_timed_out(hostile: Hostile, surface: Surface) -> None:
    head = request("POST", surface.path, b"{", key=hostile.key, headers={"content-length": "500"}, close=False)
    said = converse(hostile.port, head, *[b" "] * 12, pause_s=0.1)
    surface.check_error(said.answer)
    assert said.closed
    assert said.seconds < 4


def test_who_was_refused_may_not_hold_the_connection_with_the_rest_of_a_body(hostile: Hostile) -> None:
    head = request("POST", CHAT.path, b"{", headers={"content-length": "100000"}, close=False)
    said = converse(hostile.port, head, *[b" "] * 30, pause_s=0.1)
    CHAT.check_error(said.answer, status=401, code="UNAUTHENTICATED")
    assert said.closed
    assert said.seconds < 4.5


def test_a_connection_that_was_refused_and_is_idle_is_closed(hostile: Hostile) -> None:
    body = CHAT.body(user="x" * 500_000)
    said = converse(hostile.port, request("POST", CHAT.path, body, close=False))
    CHAT.check_error(said.answer, status=401, code="UNAUTHENTICATED")
    assert said.closed


HOSTS = [
    "evil.example",
    "127.0.0.1:1",
    "admin",
    "a/../../admin",
    "gateway.test/admin/organizations",
    "@evil",
    "[::1",
    "x" * 2_000,
    "é",
    "",
]


@pytest.mark.parametrize("host", HOSTS)
def test_the_host_decides_nothing(hostile: Hostile, host: str) -> None:
    for surface in SURFACES:
        answer = converse(hostile.port, request("POST", surface.path, b"{}", headers={"host": host})).answer
        surface.check_error(answer, status=401, code="UNAUTHENTICATED")
    for target in ("/admin/organizations", "/v1/usage"):
        answer = converse(hostile.port, request("GET", target, headers={"host": host, "x-forwarded-host": "x"})).answer
        assert answer.status == 401
    document = converse(hostile.port, request("GET", "/openapi.json", headers={"host": host})).answer
    assert b"evil" not in document.body


@pytest.mark.parametrize("beginning", ["http://evil.example", "https://127.0.0.1:1", "http://user:password@host"])
def test_an_absolute_address_is_served_by_its_path_alone(hostile: Hostile, beginning: str) -> None:
    assert converse(hostile.port, request("GET", f"{beginning}/health")).answer.status == 200
    assert converse(hostile.port, request("GET", f"{beginning}/v1/models")).answer.status == 401
    assert converse(hostile.port, request("GET", f"{beginning}/admin/organizations")).answer.status == 401
    answer = converse(hostile.port, request("POST", f"{beginning}/v1/messages", b"{", key=hostile.key)).answer
    MESSAGES.check_error(answer)


NOWHERE = [
    "/", "//", "/v1", "/v1/", "//v1/models", "/v1//models", "///", "/V1/models", "/v1/Models", "/v1/models/", "/v1/usage/",
    "/v1/chat/completions/", "/v1/chat/completions/x", "/v1/chat%2fcompletions%2f", "/v1/chat/../chat/completions",
    "/v1/%2e%2e/v1/models", "/v1/./models", "/v1/models;x=1", "/v1/models%00", "/v1/models%0d%0aset-cookie:x", "/%76%31/models%20",
    "/..", "/../../etc/passwd", "/docs/../../etc/passwd", "/docs/%2e%2e/%2e%2e/etc/passwd", "/docs/..%2f..%2fserver.py", "/docs/docs.html",
    "/static/../admin", "/adminx", "/administrator", "/.git/config", "/.env", "/actuator/env", "/openapi.yaml", "/redoc", "/favicon.ico",
    "/*", "/%", "/%zz", "/%ff", "/v1/completion", "/v1/responses/x/y", "/passthrough", "/passthroughs/openai/v1/models", "/" + "a/" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("target", NOWHERE, ids=[target[:40] for target in NOWHERE])
def test_there_is_nothing_at_a_path_that_is_none(hostile: Hostile, target: str) -> None:
    for method, body in (("GET", None), ("POST", CHAT.body())):
        answer = converse(hostile.port, request(method, target, body, key=hostile.key)).answer
        check_plain(answer, 404, "NOT_FOUND")
        assert answer.header("set-cookie") is None


ADMIN = [
    "/admin",
    "/admin/",
    "/admin/organizations",
    "/admin%2forganizations",
    "/%61dmin/organizations",
    "/admin//organizations",
    "/admin/../admin/organizations",
    "/admin/%2e%2e/v1/models",
    "/admin/docs",
    "/admin/openapi.json",
    "/admin/redoc",
    "/admin/nothing",
]


@pytest.mark.parametrize("target", ADMIN)
def test_the_admin_api_opens_to_an_admin_key_alone_however_its_path_is_written(hostile: Hostile, target: str) -> None:
    for key in (None, hostile.key, "gw_admin_wrong", hostile.gateway.credentials["admin_key"][:-1]):
        for method in ("GET", "POST", "DELETE"):
            answer = converse(hostile.port, request(method, target, b"{}", key=key)).answer
            assert answer.status == 401, (key, method, answer.body)
            assert answer.json["error"]["code"] == "UNAUTHENTICATED"


@EVERY
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE"])
def test_another_method_is_405_and_told_which_are_taken(hostile: Hostile, surface: Surface, method: str) -> None:
    answer = converse(hostile.port, request(method, surface.path, key=hostile.key)).answer if method != "HEAD" else None
    if answer is None:
        said = converse(hostile.port, request(method, surface.path, key=hostile.key))
        assert said.received.startswith(b"HTTP/1.1 405 ")
        assert said.received.endswith(b"\r\n\r\n")
        return
    check_plain(answer, 405, "INVALID_REQUEST")
    assert answer.header("allow") == "POST"


def test_what_is_read_is_not_written(hostile: Hostile) -> None:
    for path in ("/v1/models", "/v1/usage", "/v1/requests", "/v1/models/gpt-4o-mini", "/health", "/metrics", "/docs"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = converse(hostile.port, request(method, path, b"{}", key=hostile.key)).answer
            check_plain(answer, 405, "INVALID_REQUEST")
            assert answer.header("allow") == "GET, HEAD"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1e9", "limit=٣٣٣", "limit=" + "9" * 5_000]
)
def test_a_wrong_limit_is_named(hostile: Hostile, query: str) -> None:
    target = (
        f"/v1/requests?{query}".encode().decode("latin-1")
        if query.isascii()
        else "/v1/requests?limit=%D9%A3%D9%A3%D9%A3"
    )
    answer = converse(hostile.port, request("GET", target, key=hostile.key)).answer
    assert (answer.status, answer.json["error"]["param"]) == (400, "limit")


@pytest.mark.parametrize(
    "query",
    ["&".join(["a=1"] * 500), "&" * 5_000, "key=" + "x" * 9_000, "%", "key=%ff%00", "a" * 9_000, "key[]=1", "?????"],
)
def test_a_strange_query_changes_nothing(hostile: Hostile, query: str) -> None:
    for path in ("/v1/usage", "/v1/models", "/v1/requests"):
        assert converse(hostile.port, request("GET", f"{path}?{query}")).answer.status == 401
        assert converse(hostile.port, request("GET", f"{path}?{query}", key=hostile.key)).answer.status == 200
    CHAT.check_error(
        converse(hostile.port, request("POST", f"{CHAT.path}?{query}", b"{")).answer, status=401, code="UNAUTHENTICATED"
    )


@pytest.mark.parametrize(
    "id_", ["x", "'; DROP TABLE api_request_h; --", "%", "%00", "a" * 5_000, "..%2f..%2f", "0" * 32, "%ff%fe"]
)
def test_a_call_that_is_not_ones_own_is_not_found(hostile: Hostile, id_: str) -> None:
    target = f"/v1/requests/{id_}".replace(" ", "%20")
    answer = converse(hostile.port, request("GET", target, key=hostile.key)).answer
    check_plain(answer, 404, "NOT_FOUND")
    assert converse(hostile.port, request("GET", target)).answer.status == 401


@EVERY
def test_a_request_that_breaks_off_anywhere_does_nothing(hostile: Hostile, surface: Surface) -> None:
    whole = valid(hostile, surface)
    for at in range(0, len(whole), 11):
        with socket.create_connection(("127.0.0.1", hostile.port)) as client:
            client.sendall(whole[:at])
    time.sleep(0.05)


def test_a_thousand_connections_at_once_are_all_answered(hostile: Hostile) -> None:
    bodies = {surface.path: surface.body()[:-1] for surface in SURFACES}

    async def one(number: int) -> int:
        surface = SURFACES[number % len(SURFACES)]
        data = request("POST", surface.path, bodies[surface.path], key=hostile.key)
        reader, writer = await asyncio.open_connection("127.0.0.1", hostile.port)
        try:
            writer.write(data[:-5])
            answer = asyncio.create_task(reader.read())
            await barrier.wait()
            if not answer.done():
                writer.write(data[-5:])
            return int((await answer).split(b" ")[1])
        finally:
            writer.close()

    async def all_() -> list[int]:
        async with asyncio.timeout(30):
            return await asyncio.gather(*(one(number) for number in range(CONNECTIONS)))

    barrier = asyncio.Barrier(CONNECTIONS)
    statuses = asyncio.run(all_())
    # Those who connected first may have waited for the others longer than a body may take: that is 400 too.
    assert set(statuses) == {400}
    assert http(f"{hostile.gateway.base_url}/readyz")[0] == 200
