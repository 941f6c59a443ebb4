"""A gateway under traffic that is killed and started again, and the account of what its clients saw meanwhile."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, NewKey
from tests.support.raw_client import CHAT, MESSAGES, Answer, call, question

START_TIMEOUT_S = PATIENCE_S
_MODELS = ("gpt-4o-mini", "claude-haiku-4-5")


@dataclass
class Account:
    """What the clients saw: cost in nanos by call of each answer whose end came, and how many were sent and refused."""

    costs: dict[str, int] = field(default_factory=dict)
    streams: int = 0
    sent: int = 0
    refused: int = 0
    broken: int = 0

    def take(self, answer: Answer) -> None:
        if answer.finished:
            assert answer.call_id not in self.costs
            self.costs[answer.call_id] = answer.cost_nanos
            self.streams += answer.is_stream
        elif answer.status == 402 and answer.complete:
            assert answer.document["error"]["type"] in ("insufficient_quota", "billing_error")
            self.refused += 1
        else:
            # Nothing but a killed process breaks an answer here.
            assert answer.status in (0, 200, 402), (answer.status, bytes(answer.body))
            self.broken += 1


@dataclass
class Lane:
    """One gateway on one data directory, through all its kills."""

    gateway: GatewayProcess
    dice: random.Random
    account: Account = field(default_factory=Account)
    ready_s: list[float] = field(default_factory=list)
    month: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m}")

    async def traffic(self, keys: Sequence[NewKey], *, callers: int) -> None:
        """Callers that call again and again, until cancelled or until nobody listens."""
        await asyncio.gather(*(self._caller(keys[number % len(keys)]) for number in range(callers)))

    async def _caller(self, key: NewKey) -> None:
        dice, account = self.dice, self.account
        while True:
            body = question(
                f"{dice.random()}",
                model=dice.choice(_MODELS),
                stream=dice.random() < 0.5,
                simulate=f"latency_ms={dice.uniform(0, 60):.0f}; pace={dice.uniform(200, 2000):.0f}; "
                f"output_tokens={dice.randint(1, 16)}",
            )
            account.sent += 1
            try:
                answer = await call(self.gateway.port, dice.choice((CHAT, MESSAGES)), body, key=key.api_key)
            except OSError:
                account.sent -= 1
                return  # killed
            account.take(answer)
            if answer.status == 402:
                await asyncio.sleep(0.05)

    async def kill_in_traffic(self, keys: Sequence[NewKey], *, callers: int, after_s: float) -> None:
        """kill -9 so long after the callers began; returns when they have seen it."""
        calling = asyncio.create_task(self.traffic(keys, callers=callers))
        await asyncio.sleep(after_s)
        assert not calling.done(), calling.exception()
        self.gateway.kill()
        await asyncio.wait_for(calling, 30)

    async def start(self) -> None:
        """Starts and waits until it is ready; keeps for how long the gateway itself let its callers wait: what it stood in line
        for a processor, while others used it, is taken off."""
        began = time.monotonic()
        process = self.gateway.process
        process.start()
        while True:
            assert process.popen.poll() is None, process.output[-4000:]
            assert time.monotonic() - began < START_TIMEOUT_S, process.output[-4000:]
            try:
                answer = await call(self.gateway.port, "/readyz", None, key="", method="GET")
            except OSError:
                await asyncio.sleep(0.01)
                continue
            if answer.status == 200:
                break
        self.ready_s.append(time.monotonic() - began - _stood_in_line_s(process.popen.pid))

    async def kill_while_starting(self, after_s: float) -> None:
        """Starts and kills it so many seconds later, wherever it is by then."""
        self.gateway.process.start()
        await asyncio.sleep(after_s)
        self.gateway.kill()


def _stood_in_line_s(pid: int) -> float:
    """How long the process's main thread was able to run and waited for a processor; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0
