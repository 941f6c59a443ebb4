"""Two hosts on one Redis in a network of its own, and the links to it cut in turn: packets vanish, and no connection is told so."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.network import Network, network
from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http, wait_until_ready
from tests.support.raw_client import CHAT, Answer, call, question
from tests.support.redis_server import RedisServer
from tests.support.vaults import POSTGRESQL, place

HOSTS = 2
CALLERS = 4
CUT_S = 2.0


@pytest.fixture
def beyond() -> Iterator[Network]:
    """A link for each host, and one for the test, which is never cut."""
    with network(HOSTS + 1) as made:
        yield made


@pytest.fixture
def redis(beyond: Network) -> Iterator[RedisServer]:
    server = RedisServer(host=beyond.addresses[HOSTS], within=beyond.within)
    yield server.start()
    server.remove()


@pytest.fixture
def hosts(
    tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess, redis: RedisServer, beyond: Network
) -> Iterator[list[GatewayProcess]]:
    made = []
    with place(POSTGRESQL) as database:
        for address in beyond.addresses[:HOSTS]:
            environment = simulator.as_provider | {
                "ONEVAULT_DATABASE_URL": database,
                "ONEVAULT_REDIS_URL": f"redis://{address}:{redis.port}/0",
                "ONEVAULT_ADMIN_KEY": "admin-key-of-both-hosts-" + "5" * 20,
                "ONEVAULT_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
            }
            directory = tmp_path_factory.mktemp("host")
            made.append(GatewayProcess(directory, environment=environment, config="gateway: {drain_timeout: 2}\n"))
            made[-1].process.start()
        for gateway in made:
            wait_until_ready(f"{gateway.base_url}/readyz", gateway.process)
        yield made
        for gateway in made:
            assert gateway.stop() == 0, gateway.process.output
            assert "Traceback" not in gateway.process.output


class Traffic:
    """Calls at a host, one after the other from each caller; every answer is kept."""

    def __init__(self, gateway: GatewayProcess, key: NewKey) -> None:
        self.answers: list[Answer] = []
        self._gateway, self._key = gateway, key
        self._over = asyncio.Event()
        self._callers = [asyncio.create_task(self._go_on()) for _ in range(CALLERS)]

    async def _go_on(self) -> None:
        while not self._over.is_set():
            self.answers.append(await call(self._gateway.port, CHAT, question(), key=self._key.api_key))
            if self.answers[-1].status != 200:
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        self._over.set()
        await asyncio.gather(*self._callers)

    async def answered(self, status: int) -> None:
        """Until another call has been answered so."""
        seen = len(self.answers)
        await until(lambda: any(each.status == status for each in self.answers[seen:]), f"an answer {status}")


async def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def test_a_host_that_is_cut_off_refuses_the_other_goes_on_and_the_books_agree_afterwards(
    hosts: list[GatewayProcess], beyond: Network
) -> None:
    key = await asyncio.to_thread(hosts[0].new_key, organization={"monthly_budget_usd": 1000})
    usage = f"{hosts[1].base_url}/v1/usage"
    await until(lambda: http(usage, key=key.api_key)[0] == 200, "the other host knows the key")
    traffic = [Traffic(gateway, key) for gateway in hosts]
    for each in traffic:
        await each.answered(200)
    for off, on in ((0, 1), (1, 0)):
        beyond.cut(off)
        try:
            await traffic[off].answered(503)
            await traffic[on].answered(200)
            await asyncio.sleep(CUT_S)
            await traffic[on].answered(200)
        finally:
            beyond.mend(off)
        await traffic[off].answered(200)
    for each in traffic:
        await each.stop()
    answers = [answer for each in traffic for answer in each.answers]
    assert {answer.status for answer in answers} == {200, 503}
    assert {answer.error_code for answer in answers if answer.status == 503} == {"STORE_UNAVAILABLE"}
    costs = {answer.call_id: answer.cost_nanos for answer in answers if answer.status == 200}
    told = f"/organizations/{key.org_id}/usage"
    for gateway in hosts:
        await until(lambda gateway=gateway: gateway.admin(told)["held_nanos"] == 0, "nothing is held for good")
        assert gateway.admin(told)["total_usage_nanos"] == sum(costs.values())
