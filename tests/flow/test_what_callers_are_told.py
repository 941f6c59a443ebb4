"""Beside an answer: what of the request was left out, signs of life, errors in the caller's own shape; and no key goes further."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as google

from onevault.config.kinds import KINDS
from tests.support.asking import Ask
from tests.support.callers import CALLERS, CallerOf
from tests.support.every_provider import PROVIDERS
from tests.support.processes import GatewayProcess, SimulatorProcess, http
from tests.support.raw_client import begin

HELLO = "Hi there."
GENERATE = "/v1beta/models/{model}:generateContent"
STREAM = "/v1beta/models/{model}:streamGenerateContent"
TUNED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "chat": (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": HELLO}], "max_tokens": 9, "seed": 7, "frequency_penalty": 0.5},
        "anthropic/claude-haiku-4-5",
        "seed,frequency_penalty",
    ),
    "responses": (
        "/v1/responses",
        {"input": HELLO, "max_output_tokens": 16, "text": {"verbosity": "low"}},
        "anthropic/claude-haiku-4-5",
        "verbosity",
    ),
    "messages": (
        "/v1/messages",
        {"messages": [{"role": "user", "content": HELLO}], "max_tokens": 9, "top_k": 3},
        "openai/gpt-4o-mini",
        "top_k",
    ),
    "gemini": (
        "",
        {"contents": [{"parts": [{"text": HELLO}]}], "generationConfig": {"maxOutputTokens": 9, "topK": 3}},
        "openai/gpt-4o-mini",
        "top_k",
    ),
    "own": (
        "/v1/ai/completions",
        {"prompt": HELLO, "max_tokens": 9, "seed": 7},
        "anthropic/claude-haiku-4-5",
        "seed",
    ),
}
"""By caller: where it asks, for what, of whom, and which hints that one cannot be given."""


def asked(
    gateway: GatewayProcess, caller: str, *, stream: bool, model: str = "", **headers: str
) -> tuple[int, dict[str, str], Any]:
    path, body, own_model, _ = TUNED[caller]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if caller == "gemini":
        path = (STREAM + "?alt=sse" if stream else GENERATE).format(model=model or own_model)
    else:
        body = body | {"model": model or own_model, "stream": stream}
    return http(gateway.base_url + path, key=gateway.api_key, body=body, headers=named)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("caller", TUNED)
def test_what_is_left_out_is_named(every: GatewayProcess, caller: str, stream: bool) -> None:
    status, headers, answer = asked(every, caller, stream=stream)
    assert status == 200, answer
    assert headers["x-gateway-dropped"] == TUNED[caller][3]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("caller", TUNED)
def test_strictly_nothing_is_left_out(
    every: GatewayProcess, simulator: SimulatorProcess, caller: str, stream: bool
) -> None:
    simulator.reset()
    status, headers, answer = asked(every, caller, stream=stream, x_gateway_strict="true")
    assert (status, simulator.calls()) == (400, [])
    assert "x-gateway-dropped" not in headers
    assert TUNED[caller][3].split(",")[0] in answer["error"]["message"]
    call = http(f"{every.base_url}/v1/requests/{headers['x-request-id']}", key=every.api_key)[2]
    assert (call["fault"]["code"], call["cost_usd"]) == ("UNSUPPORTED_PARAMETER", 0)


@pytest.mark.parametrize("caller", ["chat", "responses", "messages", "own"])
def test_fields_that_a_caller_invents_are_named_within_bounds(every: GatewayProcess, caller: str) -> None:
    path, body, model, _ = TUNED[caller]
    invented = {f"field_{number}_{'x' * 200}": number for number in range(300)} | {"evil\r\nx-evil: 1": 1}
    status, headers, answer = http(every.base_url + path, key=every.api_key, body=invented | body | {"model": model})
    assert status == 200, answer
    assert headers["x-gateway-dropped"].startswith("field_0_x")
    assert headers["x-gateway-dropped"].endswith("x,...")
    assert len(headers["x-gateway-dropped"]) <= 1100
    asked_strictly = {"x-gateway-strict": "1"}
    status, _, answer = http(
        every.base_url + path, key=every.api_key, body=invented | body | {"model": model}, headers=asked_strictly
    )
    assert status == 400
    assert len(json.dumps(answer)) < 2000
    body = {"evil\r\nx-evil: 1": 1} | body | {"model": model}
    headers = http(every.base_url + path, key=every.api_key, body=body)[1]
    assert "x-evil" not in headers
    assert headers["x-gateway-dropped"].startswith("evil??x-evil: 1")


@pytest.mark.parametrize("strict", ["false", "true"])
def test_nothing_is_named_where_nothing_was_left_out(every: GatewayProcess, strict: str) -> None:
    for caller, model in (("chat", "openai/gpt-4o-mini"), ("messages", "anthropic/claude-haiku-4-5")):
        status, headers, answer = asked(every, caller, stream=False, model=model, x_gateway_strict=strict)
        assert status == 200, answer
        assert "x-gateway-dropped" not in headers


def test_signs_of_life_disturb_nobody_nor_do_calls_each_other(caller_of: CallerOf) -> None:
    """All at once, each with a text of its own."""

    def one(caller: str, provider: str) -> tuple[str, str]:
        text = f"{caller} asks {provider} and waits"
        ask = Ask(text=f'Say it. [[simulate: text="{text}"; stall_after=2; stall_s=0.5]]')
        return text, caller_of(caller).ask(PROVIDERS[provider].model(), ask, stream=True).text

    for caller in CALLERS:
        caller_of(caller)
    pairs = [(caller, provider) for caller in CALLERS for provider in PROVIDERS]
    with ThreadPoolExecutor(len(pairs)) as pool:
        for asked_for, said in pool.map(one, *zip(*pairs, strict=True)):
            assert said == asked_for


def test_signs_of_life_are_given(every: GatewayProcess) -> None:
    text = "Hi. [[simulate: stall_after=2; stall_s=0.5]]"
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": text}], "stream": True}
    told = http(f"{every.base_url}/v1/chat/completions", key=every.api_key, body=body)[2]
    assert told.count(": keep-alive\n\n") >= 1
    assert told.count(": x-gateway-cost-usd ") == 1


# ---- hang-ups


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "bedrock", "cohere", "ollama"])
@pytest.mark.parametrize("caller", TUNED)
async def test_a_caller_who_leaves_frees_the_provider_or_pays_for_all_that_it_bills(
    every: GatewayProcess, simulator: SimulatorProcess, caller: str, provider: str
) -> None:
    path, _, _, _ = TUNED[caller]
    bills_on = KINDS[provider].cancelling_stops_bill == "never"
    made = 300 if bills_on else 4000
    text = f"Go on. [[simulate: output_tokens={made}; pace=400]]"
    model = PROVIDERS[provider].model()
    body: dict[str, Any] = {"model": model, "stream": True, "max_tokens": 4000}
    if caller == "gemini":
        path = STREAM.format(model=model) + "?alt=sse"
        body = {"contents": [{"parts": [{"text": text}]}]}
    elif caller == "responses":
        body = {"model": model, "stream": True, "input": text}
    else:
        body["messages"] = [{"role": "user", "content": text}]
    simulator.reset()
    answer = await begin(every.port, path, body, key=every.api_key)
    await answer.wait_for_bytes(4000)
    answer.hang_up()
    call: dict[str, Any] = {"outcome": None}
    for _ in range(400):
        await asyncio.sleep(0.02)
        (call,) = simulator.calls()
        if call["outcome"]:
            break
    assert call["outcome"] == ("completed" if bills_on else "cancelled_by_client")
    assert 0 < call["events_sent"] < 2000
    told = await settled(every, answer.call_id)
    assert (told["status"], told["usage"]["source"]) == ("CANCELLED", "provider" if bills_on else "estimated")
    assert told["usage"]["output_tokens"] == made if bills_on else 0 < told["usage"]["output_tokens"] < made


async def settled(gateway: GatewayProcess, call_id: str) -> Any:
    """The call's own record, once it is settled."""
    for _ in range(400):
        status, _, told = http(f"{gateway.base_url}/v1/requests/{call_id}", key=gateway.api_key)
        if status == 200:
            return told
        await asyncio.sleep(0.02)
    raise AssertionError(f"{call_id} is not settled")


# ---- Google's array


def array(gateway: GatewayProcess, provider: str, simulate: str) -> tuple[dict[str, str], str]:
    body = {"contents": [{"parts": [{"text": f"Go on. [[simulate: {simulate}]]"}]}]}
    path = STREAM.format(model=PROVIDERS[provider].model())
    request = http(gateway.base_url + path, key=gateway.api_key, body=json.dumps(body).encode(), raw=True)
    assert request[0] == 200
    return request[1], request[2]


@pytest.mark.parametrize("provider", ["google", "vertex", "openai", "bedrock"])
def test_a_stream_as_an_array_is_one(every: GatewayProcess, provider: str) -> None:
    headers, text = array(every, provider, 'text="pieces of eight"; stall_after=2; stall_s=0.5')
    assert headers["content-type"].startswith("application/json")
    answers = json.loads(text)
    parts = [part for answer in answers for part in answer["candidates"][0].get("content", {}).get("parts", ())]
    assert "".join(part.get("text", "") for part in parts) == "pieces of eight"
    assert answers[-1]["candidates"][0]["finishReason"] == "STOP"
    assert answers[-1]["usageMetadata"]["totalTokenCount"]


@pytest.mark.parametrize("broken", ["cut_after=3", "end_after=3", "malformed=status_in_stream"])
@pytest.mark.parametrize("provider", ["google", "openai", "bedrock"])
def test_an_array_that_breaks_off_ends_in_an_error(every: GatewayProcess, provider: str, broken: str) -> None:
    answers = json.loads(array(every, provider, f"output_tokens=60; pace=40; {broken}")[1])
    assert answers[-1]["error"]["code"] == 502
    assert "finishReason" not in json.dumps(answers)


# ---- keys


@pytest.mark.parametrize("provider", ["google", "openai", "anthropic", "bedrock", "cohere", "ollama", "mine"])
@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "?key="])
def test_a_key_is_taken_in_every_way_and_goes_no_further(
    every: GatewayProcess, simulator: SimulatorProcess, provider: str, name: str
) -> None:
    simulator.reset()
    url = every.base_url + GENERATE.format(model=PROVIDERS[provider].model())
    headers = {} if name == "?key=" else {name: ("Bearer " if name == "authorization" else "") + every.api_key}
    body = {"contents": [{"parts": [{"text": HELLO}]}]}
    status, _, answer = http(url + (name + every.api_key if name == "?key=" else ""), body=body, headers=headers)
    assert status == 200, answer
    (call,) = simulator.calls()
    assert every.api_key not in json.dumps(call)
    assert every.api_key[-4:] not in json.dumps(call["headers"])  # of credentials the simulator keeps their ends


def test_no_key_is_in_the_log(every: GatewayProcess) -> None:
    key = every.new_key().api_key
    assert http(f"{every.base_url}/v1beta/models?key={key}")[0] == 200
    assert http(f"{every.base_url}{GENERATE.format(model='none')}?key={key}", body={})[0] == 400
    assert http(f"{every.base_url}/passthrough/google/v1beta/models?key={key}")[0] == 200
    assert http(f"{every.base_url}{GENERATE.format(model='none')}?key=gw_live_wrongwrongwrong", body={})[0] == 401
    assert key not in every.process.output
    assert "gw_live_wrong" not in every.process.output


# ---- shapes


@pytest.mark.parametrize("path", ["/v1beta/models/gpt-4o-mimi:generateContent", "/v1beta/models/gpt-4o-mimi"])
def test_googles_callers_are_told_in_googles_shape(every: GatewayProcess, path: str) -> None:
    body = {"contents": [{"parts": [{"text": HELLO}]}]} if path.endswith("generateContent") else None
    status, _, answer = http(every.base_url + path, key=every.api_key, body=body)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (404, 404, "NOT_FOUND")
    status, _, answer = http(every.base_url + path, key="gw_live_unknown", body=body)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (401, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize("caller", CALLERS)
def test_nonsense_is_refused_in_the_callers_shape(caller_of: CallerOf, caller: str) -> None:
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError, google.ClientError, OSError)) as raised:
        caller_of(caller).ask("openai/gpt-4o-mini", Ask(text=HELLO, output_tokens=-5), stream=True)
    assert "max" in str(raised.value)
