"""Thinking of Claude: adaptive where the model has it, a budget where it has not, none in a turn that began without it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from onevault.dialects.registry import CODECS, INGRESS


def _encoded(effort: str, max_tokens: int, *, adaptive: bool) -> tuple[dict, tuple[str, ...]]:
    asked = {
        "model": "claude",
        "max_completion_tokens": max_tokens,
        "reasoning_effort": effort,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    request = INGRESS["openai-chat"].read(msgspec.json.encode(asked)).canonical()
    wire = CODECS["anthropic-messages"].encode(request, output_tokens_max=64_000, adaptive_thinking=adaptive)
    return msgspec.json.decode(wire.body), wire.dropped


def test_a_model_that_decides_itself_is_told_the_effort() -> None:
    body, _ = _encoded("high", 32_000, adaptive=True)
    assert body["thinking"] == {"type": "adaptive"}
    assert body["output_config"] == {"effort": "high"}


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget"), [("low", 32_000, 2_048), ("medium", 32_000, 8_192), ("high", 10_000, 9_999)]
)
def test_an_older_model_gets_a_budget_below_its_output_limit(effort: str, max_tokens: int, budget: int) -> None:
    body, dropped = _encoded(effort, max_tokens, adaptive=False)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert "output_config" not in body
    assert dropped == ()


def test_an_output_too_short_to_think_in_drops_the_effort_by_name() -> None:
    body, dropped = _encoded("high", 500, adaptive=False)
    assert "thinking" not in body
    assert dropped == ("reasoning_effort",)


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKED = {"role": "user", "content": "Hi"}
CALLED = {"role": "assistant", "tool_calls": [CALL]}
ANSWERED = {"role": "tool", "tool_call_id": "c1", "content": "4"}
THOUGHT = {**CALLED, "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "anthropic-messages:s"}]}
TARGETS = [("anthropic-messages", "claude-haiku-4-5"), ("bedrock-converse", "us.anthropic.claude-haiku-4-5-v1:0")]


def _told(target: str, model: str, asked: dict[str, Any], *, adaptive: bool) -> tuple[dict, tuple[str, ...]]:
    request = INGRESS["openai-chat"].read(msgspec.json.encode({"model": model, **asked})).canonical()
    wire = CODECS[target].encode(request, output_tokens_max=64_000, adaptive_thinking=adaptive)
    body = msgspec.json.decode(wire.body)
    return body.get("additionalModelRequestFields", {}) if target == "bedrock-converse" else body, wire.dropped


@pytest.mark.parametrize(("target", "model"), TARGETS)
@pytest.mark.parametrize(
    ("messages", "thinks"),
    [
        ([ASKED, CALLED, ANSWERED], False),
        ([ASKED, THOUGHT, ANSWERED], True),
        ([ASKED, THOUGHT, ANSWERED, CALLED, ANSWERED], True),
        ([ASKED, CALLED, ANSWERED, {"role": "assistant", "content": "4"}, ASKED], True),
        ([ASKED, {"role": "assistant", "content": "It is"}], False),
    ],
)
def test_a_turn_that_began_without_thinking_goes_on_without(
    target: str, model: str, messages: list[dict], thinks: bool
) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    asked = {"messages": messages, "tools": [tool], "reasoning_effort": "low"}
    body, dropped = _told(target, model, asked, adaptive=False)
    assert ("thinking" in body, "reasoning_effort" in dropped) == (thinks, not thinks)
    assert _told(target, model, asked, adaptive=True)[0]["thinking"] == {"type": "adaptive"}


@pytest.mark.parametrize(("target", "model"), TARGETS)
@pytest.mark.parametrize(
    ("budget", "output", "told"),
    [(512, 8_000, 1_024), (9_000, 8_000, 7_999), (4_000, 8_000, 4_000), (512, 1_000, None)],
)
def test_a_budget_is_within_what_claude_takes(
    target: str, model: str, budget: int, output: int, told: int | None
) -> None:
    asked = {"messages": [ASKED], "max_tokens": output, "reasoning": {"max_tokens": budget}}
    body, dropped = _told(target, model, asked, adaptive=False)
    expected = None if told is None else {"type": "enabled", "budget_tokens": told}
    assert body.get("thinking") == expected
    assert ("reasoning_effort" in dropped) == (told is None)


@pytest.mark.parametrize("target", [target for target, _ in TARGETS])
def test_a_model_that_refuses_budgets_gets_the_effort_that_spends_as_much(target: str) -> None:
    asked = {"messages": [ASKED], "reasoning": {"max_tokens": 9_000}}
    body, _ = _told(target, "us.anthropic.claude-opus-4-8", asked, adaptive=True)
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "medium"})
    body, _ = _told(target, "us.anthropic.claude-opus-4-6-v1", asked, adaptive=True)
    assert (body["thinking"], "output_config" in body) == ({"type": "enabled", "budget_tokens": 9_000}, False)
