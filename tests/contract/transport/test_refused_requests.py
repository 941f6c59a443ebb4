"""Requests that would be read as something else than they say are refused before a byte is sent."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.wire_requests import ask
from tests.support.wire_server import WireServer, answer, answering

from onevault.core.transport import Origin, Transport

REFUSED: dict[str, dict[str, Any]] = {
    "CR in a method": {"method": "GET\r"},
    "a blank in a method": {"method": "GET /x HTTP/1.1\r\nx: y\r\n\r\nGET"},
    "a method in lower case": {"method": "post"},
    "a tunnel": {"method": "CONNECT"},
    "LF in a path": {"path": "/a\nb"},
    "CR LF in a path": {"path": "/ HTTP/1.1\r\nx-admin: 1\r\n\r\n"},
    "a blank in a path": {"path": "/a b"},
    "NUL in a path": {"path": "/a\0b"},
    "a fragment in a path": {"path": "/a#b"},
    "a path beyond ASCII": {"path": "/caf\xe9"},
    "an empty path": {"path": ""},
    "a path that is a URL": {"path": "http://elsewhere.example/"},
    "CR LF in a header's value": {"headers": (("x", "a\r\ny: b"),)},
    "LF in a header's value": {"headers": (("x", "a\ny: b"),)},
    "CR in a header's value": {"headers": (("x", "a\rb"),)},
    "NUL in a header's value": {"headers": (("x", "a\0b"),)},
    "a header's value beyond ASCII": {"headers": (("x", "caf\xe9"),)},
    "CR LF in a header's name": {"headers": (("x: a\r\ny", "b"),)},
    "a colon in a header's name": {"headers": (("x:", "b"),)},
    "a blank in a header's name": {"headers": (("x ", "b"),)},
    "an empty header's name": {"headers": (("", "b"),)},
    "a header's name in upper case": {"headers": (("X-A", "b"),)},
    "a second length": {"headers": (("content-length", "3"),)},
    "a transfer coding": {"headers": (("transfer-encoding", "chunked"),)},
    "another host": {"headers": (("host", "elsewhere.example"),)},
    "a connection header": {"headers": (("connection", "close"),)},
}


@pytest.mark.parametrize("name", list(REFUSED))
async def test_a_request_that_would_change_its_meaning_is_refused_unsent(transport: Transport, name: str) -> None:
    async with WireServer(answering(answer())) as server:
        for _ in range(2):  # what is remembered of the first must not let the second through
            with pytest.raises(ValueError, match=r"method|path|header"):
                async with transport.exchange(ask(server.origin, **REFUSED[name])):
                    pass
        assert server.connections_made == 0


@pytest.mark.parametrize(
    "origin",
    [
        Origin("ftp", "127.0.0.1", 80),
        Origin("http", "a/b", 80),
        Origin("http", "user@host", 80),
        Origin("http", "host\r\nx: y", 80),
        Origin("http", "", 80),
        Origin("http", "[::1]", 80),
        Origin("http", "127.0.0.1", 0),
        Origin("http", "127.0.0.1", 65_536),
    ],
)
async def test_an_origin_that_is_no_plain_host_is_refused(transport: Transport, origin: Origin) -> None:
    with pytest.raises(ValueError, match="an origin's"):
        async with transport.exchange(ask(origin)):
            pass
