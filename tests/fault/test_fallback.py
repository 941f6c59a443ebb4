"""When one provider fails and another has the model: who answers, after how many attempts, and who is paid."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Settings
from tests.support.black_hole import black_hole
from tests.support.processes import GatewayProcess, NewKey, free_port, http
from tests.support.raw_client import CHAT, MESSAGES, Answer, call, question

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The first costs ten times what the second does, so that a bill tells whose it is. The chain turns the file's order round.
PAIR = """
  second-{number}:
    type: {second_kind}
    api_key: sk-second
    base_url: {second}/v1
    models: [{{name: "{name}", prices: {{input: 1, output: 2}}}}]
    retries: 1
    timeout: {{connect: 300ms, first_event: 500ms, stall: 500ms}}
  first-{number}:
    type: {first_kind}
    api_key: sk-first
    base_url: {first}/v1
    models: [{{name: "{name}", prices: {{input: 10, output: 20}}}}]
    retries: 1
    timeout: {{connect: 300ms, first_event: 500ms, stall: 500ms}}
"""


SOUND = Settings()


@dataclass(frozen=True)
class Pair:
    """Two providers of one model, called as the pair is. `first` None: nobody listens there; "hole": nobody ever will."""

    first: Settings | str | None
    tries: int = 2
    second: Settings = SOUND
    first_kind: str = "openai"
    second_kind: str = "openai"


ANSWERED_BY_SECOND = {
    "503": Pair(Settings(error=503, retry_after_s=0)),
    "500": Pair(Settings(error=500)),
    "a limit that lasts": Pair(Settings(error=429, retry_after_s=60), tries=1),
    "our credential": Pair(Settings(error="authentication"), tries=1),
    "our quota": Pair(Settings(error="quota"), tries=1),
    "no such model": Pair(Settings(error="not_found"), tries=1),
    "cut before the head": Pair(Settings(cut_after_events=0)),
    "reset before the head": Pair(Settings(reset_after_events=0)),
    "a web page": Pair(Settings(malformed="html")),
    "silence": Pair(Settings(latency_ms=20_000)),
    "openai, then anthropic": Pair(Settings(error=529), second_kind="anthropic"),
    "anthropic, then openai": Pair(Settings(error=529), first_kind="anthropic"),
    "closed port": Pair(None),
    "black hole": Pair("hole"),
}
ANSWERED_BY_NONE = {
    "bad request": Pair(Settings(error="bad_request")),
    "context length": Pair(Settings(error="context_length")),
    "content filter": Pair(Settings(error="content_filter")),
    "both fail": Pair(Settings(error=500), second=Settings(error=503, retry_after_s=0)),
    "both busy": Pair(Settings(error=429, retry_after_s=40), second=Settings(error=429, retry_after_s=20)),
    "neither has it": Pair(Settings(error="not_found"), second=Settings(error="not_found")),
    "breaks in its stream": Pair(Settings(cut_after_events=6, tokens_per_s=100)),
}


@dataclass
class House:
    """A gateway with a pair of providers for each case."""

    gateway: GatewayProcess
    key: NewKey
    seconds: dict[str, EmbeddedSimulator]

    async def ask(self, model: str, path: str = CHAT, *, stream: bool = False, **more: Any) -> Answer:
        body = question(model=model, stream=stream, max_tokens=10) | more
        return await call(self.gateway.port, path, body, key=self.key.api_key)

    async def record(self, answer: Answer) -> dict[str, Any]:
        url = f"{self.gateway.base_url}/v1/requests/{answer.call_id}"
        found: dict[str, Any] = (await asyncio.to_thread(http, url, key=self.key.api_key))[2]
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        hole = stack.enter_context(black_hole())
        entries, chain, seconds = [], [], {}
        for number, (name, pair) in enumerate((ANSWERED_BY_SECOND | ANSWERED_BY_NONE).items()):
            if isinstance(pair.first, Settings):
                first = (await stack.enter_async_context(EmbeddedSimulator(pair.first))).base_url
            else:
                first = f"http://127.0.0.1:{hole if pair.first else free_port()}"
            second = await stack.enter_async_context(EmbeddedSimulator(replace(pair.second, record_calls=True)))
            seconds[name] = second
            entries.append(
                PAIR.format(
                    number=number,
                    name=name,
                    first=first,
                    second=second.base_url,
                    first_kind=pair.first_kind,
                    second_kind=pair.second_kind,
                )
            )
            chain.append(f"first-{number}")
        config = "providers:" + "".join(entries) + f"routing:\n  fallback_chain: [{', '.join(chain)}]\n"
        gateway = GatewayProcess(tmp_path_factory.mktemp("gateway"), config=config)
        await asyncio.to_thread(gateway.start)
        key = await asyncio.to_thread(gateway.new_key, organization={"monthly_budget_usd": 5})
        yield House(gateway, key, seconds)
        assert await asyncio.to_thread(gateway.stop) == 0
        assert "Traceback" not in gateway.process.output
        assert '"internal fault"' not in gateway.process.output


@pytest.mark.parametrize("name", ANSWERED_BY_SECOND)
async def test_the_next_provider_answers_and_is_the_only_one_paid(house: House, name: str) -> None:
    tries = ANSWERED_BY_SECOND[name].tries
    ways = [(path, stream) for path in (CHAT, MESSAGES) for stream in (False, True)]
    began = time.monotonic()
    answers = await asyncio.gather(*(house.ask(name, path, stream=stream) for path, stream in ways))
    assert time.monotonic() - began < 5
    for answer in answers:
        assert answer.finished, bytes(answer.body)
        assert answer.headers["x-gateway-provider"].startswith("second-")
        assert answer.headers["x-gateway-attempts"] == str(tries + 1)
        seen = await house.record(answer)
        tried = [each["provider"].partition("-")[0] for each in seen["explain"]["attempts"]]
        assert tried == ["first"] * tries + ["second"]
        usage = seen["usage"]
        assert seen["cost_nanos"] == usage["input_tokens"] * 1_000 + usage["output_tokens"] * 2_000
        assert seen["held_usd"] > 10 * seen["cost_usd"] > 0  # held at the dearest of the plan


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("bad request", "INVALID_REQUEST"),
        ("context length", "CONTEXT_LENGTH_EXCEEDED"),
        ("content filter", "SAFETY_VIOLATION"),
    ],
)
async def test_what_is_wrong_with_the_request_is_not_tried_elsewhere(house: House, name: str, code: str) -> None:
    answer = await house.ask(name)
    assert (answer.status, answer.error_code) == (400, code)
    assert house.seconds[name].calls == []


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_when_all_fail_the_caller_hears_so_and_pays_nothing(house: House, path: str) -> None:
    answer = await house.ask("both fail", path)
    assert answer.status == 502
    assert answer.error_code == ("ALL_PROVIDERS_FAILED" if path == CHAT else "api_error")
    seen = await house.record(answer)
    assert seen["cost_nanos"] == 0
    assert [each["status"] for each in seen["explain"]["attempts"]] == [500, 500, 503, 503]


async def test_when_all_are_busy_the_caller_hears_when_the_first_is_not(house: House) -> None:
    answer = await house.ask("both busy")
    assert (answer.status, answer.error_code) == (429, "RATE_LIMITED")
    assert answer.headers["retry-after"] == "20"


async def test_when_none_has_the_model_the_caller_hears_that(house: House) -> None:
    answer = await house.ask("neither has it")
    assert (answer.status, answer.error_code) == (404, "MODEL_NOT_FOUND")


async def test_a_caller_may_forbid_the_fallback_or_name_its_provider(house: House) -> None:
    second = house.seconds["500"]
    second.reset()
    alone = await house.ask("500", routing={"fallback": False})
    assert (alone.status, alone.error_code) == (502, "PROVIDER_ERROR")
    named = await house.ask("first-1/500")
    assert (named.status, named.error_code) == (502, "PROVIDER_ERROR")
    assert second.calls == []
    other = await house.ask("500", routing={"providers": ["second-1"]})
    assert other.finished
    assert other.headers["x-gateway-attempts"] == "1"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_stream_that_has_begun_is_not_begun_again_elsewhere(house: House, path: str) -> None:
    answer = await house.ask("breaks in its stream", path, stream=True)
    assert not answer.finished
    assert answer.error_code == ("PROVIDER_ERROR" if path == CHAT else "api_error")
    assert house.seconds["breaks in its stream"].calls == []
    seen = await house.record(answer)
    assert (seen["provider"][:5], seen["usage"]["source"]) == ("first", "estimated")
