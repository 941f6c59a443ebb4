"""When one provider fails and another has the model: who answers, after how many attempts, and who is paid."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Settings
from tests.support.black_hole import black_hole
from tests.support.processes import GatewayProcess, NewKey, free_port, http
from tests.support.raw_client import CHAT, MESSAGES, Answer, call, question

# The first costs ten times what the second does, so that a bill tells whose it is.
CONFIG = """
providers:
  second:
    type: {second_kind}
    api_key: sk-second
    base_url: {second}
    models: [{{name: shared, prices: {{input: 1, output: 2}}}}]
    retries: 1
    timeout: {{connect: 300ms, first_event: 500ms, stall: 500ms}}
  first:
    type: {first_kind}
    api_key: sk-first
    base_url: {first}
    models: [{{name: shared, prices: {{input: 10, output: 20}}}}]
    retries: 1
    timeout: {{connect: 300ms, first_event: 500ms, stall: 500ms}}
routing:
  fallback_chain: [first, second]
"""


@dataclass
class House:
    """A gateway with two providers, the first of which behaves as the test says."""

    gateway: GatewayProcess
    key: NewKey
    first: EmbeddedSimulator | None
    second: EmbeddedSimulator

    async def ask(self, path: str = CHAT, *, model: str = "shared", stream: bool = False, **more: Any) -> Answer:
        body = question(model=model, stream=stream, max_tokens=10) | more
        return await call(self.gateway.port, path, body, key=self.key.api_key)

    async def record(self, answer: Answer) -> dict[str, Any]:
        url = f"{self.gateway.base_url}/v1/requests/{answer.call_id}"
        found: dict[str, Any] = (await asyncio.to_thread(http, url, key=self.key.api_key))[2]
        return found


@asynccontextmanager
async def house(
    directory: Path,
    first: Settings | int,
    second: Settings | None = None,
    *,
    kinds: tuple[str, str] = ("openai", "openai"),
) -> AsyncIterator[House]:
    """`first`: how the first provider behaves, or the port where it should be."""
    async with AsyncExitStack() as stack:
        one = None
        if isinstance(first, Settings):
            one = await stack.enter_async_context(EmbeddedSimulator(first))
        other = await stack.enter_async_context(EmbeddedSimulator(second or Settings(record_calls=True)))
        url = one.base_url if one else f"http://127.0.0.1:{first}"
        config = CONFIG.format(
            first=url + "/v1", second=other.base_url + "/v1", first_kind=kinds[0], second_kind=kinds[1]
        )
        directory.mkdir(exist_ok=True)
        gateway = GatewayProcess(directory, config=config)
        await asyncio.to_thread(gateway.start)
        try:
            key = await asyncio.to_thread(gateway.new_key, organization={"monthly_budget_usd": 5})
            yield House(gateway, key, one, other)
        finally:
            assert await asyncio.to_thread(gateway.stop) == 0
        assert "Traceback" not in gateway.process.output


FAILS: dict[str, tuple[Settings, int]] = {
    # how the first fails, and how often it is tried
    "503": (Settings(error=503, retry_after_s=0), 2),
    "500": (Settings(error=500), 2),
    "a limit that lasts": (Settings(error=429, retry_after_s=60), 1),
    "our credential": (Settings(error="authentication"), 1),
    "our quota": (Settings(error="quota"), 1),
    "no such model": (Settings(error="not_found"), 1),
    "cut before the head": (Settings(cut_after_events=0), 2),
    "reset before the head": (Settings(reset_after_events=0), 2),
    "a web page": (Settings(malformed="html"), 2),
    "silence": (Settings(latency_ms=20_000), 2),
}


@pytest.mark.parametrize("name", FAILS)
async def test_the_next_provider_answers_and_is_the_only_one_paid(tmp_path: Path, name: str) -> None:
    behaviour, tries = FAILS[name]
    async with house(tmp_path, behaviour) as at:
        for path in (CHAT, MESSAGES):
            for stream in (False, True):
                answer = await at.ask(path, stream=stream)
                assert answer.finished, bytes(answer.body)
                assert answer.headers["x-gateway-provider"] == "second"
                assert answer.headers["x-gateway-attempts"] == str(tries + 1)
                seen = await at.record(answer)
                assert [each["provider"] for each in seen["explain"]["attempts"]] == ["first"] * tries + ["second"]
                usage = seen["usage"]
                assert seen["cost_nanos"] == usage["input_tokens"] * 1_000 + usage["output_tokens"] * 2_000
                assert seen["held_usd"] > 10 * seen["cost_usd"] > 0  # held at the dearest of the plan


@pytest.mark.parametrize("kinds", [("openai", "anthropic"), ("anthropic", "openai")])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_next_provider_may_speak_another_dialect(
    tmp_path: Path, kinds: tuple[str, str], stream: bool
) -> None:
    async with house(tmp_path, Settings(error=529), kinds=kinds) as at:
        for path in (CHAT, MESSAGES):
            answer = await at.ask(path, stream=stream)
            assert answer.finished, bytes(answer.body)
            assert answer.headers["x-gateway-provider"] == "second"


@pytest.mark.parametrize("where", ["a closed port", "a black hole"])
async def test_the_next_provider_answers_where_the_first_cannot_be_connected_to(tmp_path: Path, where: str) -> None:
    with black_hole() as hole:
        async with house(tmp_path, hole if where == "a black hole" else free_port()) as at:
            began = time.monotonic()
            answer = await at.ask()
            assert answer.finished
            assert answer.headers["x-gateway-attempts"] == "3"
            assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ("bad_request", 400, "INVALID_REQUEST"),
        ("context_length", 400, "CONTEXT_LENGTH_EXCEEDED"),
        ("content_filter", 400, "SAFETY_VIOLATION"),
    ],
)
async def test_what_is_wrong_with_the_request_is_not_tried_elsewhere(
    tmp_path: Path, error: str, status: int, code: str
) -> None:
    async with house(tmp_path, Settings(error=error)) as at:
        answer = await at.ask()
        assert (answer.status, answer.error_code) == (status, code)
        assert at.second.calls == []


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_when_all_fail_the_caller_hears_so_and_pays_nothing(tmp_path: Path, path: str) -> None:
    async with house(tmp_path, Settings(error=500), Settings(error=503, retry_after_s=0)) as at:
        answer = await at.ask(path)
        assert answer.status == 502
        assert answer.error_code == ("ALL_PROVIDERS_FAILED" if path == CHAT else "api_error")
        seen = await at.record(answer)
        assert seen["cost_nanos"] == 0
        assert [each["status"] for each in seen["explain"]["attempts"]] == [500, 500, 503, 503]


async def test_when_all_are_busy_the_caller_hears_when_the_first_is_not(tmp_path: Path) -> None:
    async with house(tmp_path, Settings(error=429, retry_after_s=40), Settings(error=429, retry_after_s=20)) as at:
        answer = await at.ask()
        assert (answer.status, answer.error_code) == (429, "RATE_LIMITED")
        assert answer.headers["retry-after"] == "20"


async def test_when_none_has_the_model_the_caller_hears_that(tmp_path: Path) -> None:
    async with house(tmp_path, Settings(error="not_found"), Settings(error="not_found")) as at:
        answer = await at.ask()
        assert (answer.status, answer.error_code) == (404, "MODEL_NOT_FOUND")


async def test_a_caller_may_forbid_the_fallback_or_name_its_provider(tmp_path: Path) -> None:
    async with house(tmp_path, Settings(error=500)) as at:
        alone = await at.ask(routing={"fallback": False})
        assert (alone.status, alone.error_code) == (502, "PROVIDER_ERROR")
        named = await at.ask(model="first/shared")
        assert (named.status, named.error_code) == (502, "PROVIDER_ERROR")
        assert at.second.calls == []
        other = await at.ask(routing={"providers": ["second"]})
        assert other.finished
        assert other.headers["x-gateway-attempts"] == "1"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_stream_that_has_begun_is_not_begun_again_elsewhere(tmp_path: Path, path: str) -> None:
    async with house(tmp_path, Settings(cut_after_events=6, tokens_per_s=100)) as at:
        answer = await at.ask(path, stream=True)
        assert not answer.finished
        assert answer.error_code == ("PROVIDER_ERROR" if path == CHAT else "api_error")
        assert at.second.calls == []
        seen = await at.record(answer)
        assert (seen["provider"], seen["usage"]["source"]) == ("first", "estimated")
