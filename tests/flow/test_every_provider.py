"""Every caller's SDK reaches every provider, whole and streamed, with all that a chat can have, and pays what it is shown."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from tests.support.asking import Ask, Said
from tests.support.callers import CALLERS, CallerOf
from tests.support.every_provider import PROVIDERS
from tests.support.processes import GatewayProcess, SimulatorProcess, http

FREE = ("ollama",)
whole_and_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
every_caller = pytest.mark.parametrize("caller", CALLERS)
every_provider = pytest.mark.parametrize("provider", PROVIDERS)


def paid(gateway: GatewayProcess, said: Said, provider: str, *, stream: bool) -> None:
    """The record has the usage that the SDK shows, and what it cost."""
    status, _, call = http(f"{gateway.base_url}/v1/requests/{said.headers['x-request-id']}", key=gateway.api_key)
    assert status == 200
    usage: dict[str, Any] = call["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (said.input_tokens, said.output_tokens)
    assert usage["source"] == "provider"
    assert call["provider"] == said.headers["x-gateway-provider"] == provider
    assert call["price_version"]
    assert (call["cost_usd"] > 0) is (provider not in FREE)
    if not stream:
        assert float(said.headers["x-gateway-cost-usd"]) == pytest.approx(call["cost_usd"])


@whole_and_streamed
@every_provider
@every_caller
def test_a_plain_answer(every: GatewayProcess, caller_of: CallerOf, caller: str, provider: str, stream: bool) -> None:
    ask = Ask(text='Say it. [[simulate: text="pieces of eight"]]')
    said = caller_of(caller).ask(PROVIDERS[provider].model(), ask, stream=stream)
    assert said.text == "pieces of eight"
    assert said.calls == []
    paid(every, said, provider, stream=stream)


@whole_and_streamed
@every_provider
def test_a_legacy_completion(every: GatewayProcess, caller_of: CallerOf, provider: str, stream: bool) -> None:
    ask = Ask(text='Say it. [[simulate: text="pieces of eight"]]')
    said = caller_of.completions.ask(PROVIDERS[provider].model(), ask, stream=stream)
    assert said.text == "pieces of eight"
    paid(every, said, provider, stream=stream)


@whole_and_streamed
@every_provider
@every_caller
def test_parallel_tool_calls(
    every: GatewayProcess, caller_of: CallerOf, caller: str, provider: str, stream: bool
) -> None:
    ask = Ask(text="Bern and Rome? [[simulate: tools=2]]", tools=True)
    said = caller_of(caller).ask(PROVIDERS[provider].model(), ask, stream=stream)
    assert [(name, list(arguments)) for name, arguments in said.calls] == [("weather", ["city"])] * 2
    if caller != "gemini":  # whose dialect may leave them out
        assert len(set(said.ids)) == 2
    paid(every, said, provider, stream=stream)


SIGNED_AS = {
    "anthropic": "signature",
    "google": "thoughtSignature",
    "vertex": "thoughtSignature",
    "bedrock": "signature",
}
STAND_IN = base64.b64encode(b"skip_thought_signature_validator").decode()
THOUGHTFUL = {"google": "google/gemini-3-pro-preview", "vertex": "vertex/gemini-3-pro-preview"}
"""Which refuse calls that come back without the signature of the thought before them."""


@whole_and_streamed
@every_provider
@every_caller
def test_what_tools_answered_goes_back_with_what_the_model_thought(
    every: GatewayProcess,
    simulator: SimulatorProcess,
    caller_of: CallerOf,
    caller: str,
    provider: str,
    stream: bool,
) -> None:
    known = PROVIDERS[provider]
    model, thinks = THOUGHTFUL.get(provider) or known.model("thinks"), bool(known.thinks)
    client = caller_of(caller)
    ask = Ask(text="Bern and Rome? [[simulate: tools=2; thinking=8]]", tools=True, thinks=thinks)
    said = client.ask(model, ask, stream=stream)
    before = client.turns(ask, said, ["sunny", "rainy"])
    ask = Ask(text="", before=before, tools=True, thinks=thinks)
    simulator.reset()
    paid(every, client.ask(model, ask, stream=stream), provider, stream=stream)
    if provider in SIGNED_AS:
        (call,) = simulator.calls()
        signatures = re.findall(rf'"{SIGNED_AS[provider]}": "([^"]+)"', json.dumps(call["body"]))
        assert signatures
        assert all(signature != STAND_IN and "#" not in signature for signature in signatures)


@whole_and_streamed
@pytest.mark.parametrize("provider", [name for name, provider in PROVIDERS.items() if provider.sees])
@every_caller
def test_an_image(every: GatewayProcess, caller_of: CallerOf, caller: str, provider: str, stream: bool) -> None:
    ask = Ask(text='Say what it is. [[simulate: text="a dot"]]', image=True)
    said = caller_of(caller).ask(PROVIDERS[provider].model("sees"), ask, stream=stream)
    assert said.text == "a dot"
    assert said.input_tokens >= 85
    paid(every, said, provider, stream=stream)


@whole_and_streamed
@every_provider
@every_caller
def test_a_schema(every: GatewayProcess, caller_of: CallerOf, caller: str, provider: str, stream: bool) -> None:
    said = caller_of(caller).ask(PROVIDERS[provider].model(), Ask(text="Make one.", schema=True), stream=stream)
    assert json.loads(said.text).keys() == {"name", "age"}
    paid(every, said, provider, stream=stream)


NEVER_SHOWN = {("openai", "chat"), ("openai", "messages"), ("openai", "gemini"), ("openai", "own")} | {
    *(("ollama", "chat"), ("simulator", "chat"), ("simulator", "own"))
}
"""Who is answered from OpenAI's chat, which thinks in silence."""


@whole_and_streamed
@pytest.mark.parametrize(
    ("provider", "caller"),
    [
        (name, caller)
        for name, provider in PROVIDERS.items()
        for caller in CALLERS
        if provider.thinks and (name, caller) not in NEVER_SHOWN
    ],
)
def test_thinking(every: GatewayProcess, caller_of: CallerOf, caller: str, provider: str, stream: bool) -> None:
    ask = Ask(text='Think. [[simulate: thinking=8; text="pieces of eight"]]', thinks=True)
    said = caller_of(caller).ask(PROVIDERS[provider].model("thinks"), ask, stream=stream)
    assert said.text == "pieces of eight"
    assert said.thought
    paid(every, said, provider, stream=stream)
