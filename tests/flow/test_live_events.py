"""Events as they happen, over server-sent events and WebSockets: whose they are, what resumes, what ends them, over all workers."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.patience import PATIENCE_S as WAIT_S
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess
from tests.support.processes import http as ask
from tests.support.receiver import receiving, wait_for
from tests.support.redis_server import shared_redis

CONFIG = "gateway: {heartbeat: 200ms}\n"
LIMITS = "?kind=budget.threshold"
BODY = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    started = GatewayProcess(tmp_path_factory.mktemp("live"), environment=simulator.as_provider, config=CONFIG)
    started.start()
    yield started
    assert started.stop() == 0


@dataclass
class Stream:
    """Server-sent events as a client reads them."""

    response: http.client.HTTPResponse
    beats: int = 0

    def next(self) -> dict[str, str] | None:
        """The next event by its fields; None at the end."""
        fields: dict[str, str] = {}
        while line := self.response.readline().decode():
            if line.startswith(":"):
                self.beats += 1
            elif line != "\n":
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value
            elif "data" in fields:
                return fields
            else:
                fields = {}
        return None


@contextmanager
def listening(gateway: GatewayProcess, key: str, query: str = "", **headers: str) -> Iterator[Stream]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=WAIT_S)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", f"/v1/events{query}", headers={"authorization": f"Bearer {key}", **sent})
    response = connection.getresponse()
    assert (response.status, response.getheader("content-type")) == (200, "text/event-stream"), response.read()
    try:
        yield Stream(response)
    finally:
        response.close()
        connection.close()


def web_socket(gateway: GatewayProcess, key: str, query: str = "") -> ClientConnection:
    url = f"ws://127.0.0.1:{gateway.port}/v1/events{query}"
    return connect(url, additional_headers={"authorization": f"Bearer {key}"}, proxy=None)


def use_up(gateway: GatewayProcess, key: NewKey, times: int = 1) -> None:
    for _ in range(times):
        assert ask(f"{gateway.base_url}/v1/chat/completions", key=key.api_key, body=BODY)[0] == 200


def limited(gateway: GatewayProcess, **organization: Any) -> NewKey:
    wanted = {"monthly_request_limit": 4, "thresholds": [25, 50, 75], **organization}
    return gateway.new_key(organization=wanted)


def test_an_organization_hears_of_its_own_in_order_and_goes_on_where_it_was(gateway: GatewayProcess) -> None:
    mine, other = limited(gateway), limited(gateway)
    with listening(gateway, mine.api_key, LIMITS) as stream:
        use_up(gateway, other)
        use_up(gateway, mine)
        first = stream.next()
        assert first is not None
        use_up(gateway, mine, 2)
        rest = [stream.next() for _ in range(2)]
    events = [first, *rest]
    said = [json.loads(event["data"]) for event in events if event]
    assert [each["data"]["threshold_percent"] for each in said] == [25, 50, 75]
    assert {each["data"]["org_id"] for each in said} == {mine.org_id}
    assert [event["id"] for event in events if event] == [each["id"] for each in said]
    assert {event["event"] for event in events if event} == {"budget.threshold"}
    with listening(gateway, mine.api_key, LIMITS, last_event_id=said[0]["id"]) as stream:
        again = [stream.next(), stream.next()]
        assert [event["id"] for event in again if event] == [each["id"] for each in said[1:]]
    with web_socket(gateway, mine.api_key, f"{LIMITS}&last_event_id={said[1]['id']}") as opened:
        assert json.loads(opened.recv(WAIT_S))["id"] == said[2]["id"]


def test_a_silent_stream_has_heartbeats_and_a_head_has_an_end(gateway: GatewayProcess) -> None:
    with listening(gateway, gateway.api_key) as stream:
        while stream.beats < 2:
            stream.beats += stream.response.readline().startswith(b":")
    url = f"{gateway.base_url}/v1/events"
    assert ask(url, key=gateway.api_key, method="HEAD")[0] == 200


def test_a_web_socket_tells_of_the_kinds_that_are_wanted_whatever_it_is_sent(gateway: GatewayProcess) -> None:
    key = limited(gateway)
    with (
        web_socket(gateway, key.api_key, "?kind=budget.refused,webhook.test") as refusals,
        web_socket(gateway, key.api_key, "?kind=budget.refused,budget.threshold") as everything,
    ):
        everything.send("hello")
        use_up(gateway, key, 4)
        assert ask(f"{gateway.base_url}/v1/chat/completions", key=key.api_key, body=BODY)[0] == 429
        assert json.loads(refusals.recv(WAIT_S))["type"] == "budget.refused"
        kinds = [json.loads(everything.recv(WAIT_S))["type"] for _ in range(4)]
        assert sorted(kinds) == ["budget.refused", *["budget.threshold"] * 3]


def test_a_client_may_take_its_time_to_answer_pings(gateway: GatewayProcess) -> None:
    key = limited(gateway)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_S) as client:
        head = (
            f"GET /v1/events{LIMITS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key.api_key}\r\nupgrade: websocket\r\n"
            "connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        client.sendall(head.encode())
        time.sleep(1.0)  # five heartbeats
        use_up(gateway, key)
        said = b""
        while b"budget.threshold" not in said:
            more = client.recv(4_096)
            assert more, said
            said += more
        assert b"keepalive ping timeout" not in said


def test_a_revoked_key_hears_no_more(gateway: GatewayProcess) -> None:
    key = gateway.new_key()
    with listening(gateway, key.api_key) as stream, web_socket(gateway, key.api_key) as opened:
        gateway.admin(f"/users/{key.user_id}/api-keys/{key.key_id}", method="DELETE")
        end = stream.next()
        while end and end["event"] == "key.created":
            end = stream.next()
        assert end is not None
        assert (end["event"], json.loads(end["data"])) == ("end", {"reason": "unauthenticated"})
        assert stream.next() is None
        with pytest.raises(ConnectionClosed) as closed:
            while opened.recv(WAIT_S):
                pass
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "unauthenticated")


@pytest.mark.parametrize(
    ("query", "key", "status", "field"),
    [
        ("?last_event_id=ntc_unknown", None, 400, "Last-Event-ID"),
        ("?kind=budget.threshold,budget", None, 400, "kind"),
        ("", "gw_live_0000000000000000000000000000000000000000000", 401, None),
        ("", "", 401, None),
    ],
)
def test_who_may_not_listen_is_told_why_both_ways(
    gateway: GatewayProcess, query: str, key: str | None, status: int, field: str | None
) -> None:
    presented = gateway.api_key if key is None else key
    found, _, answer = ask(f"{gateway.base_url}/v1/events{query}", key=presented or None)
    assert (found, answer["error"]["param"]) == (status, field)
    with pytest.raises(InvalidStatus) as refusal:
        web_socket(gateway, presented, query)
    assert refusal.value.response.status_code == status
    assert json.loads(refusal.value.response.body)["error"]["param"] == field


def test_an_event_of_another_organization_is_no_place_to_go_on_from(gateway: GatewayProcess) -> None:
    mine, other = limited(gateway), limited(gateway)
    use_up(gateway, other)
    (event,) = wait_for(lambda: gateway.admin(f"/events?org_id={other.org_id}&kind=budget.threshold")["data"])
    status, _, answer = ask(f"{gateway.base_url}/v1/events?last_event_id={event['id']}", key=mine.api_key)
    assert (status, answer["error"]["param"]) == (400, "Last-Event-ID")


def test_a_client_that_reads_nothing_harms_nobody_and_one_that_hangs_up_is_forgotten(gateway: GatewayProcess) -> None:
    key = limited(gateway)
    for _ in range(60):  # more than may listen at the same time
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            head = f"GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key.api_key}\r\n\r\n"
            client.sendall(head.encode())
            client.recv(12)
    with listening(gateway, key.api_key) as stream:
        use_up(gateway, key)
        assert stream.next()


def test_listeners_are_told_that_the_gateway_ends(own_gateway: GatewayProcess) -> None:
    with listening(own_gateway, own_gateway.api_key) as stream, web_socket(own_gateway, own_gateway.api_key) as opened:
        began = time.monotonic()
        assert own_gateway.stop() == 0
        assert time.monotonic() - began < WAIT_S / 2
        end = stream.next()
        assert end is None or end["event"] == "end"
        with pytest.raises(ConnectionClosed) as closed:
            opened.recv(WAIT_S)
        assert closed.value.rcvd is None or closed.value.rcvd.code in (1001, 1012)


def listening_workers(gateway: GatewayProcess) -> int:
    """How many workers the system gives connections to."""
    found = 0
    for worker in psutil.Process(gateway.process.popen.pid).children():
        with suppress(psutil.Error):
            connections = worker.net_connections()
            found += any(each.status == "LISTEN" and each.laddr.port == gateway.port for each in connections)
    return found


def test_what_happens_in_one_worker_is_heard_in_all_and_delivered_once(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    server = shared_redis()
    server.empty()
    config = "gateway: {workers: 2}\nmonitoring: {webhook_networks: [127.0.0.0/8]}\n"
    environment = simulator.as_provider | {"ONEVAULT_REDIS_URL": server.url}
    gateway = GatewayProcess(tmp_path, environment=environment, config=config)
    gateway.start()
    try:
        wait_for(lambda: listening_workers(gateway) == 2)
        with ExitStack() as stack:
            receiver = stack.enter_context(receiving())
            webhook = gateway.admin("/webhooks", {"url": receiver.url})["webhook_id"]
            key = limited(gateway, provider_limits={"openai": {"daily_request_limit": 4}})
            # Who knows the key knows the webhook, which was there before.
            wait_for(lambda: [ask(f"{gateway.base_url}/v1/usage", key=key.api_key)[0] for _ in range(12)] == [200] * 12)
            streams = [stack.enter_context(listening(gateway, key.api_key, LIMITS)) for _ in range(6)]
            use_up(gateway, key, 3)
            for stream in streams:
                events = [stream.next() for _ in range(6)]
                said = [json.loads(event["data"])["data"] for event in events if event]
                found = sorted((each["scope"], each["threshold_percent"]) for each in said)
                scopes = (f"org:{key.org_id}", f"org:{key.org_id}|provider:openai")
                assert found == [(scope, percent) for scope in scopes for percent in (25, 50, 75)]
            for _ in range(20):
                gateway.admin(f"/webhooks/{webhook}/test", method="POST", body={})
            path = f"/webhooks/{webhook}/deliveries?state=delivered&limit=200"
            wait_for(lambda: len(gateway.admin(path)["data"]) >= 26 and len(receiver.of("webhook.test")) >= 20)
            ids = [each.headers["webhook-id"] for each in receiver.got]
            assert len(ids) == len(set(ids))
        assert gateway.stop() == 0, gateway.process.output
    finally:
        gateway.kill()
