"""A conversation that passes to a provider of the caller's own dialect after another began it: what that one signed stays behind."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, SimulatorProcess, http

CLAUDES = base64.b64encode(b"anthropic-messages#EqQB").decode()
THINKING = [{"type": "thinking", "thinking": "Hm", "signature": "gemini#CiQB"}, {"type": "text", "text": "a"}]
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "x"},
    {"role": "assistant", "content": THINKING},
    {"role": "user", "content": "y"},
]
PASSING: dict[str, tuple[str, dict[str, Any]]] = {
    "messages": ("/v1/messages", {"model": "anthropic/claude-haiku-4-5", "max_tokens": 9, "messages": TURNS}),
    "count_tokens": ("/v1/messages/count_tokens", {"model": "anthropic/claude-haiku-4-5", "messages": TURNS}),
    "responses": (
        "/v1/responses",
        {
            "model": "openai/gpt-4o-mini",
            "input": [
                {"type": "reasoning", "id": "rs_x_0", "summary": [], "encrypted_content": "gemini#CiQB"},
                {"role": "user", "content": "y"},
            ],
        },
    ),
    "chat": (
        "/v1/chat/completions",
        {
            "model": "openai/gpt-4o-mini",
            "messages": [
                {"role": "assistant", "content": "a", "thinking_blocks": [THINKING[0]]},
                {"role": "user", "content": "y"},
            ],
        },
    ),
    "gemini": (
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {
            "contents": [
                {"role": "user", "parts": [{"text": "x"}]},
                {"role": "model", "parts": [{"text": "", "thought": True, "thoughtSignature": CLAUDES}, {"text": "a"}]},
                {"role": "user", "parts": [{"text": "y"}]},
            ]
        },
    ),
}


@pytest.mark.parametrize("caller", PASSING)
def test_what_another_signed_is_left_out_and_named(
    every: GatewayProcess, simulator: SimulatorProcess, caller: str
) -> None:
    path, body = PASSING[caller]
    simulator.reset()
    status, headers, answer = http(every.base_url + path, key=every.api_key, body=body)
    assert status == 200, answer
    assert headers["x-gateway-dropped"] == "thinking"
    (call,) = simulator.calls()
    sent = json.dumps(call["body"])
    assert "CiQB" not in sent
    assert CLAUDES not in sent


@pytest.mark.parametrize("caller", PASSING)
def test_strictly_it_is_a_fault(every: GatewayProcess, simulator: SimulatorProcess, caller: str) -> None:
    path, body = PASSING[caller]
    simulator.reset()
    status, _, answer = http(every.base_url + path, key=every.api_key, body=body, headers={"x-gateway-strict": "true"})
    assert (status, simulator.calls()) == (400, [])
    assert "thinking" in answer["error"]["message"]
