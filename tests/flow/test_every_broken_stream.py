"""A stream that a provider breaks off ends as an error in every caller's SDK, in whatever framing, and costs what was delivered."""

from __future__ import annotations

from urllib.error import HTTPError

import anthropic
import openai
import pytest
from google.genai import errors as google

from tests.support.asking import Ask
from tests.support.callers import CALLERS, BrokenOff, CallerOf
from tests.support.every_provider import PROVIDERS
from tests.support.processes import GatewayProcess, http

FRAMINGS = ("openai", "anthropic", "google", "vertex", "bedrock", "cohere", "ollama")
BREAKS = ("cut_after=3", "end_after=3", "reset_after=3", "malformed=frame", "malformed=status_in_stream", "truncate")
RAISED = (openai.APIError, anthropic.APIError, google.APIError, BrokenOff, HTTPError)


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("provider", FRAMINGS)
@pytest.mark.parametrize("caller", CALLERS)
def test_it_is_an_error_in_the_sdk(caller_of: CallerOf, caller: str, provider: str, broken: str) -> None:
    ask = Ask(text=f"Go on. [[simulate: output_tokens=60; pace=2000; {broken}]]")
    with pytest.raises(RAISED):
        caller_of(caller).ask(PROVIDERS[provider].model(), ask, stream=True)


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("provider", FRAMINGS)
def test_what_was_delivered_is_paid(every: GatewayProcess, provider: str, broken: str) -> None:
    text = f"Go on. [[simulate: output_tokens=60; pace=40; {broken}]]"
    body = {"model": PROVIDERS[provider].model(), "messages": [{"role": "user", "content": text}], "stream": True}
    status, headers, told = http(f"{every.base_url}/v1/chat/completions", key=every.api_key, body=body)
    assert status == 200
    assert "[DONE]" not in told
    assert '"finish_reason":"' not in told
    assert '"error":' in told
    call = http(f"{every.base_url}/v1/requests/{headers['x-request-id']}", key=every.api_key)[2]
    assert call["status"] == "ERROR"
    assert call["fault"]["code"] in ("PROVIDER_ERROR", "OVERLOADED")
    assert call["usage"]["source"] == "estimated"
    assert 0 < call["usage"]["output_tokens"] < 60
    assert 0 < call["usage"]["input_tokens"] < 60
    assert (call["cost_usd"] > 0) is (provider != "ollama")
    assert call["cost_usd"] < call["held_usd"] or provider == "ollama"
