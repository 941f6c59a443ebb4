"""The load generator, a process of its own: sends one request over and over to this machine, and checks every answer.

It reads a job per line of standard input and writes its result as a line. Raw protocols, because what it costs is taken from
the core it shares with the upstream.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any, Final, cast

import httptools
import uvloop

HOST: Final = "127.0.0.1"
CONNECTIONS_MAX: Final = 1_500
CALLS_MAX: Final = 1_000_000
_NOTICE_CLOSED_S: Final = 0.02


class Connection(asyncio.Protocol):
    """One connection with at most one call under way; `done` is told how each call ended."""

    def __init__(self, done: Callable[[Connection, str], None]) -> None:
        self.done = done
        self.busy = False
        self.open = False
        self.sent_s = 0.0
        self.body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods, not by its class
        self.open = True

    def send(self, request: bytes) -> None:
        self.busy = True
        self.body = []
        self.sent_s = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.transport.abort()
            self._end(f"not HTTP: {error!r}")

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self._end("" if (status := self._parser.get_status_code()) == 200 else f"status {status}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._end("connection lost")

    def _end(self, fault: str) -> None:
        if self.busy:
            self.busy = False
            self.done(self, fault)


class Job:
    """One job's request, what a right answer has, and what came of it."""

    def __init__(self, job: dict[str, Any], pool: list[Connection]) -> None:
        self.port: int = job["port"]
        self.request = base64.b64decode(job["request"])
        self.marker = base64.b64decode(job["marker"])
        self.events_min: int = job["events_min"]
        self.timeout_s: float = job["timeout_s"]
        self.pool = [connection for connection in pool if connection.open and not connection.busy]
        for connection in self.pool:
            connection.done = self.ended
        self.latencies: list[float] = []
        self.events = self.failures = self.bytes = 0
        self.first_failure = ""
        self.next: Callable[[Connection], None] = self.pool.append
        self.started_s = time.perf_counter()

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self.ended), HOST, self.port)
        return connection

    def ended(self, connection: Connection, fault: str) -> None:
        body = b"".join(connection.body)
        events = body.count(b"\n\n") if self.events_min else 0
        if not fault and self.marker not in body:
            fault = "the marker is missing"
        elif not fault and events < self.events_min:
            fault = f"{events} events instead of {self.events_min}"
        if fault:
            self.failures += 1
            self.first_failure = self.first_failure or f"{fault}: {body[:400].decode(errors='replace')}"
        else:
            self.latencies.append(time.perf_counter() - connection.sent_s)
            self.events += events
            self.bytes += len(body)
        self.next(connection)

    def result(self, **more: float) -> dict[str, Any]:
        ordered = sorted(self.latencies) or [0.0]
        return {
            "calls": len(self.latencies),
            "failures": self.failures,
            "first_failure": self.first_failure,
            "events": self.events,
            "bytes": self.bytes,
            "seconds": time.perf_counter() - self.started_s,
            "p50_ms": ordered[len(ordered) // 2] * 1e3,
            "p99_ms": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1e3,
            **more,
        }


async def closed_loop(job: Job, spec: dict[str, Any]) -> dict[str, Any]:
    """As fast as the answers come: every connection calls again when it was answered, for `seconds`."""
    connections = min(spec["connections"], CONNECTIONS_MAX)
    while len(job.pool) < connections:
        job.pool.append(await job.connect())
    finished = asyncio.Event()
    active = connections
    left = CALLS_MAX
    job.started_s = time.perf_counter()
    until_s = job.started_s + spec["seconds"]

    def call_again(connection: Connection) -> None:
        nonlocal active, left
        left -= 1
        if left > 0 and connection.open and time.perf_counter() < until_s:
            connection.send(job.request)
            return
        active -= 1
        if not active:
            finished.set()

    job.next = call_again
    for connection in job.pool[:connections]:
        connection.send(job.request)
    await asyncio.wait_for(finished.wait(), job.timeout_s)
    return job.result()


async def open_loop(job: Job, spec: dict[str, Any]) -> dict[str, Any]:
    """Calls arrive at random (exponential gaps, fixed seed), whether or not those before them were answered."""
    choose = random.Random(7)
    due_s: list[float] = []
    at = 0.0
    while (at := at + choose.expovariate(spec["rate"])) < spec["seconds"] and len(due_s) < CALLS_MAX:
        due_s.append(at)
    while len(job.pool) < min(spec["connections"], CONNECTIONS_MAX):
        job.pool.append(await job.connect())
    finished = asyncio.Event()
    late_ms: list[float] = []
    outstanding = len(due_s)
    connecting: set[asyncio.Task[None]] = set()

    def give_back(connection: Connection) -> None:
        nonlocal outstanding
        outstanding -= 1
        if connection.open:
            job.pool.append(connection)
        if not outstanding:
            finished.set()

    async def send_anew(asked_s: float) -> None:
        """Where no connection is free, a new one is made, and the call has begun when it was asked for."""
        connection = await job.connect()
        connection.send(job.request)
        connection.sent_s = asked_s

    job.next = give_back
    job.started_s = time.perf_counter()
    index = 0
    while index < len(due_s):
        now_s = time.perf_counter() - job.started_s
        while index < len(due_s) and due_s[index] <= now_s:
            late_ms.append((now_s - due_s[index]) * 1e3)
            index += 1
            while job.pool and not job.pool[-1].open:
                job.pool.pop()
            if job.pool:
                job.pool.pop().send(job.request)
            elif index - (len(due_s) - outstanding) <= CONNECTIONS_MAX:
                task = asyncio.ensure_future(send_anew(time.perf_counter()))
                connecting.add(task)
                task.add_done_callback(connecting.discard)
            else:
                raise OSError(f"more than {CONNECTIONS_MAX} calls are under way")
        if index < len(due_s):
            await asyncio.sleep(max(0.001, due_s[index] - (time.perf_counter() - job.started_s)))
    if outstanding:
        await asyncio.wait_for(finished.wait(), job.timeout_s)
    late_ms.sort()
    return job.result(late_p99_ms=late_ms[len(late_ms) * 99 // 100] if late_ms else 0.0)


async def hold(job: Job, spec: dict[str, Any]) -> dict[str, Any]:
    """Opens `streams`, says so on a line of its own when each has sent its first events, and holds them `hold_s` longer."""
    gap_s = 1 / spec["rate"]
    held: list[Connection] = []
    deadline_s = job.started_s + job.timeout_s
    for _ in range(min(spec["streams"], CONNECTIONS_MAX)):
        connection = await job.connect()
        connection.send(job.request)
        held.append(connection)
        await asyncio.sleep(gap_s)
    while not all(connection.body or not connection.busy for connection in held) and time.perf_counter() < deadline_s:
        await asyncio.sleep(0.1)
    opened = sum(bool(connection.busy and connection.body) for connection in held)
    print(json.dumps({"open": opened, "first_failure": job.first_failure}), flush=True)
    await asyncio.sleep(spec["hold_s"])
    still = sum(connection.busy for connection in held)
    for connection in held:
        connection.busy = False
        connection.transport.abort()
    await asyncio.sleep(0.2)
    return job.result(still_open=still)


KINDS: Final = {"closed": closed_loop, "open": open_loop, "hold": hold}


async def perform(spec: dict[str, Any], pools: dict[int, list[Connection]]) -> dict[str, Any]:
    await asyncio.sleep(_NOTICE_CLOSED_S)
    job = Job(spec, pools.pop(spec["port"], []))
    try:
        result = await KINDS[spec["kind"]](job, spec)
    except TimeoutError:
        result = job.result(timed_out=1.0)
    except OSError as error:
        job.first_failure = job.first_failure or f"cannot go on: {error}"
        result = job.result(timed_out=1.0)
    pools[spec["port"]] = job.pool
    return result


def main() -> None:
    loop = uvloop.new_event_loop()
    pools: dict[int, list[Connection]] = {}
    for line in sys.stdin:
        print(json.dumps(loop.run_until_complete(perform(json.loads(line), pools))), flush=True)


if __name__ == "__main__":
    main()
