"""Disks that are full and a vault that is locked: new calls are refused or go on, nothing that was spent is lost, service resumes."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import vault_files
from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.raw_client import CHAT, MESSAGES, Answer, begin, call, question

IN_FLIGHT = 20
CALLS_MAX = 5_000
RESUMED_WITHIN_S = 5.0


async def calls_until_refused(gateway: GatewayProcess, key: NewKey) -> tuple[list[Answer], Answer]:
    """The answers of calls, one after the other in turning shapes, until one is refused; and its refusal."""
    seen: list[Answer] = []
    for number in range(CALLS_MAX):
        path = (CHAT, MESSAGES)[number % 2]
        answer = await call(gateway.port, path, question(stream=number % 4 > 1), key=key.api_key)
        if not answer.finished:
            return seen, answer
        seen.append(answer)
    raise AssertionError("the disk never was full")


def check_refusal(answer: Answer, path: str) -> None:
    assert answer.status == 503, bytes(answer.body)
    assert answer.error_code == ("STORE_UNAVAILABLE" if path == CHAT else "overloaded_error")
    assert int(answer.headers["retry-after"]) >= 1


async def check_full_disk(
    gateway: GatewayProcess, simulator: SimulatorProcess, fill: Callable[[], None], free: Callable[[], None]
) -> None:
    """What holds whatever makes the disk full."""
    key = gateway.new_key(organization={"monthly_budget_usd": 100})
    seen = [await call(gateway.port, CHAT, question(), key=key.api_key) for _ in range(10)]
    under_way = [
        await begin(
            gateway.port, path, question(stream=stream, simulate="latency_ms=1500; ttft_ms=500"), key=key.api_key
        )
        for path in (CHAT, MESSAGES)
        for stream in (False, True)
        for _ in range(IN_FLIGHT // 4)
    ]
    await asyncio.sleep(0.3)
    fill()
    more, _ = await calls_until_refused(gateway, key)
    seen += more
    simulator.reset()
    for path in (CHAT, MESSAGES) * 5:
        for stream in (False, True):
            check_refusal(await call(gateway.port, path, question(stream=stream), key=key.api_key), path)
    assert simulator.calls() == [], "a call that could not be accounted for was sent"
    for answer in under_way:
        assert (await answer.wait()).finished, "a call that had been accounted for was not answered"
    seen += under_way
    assert http(f"{gateway.base_url}/livez")[0] == 200
    free()

    until = time.monotonic() + RESUMED_WITHIN_S
    while not (again := await call(gateway.port, CHAT, question(), key=key.api_key)).finished:
        check_refusal(again, CHAT)
        assert time.monotonic() < until, "service did not resume"
        await asyncio.sleep(0.1)
    seen.append(again)
    await asyncio.to_thread(check_books, gateway, key, seen)


def check_books(gateway: GatewayProcess, key: NewKey, seen: list[Answer]) -> None:
    """Every answer is in the vault with its cost, also after a kill; the figures agree."""
    spent = sum(answer.cost_nanos for answer in seen)
    figures = gateway.admin(f"/users/{key.user_id}/usage")
    assert (figures["total_usage_nanos"], figures["held_nanos"]) == (spent, 0)
    gateway.kill()
    gateway.start()
    figures = gateway.admin(f"/users/{key.user_id}/usage")
    assert (figures["total_usage_nanos"], figures["held_nanos"]) == (spent, 0)
    for answer in (seen[0], seen[-2], seen[-1]):
        assert http(f"{gateway.base_url}/v1/requests/{answer.call_id}", key=key.api_key)[0] == 200
    assert gateway.stop() == 0
    costs = {row.call_id: row.cost for row in vault_files.rows(gateway.data_dir) if row.held}
    assert costs == {answer.call_id: answer.cost_nanos for answer in seen}
    assert "Traceback" not in gateway.process.output
    assert '"internal fault"' not in gateway.process.output


def newest_segment(gateway: GatewayProcess) -> Path:
    return max((gateway.data_dir / "journal").glob("*.journal"))


async def test_a_journal_that_may_not_grow_refuses_calls_and_loses_none(
    own_gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    """The limit on a file's size stands for a disk quota; the vault's files are larger already, so it cannot be written either."""
    pid = own_gateway.process.popen.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)

    def fill() -> None:
        most = newest_segment(own_gateway).stat().st_size + 20_000
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, before[1]))

    def free() -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    await check_full_disk(own_gateway, simulator, fill, free)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount here")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


async def test_a_full_disk_refuses_calls_and_loses_none(
    small_disk: Path, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    gateway = GatewayProcess(
        tmp_path, environment=simulator.as_provider | {"ONEVAULT_DATA_DIR": str(small_disk / "data")}
    )
    gateway.data_dir = small_disk / "data"
    ballast = small_disk / "ballast"
    gateway.start()

    def fill() -> None:
        usage = shutil.disk_usage(small_disk)
        ballast.write_bytes(bytes(max(0, usage.free - 60_000)))

    try:
        await check_full_disk(gateway, simulator, fill, ballast.unlink)
    finally:
        if gateway.process.popen.poll() is None:
            gateway.kill()


async def test_a_log_that_cannot_be_written_stops_no_call(tmp_path: Path, simulator: SimulatorProcess) -> None:
    gateway = GatewayProcess(tmp_path, environment=simulator.as_provider)
    gateway.start()
    gateway.stop()
    gateway.process.log = Path("/dev/full")
    gateway.process.start()
    try:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                if http(f"{gateway.base_url}/readyz")[0] == 200:
                    break
            except OSError:
                assert gateway.process.popen.poll() is None, "it does not start"
                assert time.monotonic() < until
                time.sleep(0.05)
        key = gateway.new_key()
        for path in (CHAT, MESSAGES):
            for stream in (False, True):
                for simulate in ("", "error=400"):
                    body = question(stream=stream, simulate=simulate)
                    answers = await asyncio.gather(
                        *(call(gateway.port, path, body, key=key.api_key) for _ in range(25))
                    )
                    await asyncio.sleep(0.1)  # lines of the log are written in groups
                    assert {answer.status for answer in answers} == {400 if simulate else 200}
        assert gateway.stop() == 0
    finally:
        if gateway.process.popen.poll() is None:
            gateway.kill()


async def test_calls_go_on_while_the_vault_is_locked_and_it_catches_up(own_gateway: GatewayProcess) -> None:
    key = own_gateway.new_key(organization={"monthly_budget_usd": 100})
    seen: list[Answer] = []
    slowest = 0.0

    async def calls(until: float) -> None:
        nonlocal slowest
        while time.monotonic() < until:
            began = time.monotonic()
            answer = await call(own_gateway.port, CHAT, question(stream=len(seen) % 2 == 0), key=key.api_key)
            slowest = max(slowest, time.monotonic() - began)
            assert answer.finished
            seen.append(answer)
            await asyncio.sleep(0.01)

    with closing(sqlite3.connect(own_gateway.data_dir / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        locked_s = 7.0  # longer than the gateway waits for another's lock at a time
        change = asyncio.create_task(
            asyncio.to_thread(
                http,
                f"{own_gateway.base_url}/admin/organizations",
                key=own_gateway.credentials["admin_key"],
                body={"name": "While it is locked", "monthly_budget_usd": 1},
            )
        )
        await asyncio.gather(*(calls(time.monotonic() + locked_s) for _ in range(4)))
        status, headers, answer = await change
        assert (status, answer["error"]["code"]) == (503, "STORE_UNAVAILABLE"), answer
        assert int(headers["retry-after"]) >= 1
        assert {row.call_id for row in vault_files.rows(own_gateway.data_dir)}.isdisjoint(a.call_id for a in seen)
        other.execute("ROLLBACK")

    assert slowest < 1.0
    until = time.monotonic() + RESUMED_WITHIN_S + 3
    while {row.call_id for row in vault_files.rows(own_gateway.data_dir)} != {answer.call_id for answer in seen}:
        assert time.monotonic() < until, "the vault did not catch up"
        await asyncio.sleep(0.1)
    await asyncio.to_thread(check_books, own_gateway, key, seen)
    print(f"\n{len(seen)} calls while the vault was locked, the slowest took {slowest:.3f} s")
