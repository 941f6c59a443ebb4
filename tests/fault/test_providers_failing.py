"""Providers that refuse, fail, hang, lie or babble: what callers see of it, what it costs them, and who answers instead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from onevault.simulator.faults import CATALOGUE
from tests.support.black_hole import black_hole
from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, free_port, http
from tests.support.raw_client import CHAT, MESSAGES, Answer, call, question

PRICES = "prices: {input: 0.15, output: 0.60}"
CONFIG = """
providers:
  oa:
    type: openai
    api_key: sk-simulated-openai
    base_url: {url}/v1
    models: [{{name: oa-model, {prices}}}]
  an:
    type: anthropic
    api_key: sk-ant-simulated
    base_url: {url}
    models: [{{name: an-model, {prices}}}]
  impatient-oa:
    type: openai
    api_key: sk-simulated-openai
    base_url: {url}/v1
    models: [{{name: impatient-oa, {prices}}}]
    timeout: {{connect: 300ms, first_event: 400ms, stall: 400ms, total: 1s}}
    retries: 0
  impatient-an:
    type: anthropic
    api_key: sk-ant-simulated
    base_url: {url}
    models: [{{name: impatient-an, {prices}}}]
    timeout: {{connect: 300ms, first_event: 400ms, stall: 400ms, total: 1s}}
    retries: 0
  nowhere:
    type: openai_compatible
    base_url: http://127.0.0.1:{hole}/v1
    models: [{{name: nowhere, {prices}}}]
    timeout: {{connect: 300ms}}
    retries: 1
  closed:
    type: openai_compatible
    base_url: http://127.0.0.1:{closed}/v1
    models: [{{name: closed, {prices}}}]
    retries: 1
"""
GONE = "provider failures before an answer cost nothing"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    with black_hole() as hole:
        config = CONFIG.format(url=simulator.base_url, hole=hole, closed=free_port(), prices=PRICES)
        started = GatewayProcess(tmp_path_factory.mktemp("gateway"), config=config)
        started.start()
        yield started
        assert started.stop() == 0
        assert "Traceback" not in started.process.output
        assert '"internal fault"' not in started.process.output


@pytest.fixture(scope="module")
def key(gateway: GatewayProcess) -> NewKey:
    return gateway.new_key(organization={"monthly_budget_usd": 100})


@dataclass(frozen=True)
class Way:
    """How a call goes: the caller's dialect, and the provider's."""

    path: str
    provider: str
    stream: bool

    @property
    def model(self) -> str:
        return f"{self.provider}-model"


WAYS = {
    f"{caller} to {provider}, {'streamed' if stream else 'whole'}": Way(path, short, stream)
    for caller, path in (("openai", CHAT), ("anthropic", MESSAGES))
    for provider, short in (("openai", "oa"), ("anthropic", "an"))
    for stream in (False, True)
}


def record_of(gateway: GatewayProcess, key: NewKey, answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = http(f"{gateway.base_url}/v1/requests/{answer.call_id}", key=key.api_key)[2]
    return found


def error_type(code: str) -> str:
    """What Anthropic's dialect calls a code."""
    return {
        "MODEL_NOT_FOUND": "not_found_error",
        "PAYLOAD_TOO_LARGE": "request_too_large",
        "RATE_LIMITED": "rate_limit_error",
        "PROVIDER_ERROR": "api_error",
        "ALL_PROVIDERS_FAILED": "api_error",
        "PROVIDER_TIMEOUT": "timeout_error",
        "OVERLOADED": "overloaded_error",
    }.get(code, "invalid_request_error")


def check_fault(answer: Answer, path: str, status: int, code: str) -> None:
    assert answer.status == status, bytes(answer.body)
    assert answer.error_code == (code if path == CHAT else error_type(code)), bytes(answer.body)
    error = answer.document["error"]
    assert error["message"], "no words for the caller"
    assert "simulat" not in error["message"].lower(), "a provider's own words reached the caller"


# ---- the catalogue of refusals --------------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[int, str, int]] = {
    # what the caller sees, and how many attempts are made of it (two retries are configured)
    "bad_request": (400, "INVALID_REQUEST", 1),
    "context_length": (400, "CONTEXT_LENGTH_EXCEEDED", 1),
    "content_filter": (400, "SAFETY_VIOLATION", 1),
    "authentication": (502, "PROVIDER_ERROR", 1),
    "billing": (502, "PROVIDER_ERROR", 1),
    "permission": (502, "PROVIDER_ERROR", 1),
    "not_found": (404, "MODEL_NOT_FOUND", 1),
    "timeout": (504, "PROVIDER_TIMEOUT", 3),
    "conflict": (502, "PROVIDER_ERROR", 3),
    "too_large": (413, "PAYLOAD_TOO_LARGE", 1),
    "unprocessable": (400, "INVALID_REQUEST", 1),
    "rate_limit": (429, "RATE_LIMITED", 3),
    "token_rate_limit": (429, "RATE_LIMITED", 3),
    "quota": (502, "PROVIDER_ERROR", 1),
    "server": (502, "PROVIDER_ERROR", 3),
    "bad_gateway": (502, "PROVIDER_ERROR", 3),
    "unavailable": (503, "OVERLOADED", 3),
    "gateway_timeout": (504, "PROVIDER_TIMEOUT", 3),
    "overloaded": (503, "OVERLOADED", 3),
}
EXCEPTIONS = {
    # Anthropic's 404 does not say what is missing.
    ("not_found", "an"): (400, "INVALID_REQUEST", 1),
}


@pytest.fixture(scope="module")
def refusals(gateway: GatewayProcess, key: NewKey) -> dict[tuple[str, str], Answer]:
    """All of them at once, since most of their time is waiting between attempts."""

    async def ask(fault: str, way: Way) -> Answer:
        body = question(model=way.model, stream=way.stream, simulate=f"error={fault}")
        return await call(gateway.port, way.path, body, key=key.api_key)

    async def ask_all() -> dict[tuple[str, str], Answer]:
        cells = [(fault, name) for fault in REFUSALS for name in WAYS]
        answers = await asyncio.gather(*(ask(fault, WAYS[name]) for fault, name in cells))
        return dict(zip(cells, answers, strict=True))

    return asyncio.run(ask_all())


def test_the_table_knows_the_whole_catalogue() -> None:
    assert REFUSALS.keys() == CATALOGUE.keys()


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("fault", REFUSALS)
def test_a_refusal_becomes_the_callers_own_dialect_and_costs_nothing(
    gateway: GatewayProcess, key: NewKey, refusals: dict[tuple[str, str], Answer], fault: str, name: str
) -> None:
    way, answer = WAYS[name], refusals[fault, name]
    status, code, attempts = EXCEPTIONS.get((fault, way.provider), REFUSALS[fault])
    check_fault(answer, way.path, status, code)
    seen = record_of(gateway, key, answer)
    assert (seen["cost_nanos"], seen["fault"]["code"]) == (0, code)
    tried = seen["explain"]["attempts"]
    assert [each["status"] for each in tried] == [CATALOGUE[fault].status] * attempts
    assert all(each["provider_text"] for each in tried)
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1


# ---- retries --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(("fault", "times"), [("server", 1), ("unavailable", 2), ("rate_limit", 1), ("timeout", 2)])
async def test_a_failure_that_passes_is_tried_again_and_only_the_answer_costs(
    gateway: GatewayProcess, key: NewKey, name: str, fault: str, times: int
) -> None:
    way = WAYS[name]
    simulate = f"error={fault}; error_times={times}; id={fault}-{name.replace(' ', '')}; output_tokens=8; retry_after=0"
    answer = await call(
        gateway.port, way.path, question(model=way.model, stream=way.stream, simulate=simulate), key=key.api_key
    )
    assert answer.finished, bytes(answer.body)
    assert answer.headers["x-gateway-attempts"] == str(times + 1)
    seen = record_of(gateway, key, answer)
    assert seen["usage"]["output_tokens"] == 8
    assert seen["cost_nanos"] == answer.cost_nanos > 0


@pytest.mark.parametrize("status", [429, 503])
async def test_a_providers_wish_to_wait_is_honoured(gateway: GatewayProcess, key: NewKey, status: int) -> None:
    simulate = f"error={status}; error_times=1; id=wait{status}; retry_after=2"
    began = time.monotonic()
    answer = await call(gateway.port, CHAT, question(model="oa-model", simulate=simulate), key=key.api_key)
    assert answer.headers["x-gateway-attempts"] == "2"
    assert 2.0 <= time.monotonic() - began < 4.0


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_wish_to_wait_for_long_is_handed_to_the_caller(gateway: GatewayProcess, key: NewKey, path: str) -> None:
    began = time.monotonic()
    body = question(model="oa-model", simulate="error=429; retry_after=30")
    answer = await call(gateway.port, path, body, key=key.api_key)
    check_fault(answer, path, 429, "RATE_LIMITED")
    assert answer.headers["retry-after"] == "30"
    assert time.monotonic() - began < 2.0
    assert len(record_of(gateway, key, answer)["explain"]["attempts"]) == 1


# ---- timeouts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slow:
    """`seconds` is when the caller is told; in a stream that had begun, by an event. Where nothing had come, nothing is owed."""

    simulate: str
    seconds: float
    stream: bool
    begun: bool = False


SLOW = {
    "no head, whole": Slow("latency_ms=20000", 0.4, stream=False),
    "no head, streamed": Slow("latency_ms=20000", 0.4, stream=True),
    "no first event": Slow("ttft_ms=20000", 0.4, stream=True),
    "a stall in a whole answer": Slow("stall_after=1; stall_s=20", 0.4, stream=False),
    "a stall in a stream": Slow("stall_after=5; stall_s=20", 0.4, stream=True, begun=True),
    "a trickle of headers": Slow("slow_headers=50", 0.4, stream=False),
    "a trickle of a whole answer": Slow("slow_body=100", 1.0, stream=False),
    "a stream that never ends": Slow("pace=20; output_tokens=200", 1.0, stream=True, begun=True),
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("provider", ["oa", "an"])
@pytest.mark.parametrize("name", SLOW)
async def test_a_slow_provider_is_left_in_time_and_hears_of_it(
    gateway: GatewayProcess, simulator: SimulatorProcess, key: NewKey, name: str, provider: str, path: str
) -> None:
    slow = SLOW[name]
    simulator.reset()
    began = time.monotonic()
    body = question(model=f"impatient-{provider}", stream=slow.stream, max_tokens=300, simulate=slow.simulate)
    answer = await call(gateway.port, path, body, key=key.api_key)
    took = time.monotonic() - began
    seen = record_of(gateway, key, answer)
    assert slow.seconds * 0.9 <= took < slow.seconds + 0.7
    assert (seen["status"], seen["fault"]["code"]) == ("TIMEOUT", "PROVIDER_TIMEOUT")
    if slow.begun:
        check_broken_stream(answer, path, "PROVIDER_TIMEOUT")
        assert seen["usage"]["source"] == "estimated"
        assert 0 < seen["cost_usd"] < seen["held_usd"]
    else:
        check_fault(answer, path, 504, "PROVIDER_TIMEOUT")
        assert seen["cost_nanos"] == 0, GONE
    assert [each["outcome"] for each in simulator.calls()] == ["cancelled_by_client"]


def check_broken_stream(answer: Answer, path: str, code: str) -> None:
    """It ends with an error event, and nothing in it looks like an end."""
    assert answer.status == 200
    assert answer.is_stream
    assert not answer.finished
    assert answer.complete, "an error event ends a stream in order"
    assert b"[DONE]" not in answer.body
    assert b"message_stop" not in answer.body
    assert b"x-gateway-cost-usd" not in answer.body
    assert answer.error_code == (code if path == CHAT else error_type(code)), bytes(answer.body[-400:])
    assert not any(_stop_reason(event) for event in answer.events)


def _stop_reason(event: dict[str, Any]) -> Any:
    choices = event.get("choices") or [{}]
    return choices[0].get("finish_reason") or event.get("delta", {}).get("stop_reason")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "status", "code"), [("nowhere", 504, "PROVIDER_TIMEOUT"), ("closed", 502, "PROVIDER_ERROR")]
)
async def test_a_provider_that_cannot_be_connected_to_costs_nothing(
    gateway: GatewayProcess, key: NewKey, model: str, status: int, code: str, stream: bool
) -> None:
    answers = await asyncio.gather(
        *(call(gateway.port, path, question(model=model, stream=stream), key=key.api_key) for path in (CHAT, MESSAGES))
    )
    for answer, path in zip(answers, (CHAT, MESSAGES), strict=True):
        check_fault(answer, path, status, code)
        seen = record_of(gateway, key, answer)
        assert seen["cost_nanos"] == 0, GONE
        assert [each["fault"] for each in seen["explain"]["attempts"]] == [code] * 2


# ---- broken answers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Broken:
    """`begun`: events had reached the caller before it broke, so that it is told by an event and pays for them. `codes` are those
    of providers that say more of it than that it broke."""

    simulate: str
    stream: bool
    begun: bool = False
    codes: tuple[tuple[str, str], ...] = ()


BROKEN = {
    "cut before the head, whole": Broken("cut_after=0", stream=False),
    "cut before the head, streamed": Broken("cut_after=0", stream=True),
    "reset before the head": Broken("reset_after=0", stream=True),
    "cut in the body": Broken("cut_after=1", stream=False),
    "reset in the body": Broken("reset_after=1", stream=False),
    "cut in a stream": Broken("cut_after=6; pace=50", stream=True, begun=True),
    "reset in a stream": Broken("reset_after=6; pace=50", stream=True, begun=True),
    "ended without its end": Broken("end_after=6; pace=50", stream=True, begun=True),
    "half a JSON text": Broken("malformed=body", stream=False),
    "half a frame at the end": Broken("malformed=body; pace=50", stream=True, begun=True),
    "a frame that is not JSON": Broken("malformed=frame; pace=50", stream=True, begun=True),
    "broken chunks, whole": Broken("malformed=chunk", stream=False),
    "broken chunks, streamed": Broken("malformed=chunk; pace=50", stream=True, begun=True),
    "an empty body": Broken("malformed=empty", stream=False),
    "an empty stream": Broken("malformed=empty", stream=True),
    "a web page": Broken("malformed=html", stream=False),
    "a web page for a stream": Broken("malformed=html", stream=True),
    "an error where an answer should be": Broken("malformed=status_in_stream", stream=False),
    "an error in the middle of a stream": Broken(
        "malformed=status_in_stream; pace=50", stream=True, begun=True, codes=(("an", "OVERLOADED"),)
    ),
    "truncated body": Broken("truncate", stream=False),
    "truncated stream": Broken("truncate; pace=50", stream=True, begun=True),
    "a header without an end": Broken("header_bytes=2000000", stream=False),
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("provider", ["oa", "an"])
@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_never_looks_complete(
    gateway: GatewayProcess, key: NewKey, name: str, provider: str, path: str
) -> None:
    broken = BROKEN[name]
    body = question(
        model=f"impatient-{provider}",
        stream=broken.stream,
        max_tokens=200,
        simulate=f"{broken.simulate}; output_tokens=20",
    )
    answer = await call(gateway.port, path, body, key=key.api_key)
    seen = record_of(gateway, key, answer)
    code = dict(broken.codes).get(provider, "PROVIDER_ERROR")
    assert (seen["status"], seen["fault"]["code"]) == ("ERROR", code)
    if broken.begun:
        check_broken_stream(answer, path, code)
        assert seen["usage"]["source"] == "estimated"
        assert 0 < seen["cost_usd"] < seen["held_usd"]
    else:
        check_fault(answer, path, 502, "PROVIDER_ERROR")
        assert seen["cost_nanos"] == 0, GONE


SOUND = ("garbage=bytes", "garbage=answer", "interim=3", "header_bytes=8000", "idle_close_ms=0", "slow_body=20000")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("simulate", SOUND)
async def test_what_is_only_strange_does_not_matter(
    gateway: GatewayProcess, key: NewKey, simulate: str, stream: bool
) -> None:
    for path, model in ((CHAT, "oa-model"), (MESSAGES, "an-model"), (CHAT, "an-model"), (MESSAGES, "oa-model")) * 3:
        body = question(model=model, stream=stream, simulate=f"{simulate}; output_tokens=4")
        answer = await call(gateway.port, path, body, key=key.api_key)
        assert answer.finished, bytes(answer.body)
        assert answer.headers["x-gateway-attempts"] == "1"
