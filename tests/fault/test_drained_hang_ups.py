"""Clients hang up at every moment, on every surface: where their provider bills on they pay for all that it made, to the nano."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fault.test_hang_ups import metric, recorded, wait_for_rest
from tests.support import vault_files
from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.raw_client import CHAT, MESSAGES, Answer, begin, question

OUTPUT_TOKENS = 40
INPUT_NANOS, OUTPUT_NANOS = 150, 600
PRICES = "{input: 0.15, output: 0.60}"
ENTRIES = {"oa": ("openai", "/v1"), "an": ("anthropic", ""), "go": ("google", "/v1beta")}
MOMENTS = {
    "before the head": "latency_ms=3000",
    "in the middle": "pace=15",
    # All of the text has come, and what ends the stream has not.
    "at the end": "stall_after={events}; stall_s=3",
}
EVENTS_BEFORE_TEXT = {"oa": 1, "an": 3, "go": 0}
EVENTS_BEFORE_TEXT_OF_OPENAI = {"responses": 4, "completions": 0}


def _gemini(model: str, text: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    config = {"maxOutputTokens": 100}
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"parts": [{"text": text}]}], "generationConfig": config}


def _asked(surface: str, model: str, text: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """Path and body of a question on a surface."""
    said = {"model": model, "stream": stream}
    match surface:
        case "chat":
            return CHAT, question(text, model=model, stream=stream, max_tokens=100)
        case "messages":
            return MESSAGES, question(text, model=model, stream=stream, max_tokens=100)
        case "responses":
            return "/v1/responses", said | {"input": text, "max_output_tokens": 100}
        case "completions":
            return "/v1/completions", said | {"prompt": text, "max_tokens": 100}
        case "own":
            return "/v1/ai/completions", said | {"prompt": text, "max_tokens": 100}
        case "embeddings":
            return "/v1/embeddings", {"model": model, "input": text}
        case "gemini":
            return _gemini(model, text, stream=stream)
        case _:
            return "/passthrough/" + model.partition("/")[0] + "/chat/completions", {
                **question(text, model=model.partition("/")[2], stream=stream, max_tokens=100),
                **({"stream_options": {"include_usage": True}} if stream else {}),
            }


SURFACES = ("chat", "messages", "responses", "completions", "own", "gemini", "passthrough", "embeddings")


@dataclass(frozen=True)
class Case:
    """`entry` is asked for a model of its own, by which the call is known."""

    number: int
    surface: str
    entry: str
    stream: bool
    moment: str

    @property
    def model(self) -> str:
        return f"m-{self.number}"

    @property
    def directives(self) -> str:
        before = EVENTS_BEFORE_TEXT[self.entry]
        if self.entry == "oa":
            before = EVENTS_BEFORE_TEXT_OF_OPENAI.get(self.surface, before)
        said = MOMENTS[self.moment].format(events=before + OUTPUT_TOKENS)
        return f"[[simulate: {said}; output_tokens={OUTPUT_TOKENS}]]"


CASES = [
    Case(number, *case)
    for number, case in enumerate(
        (surface, entry, stream, moment)
        for surface in SURFACES
        for entry in (ENTRIES if surface not in ("passthrough", "embeddings") else ("oa",))
        for stream in (False, True)
        if not stream or surface != "embeddings"
        for moment in (MOMENTS if stream else ("before the head",))
    )
]


def configuration(url: str) -> str:
    models = ", ".join(f"{{name: {case.model}, prices: {PRICES}}}" for case in CASES)
    entries = "".join(
        f"""
  {name}{suffix}:
    type: {kind}
    api_key: k-0123456789
    base_url: {url}{path}
    drain_on_hangup: {drains}
    models: [{models}]"""
        for suffix, drains in (("", "true"), ("-stops", "false"))
        for name, (kind, path) in ENTRIES.items()
    )
    return f"gateway: {{hangup_drain_timeout: 60s}}\nproviders:{entries}\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    started = GatewayProcess(tmp_path_factory.mktemp("gateway"), config=configuration(simulator.base_url))
    started.start()
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.process.output
    assert '"internal fault"' not in started.process.output


async def leave(gateway: GatewayProcess, simulator: SimulatorProcess, key: NewKey, case: Case, *, suffix: str) -> None:
    """Asks, and hangs up at the case's moment."""
    path, body = _asked(
        case.surface, f"{case.entry}{suffix}/{case.model}", f"Hello {case.directives}", stream=case.stream
    )
    answer = await begin(gateway.port, path, body, key=key.api_key)
    if case.moment == "before the head":
        await _until_seen(simulator, case)
    else:
        await answer.wait_for_bytes(3500 if case.surface == "responses" else 700)
        if case.moment == "at the end":
            await _until_silent(answer)
    assert not answer.over.is_set(), (case, answer.status, bytes(answer.body))
    answer.hang_up(reset=bool(case.number % 2))


async def _until_seen(simulator: SimulatorProcess, case: Case) -> None:
    until = time.monotonic() + PATIENCE_S
    while not any(case.model in (each["model"], each["path"]) for each in await asyncio.to_thread(simulator.calls)):
        assert time.monotonic() < until, f"{case} was never sent"
        await asyncio.sleep(0.02)


async def _until_silent(answer: Answer) -> None:
    seen = -1
    while seen != len(answer.body):
        seen = len(answer.body)
        await asyncio.sleep(0.08)


async def run(gateway: GatewayProcess, simulator: SimulatorProcess, *, suffix: str) -> dict[str, Any]:
    """All cases at once: the vault's rows and the simulator's calls by model, and the user's figures."""
    key = gateway.new_key(organization={"monthly_budget_usd": 10})
    simulator.reset()
    await asyncio.gather(*(leave(gateway, simulator, key, case, suffix=suffix) for case in CASES))
    figures = await asyncio.to_thread(wait_for_rest, gateway, key)
    rows = await asyncio.to_thread(recorded, gateway, key, len(CASES))
    made = {each["model"]: each for each in simulator.calls()}
    stats = http(f"{simulator.base_url}/_simulator/stats")[2]
    return {"rows": {row.model_asked.rpartition("/")[2]: row for row in rows}, "made": made, "stats": stats} | figures


async def test_who_hangs_up_on_a_provider_that_bills_on_pays_for_all_that_it_made(
    gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    tokens_before = metric(gateway, "onevault_drained_tokens_total")
    seen = await run(gateway, simulator, suffix="")
    for case in CASES:
        row: vault_files.Row = seen["rows"][case.model]
        made = seen["made"][case.model]
        assert made["outcome"] == "completed", case
        assert (row.outcome, row.fault, row.source) == ("CANCELLED", "CLIENT_CLOSED", "provider"), case
        assert row.output_tokens == made["output_tokens"] == (0 if case.surface == "embeddings" else OUTPUT_TOKENS), (
            case
        )
        assert row.cost == INPUT_NANOS * row.input_tokens + OUTPUT_NANOS * row.output_tokens, case
        assert 0 < row.cost <= row.amount_held, case
    generated = sum(seen["rows"][case.model].input_tokens for case in CASES if case.surface != "embeddings")
    assert generated == seen["stats"]["input_tokens"]  # which has generations alone
    assert (seen["held_nanos"], seen["total_usage_nanos"]) == (0, sum(row.cost for row in seen["rows"].values()))
    assert metric(gateway, "onevault_drains_running") == 0
    assert metric(gateway, 'onevault_drains_total{end="finished"}') >= len(CASES) - len(SURFACES)
    assert metric(gateway, "onevault_drained_tokens_total") > tokens_before


async def test_who_hangs_up_on_a_provider_that_stops_pays_for_what_was_delivered(
    gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    drains_before = metric(gateway, 'onevault_drains_total{end="finished"}')
    seen = await run(gateway, simulator, suffix="-stops")
    for case in CASES:
        row: vault_files.Row = seen["rows"][case.model]
        made = seen["made"][case.model]
        assert made["outcome"] == "cancelled_by_client", case
        assert (row.outcome, row.fault, row.source) == ("CANCELLED", "CLIENT_CLOSED", "estimated"), case
        assert row.cost == INPUT_NANOS * row.input_tokens + OUTPUT_NANOS * row.output_tokens, case
        assert row.cost <= row.amount_held, case
        delivered = {"before the head": 0, "at the end": OUTPUT_TOKENS}.get(case.moment)
        assert row.output_tokens == delivered if delivered is not None else 0 < row.output_tokens < OUTPUT_TOKENS, case
    assert (seen["held_nanos"], seen["total_usage_nanos"]) == (0, sum(row.cost for row in seen["rows"].values()))
    assert metric(gateway, 'onevault_drains_total{end="finished"}') == drains_before


async def test_drains_have_their_number_and_end_with_the_process(tmp_path: Path, simulator: SimulatorProcess) -> None:
    config = f"""
gateway: {{drain_timeout: 1s, hangup_drains_max: 1}}
providers:
  oa:
    type: openai
    api_key: k-0123456789
    base_url: {simulator.base_url}/v1
    drain_on_hangup: true
    models: [{{name: m-1, prices: {PRICES}}}, {{name: m-2, prices: {PRICES}}}]
"""
    gateway = GatewayProcess(tmp_path, config=config)
    gateway.start()
    key = gateway.new_key(organization={"monthly_budget_usd": 10}, concurrent_requests=2)
    simulator.reset()
    for number in (1, 2):
        body = question(model=f"m-{number}", stream=True, simulate="output_tokens=30; stall_after=11; stall_s=90")
        answer = await begin(gateway.port, CHAT, body, key=key.api_key)
        await answer.wait_for_bytes(700)
        answer.hang_up()
        if number == 1:
            await _until(lambda: metric(gateway, "onevault_drains_running") == 1)
    await _until(lambda: metric(gateway, 'onevault_drains_total{end="no_room"}') == 1)
    (row,) = await asyncio.to_thread(recorded, gateway, key, 1)
    assert (row.model_asked, row.outcome, row.source) == ("m-2", "CANCELLED", "estimated")
    figures = gateway.admin(f"/users/{key.user_id}/usage")
    assert figures["held_nanos"] > 0, "what is read on is held"
    assert metric(gateway, "onevault_calls_in_flight") == 1
    assert await asyncio.to_thread(gateway.stop) == 0
    rows = vault_files.rows(gateway.data_dir)
    assert {(row.model_asked, row.outcome, row.source) for row in rows} == {
        ("m-1", "CANCELLED", "estimated"),
        ("m-2", "CANCELLED", "estimated"),
    }
    assert all(0 < row.cost < row.amount_held and row.output_tokens == 10 for row in rows)
    assert {each["outcome"] for each in simulator.calls()} == {"cancelled_by_client"}


async def _until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(happened):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)
