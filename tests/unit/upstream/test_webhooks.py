"""Where a webhook leads is checked at each connection: a name that led outside when it was set and leads inside now reaches nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from tests.support.receiver import Receiver, receiving

from onevault.core.delivery import Posted
from onevault.upstream.transport_settings import TransportSettings
from onevault.upstream.webhooks import WebhookPoster

NAME = "hooks.example.org"
PUBLIC, LOCAL = "93.184.216.34", "127.0.0.1"


class NamedLoop(asyncio.SelectorEventLoop):
    """A loop whose names lead where the test says, time after time."""

    def __init__(self, answers: list[list[str]]) -> None:
        super().__init__()
        self._answers = answers

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        addresses = self._answers.pop(0) if host == NAME else [str(host)]
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)) for each in addresses]


def run(work: Callable[[], Any], *answers: list[str]) -> Any:
    with asyncio.Runner(loop_factory=lambda: NamedLoop(list(answers))) as runner:
        return runner.run(work())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def poster(*networks: Any) -> WebhookPoster:
    return WebhookPoster(TransportSettings(), networks, timeout_s=2.0)


def test_a_name_that_is_bound_anew_after_it_was_set_reaches_nothing(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    url = f"https://{NAME}:{port}/hook"

    async def set_then_sent() -> Posted:
        sender = poster()
        await sender.check(url)
        return await sender.post(url, headers={}, body=b"{}")

    posted = run(set_then_sent, [PUBLIC], [LOCAL])
    assert posted == Posted(None, "leads to an internal or special address")
    assert receiver.got == []


@pytest.mark.parametrize("addresses", [[LOCAL], [PUBLIC, "10.0.0.1"], ["169.254.169.254"]])
def test_a_name_that_leads_inside_is_refused_when_it_is_set(addresses: list[str]) -> None:
    with pytest.raises(ValueError, match="must not lead to an internal or special address"):
        run(lambda: poster().check(f"https://{NAME}/"), addresses)


def test_a_redirect_is_an_answer_and_not_followed(receiver: Receiver) -> None:
    with receiving() as inside:
        receiver.statuses, receiver.redirect_to = [302], inside.url
        posted = asyncio.run(poster(ip_network("127.0.0.0/8")).post(receiver.url, headers={}, body=b"{}"))
        assert posted == Posted(302, "the answer was no success")
        assert inside.got == []


def test_a_url_that_would_be_refused_now_is_not_sent_to(receiver: Receiver) -> None:
    posted = asyncio.run(poster().post(receiver.url, headers={}, body=b"{}"))
    assert posted.status is None
    assert posted.error.startswith("the URL must")
    assert receiver.got == []
