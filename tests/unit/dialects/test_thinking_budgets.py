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


@pytest.mark.parametrize("target", [target for target, _ in TARGETS])
@pytest.mark.parametrize(
    ("model", "sampling"),
    [
        ("us.anthropic.claude-opus-4-8", {}),
        ("us.anthropic.claude-sonnet-5", {}),
        ("us.anthropic.claude-opus-4-6-v1", {"temperature": 0.2, "top_k": 5}),
        ("us.anthropic.claude-opus-4-20250514-v1:0", {"temperature": 0.2, "top_k": 5}),
    ],
)
def test_models_since_4_7_are_told_no_sampling(target: str, model: str, sampling: dict[str, Any]) -> None:
    asked = {"model": model, "messages": [ASKED], "temperature": 0.2, "top_p": 1, "top_k": 5}
    request = INGRESS["openai-chat"].read(msgspec.json.encode(asked)).canonical()
    wire = CODECS[target].encode(request, output_tokens_max=64_000)
    body = msgspec.json.decode(wire.body)
    said = {**body, **body.get("inferenceConfig", {}), **body.get("additionalModelRequestFields", {})}
    assert {name: said[name] for name in ("temperature", "top_p", "topP", "top_k") if name in said} == sampling
    assert set(wire.dropped) == (set() if sampling else {"temperature", "top_k"})


def test_an_effort_that_a_claude_does_not_know_becomes_the_next_above() -> None:
    asked = {"messages": [ASKED], "reasoning_effort": "xhigh"}
    for model, word in (("claude-opus-4-6", "max"), ("claude-sonnet-4-6", "max"), ("claude-opus-4-8", "xhigh")):
        assert _told("anthropic-messages", model, asked, adaptive=True)[0]["output_config"] == {"effort": word}


@pytest.mark.parametrize(
    ("model", "asked", "told"),
    [
        ("o3", "max", "high"),
        ("o4-mini", "minimal", "low"),
        ("gpt-5-mini", "minimal", "minimal"),
        ("gpt-5", "xhigh", "high"),
        ("gpt-5-pro", "low", "high"),
        ("gpt-5.1", "minimal", "low"),
        ("gpt-5.2", "max", "xhigh"),
        ("gpt-5.6", "max", "max"),
        ("openai/gpt-5.1-codex-max", "max", "xhigh"),
        ("deepseek-v4", "max", "max"),
    ],
)
def test_openai_is_told_a_word_that_its_model_knows(model: str, asked: str, told: str) -> None:
    body = {
        "model": model,
        "max_tokens": 9,
        "messages": [ASKED],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": asked},
    }
    request = INGRESS["anthropic-messages"].read(msgspec.json.encode(body)).canonical()
    chat = msgspec.json.decode(CODECS["openai-chat"].encode(request, output_tokens_max=9).body)
    responses = msgspec.json.decode(CODECS["openai-responses"].encode(request, output_tokens_max=9).body)
    assert (chat["reasoning_effort"], responses["reasoning"]["effort"]) == (told, told)


@pytest.mark.parametrize(
    ("model", "budget", "keeps"),
    [
        ("gpt-4o", 0, True),
        ("gpt-5-chat-latest", 0, True),
        ("gpt-5.2", 0, True),
        ("gpt-5.2", 2_000, False),
        ("gpt-5-nano-2025-08-07", 0, False),
        ("o3-mini", 0, False),
    ],
)
def test_openais_models_that_think_are_told_no_sampling(model: str, budget: int, keeps: bool) -> None:
    config: dict[str, Any] = {"temperature": 0.2, "topP": 1, "presencePenalty": 0.5}
    if budget:
        config["thinkingConfig"] = {"thinkingBudget": budget}
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": config}
    request = INGRESS["gemini"].read(msgspec.json.encode(body)).canonical()
    request = msgspec.structs.replace(request, model=model)
    for target, named in (
        ("openai-chat", ("temperature", "presence_penalty")),
        ("openai-responses", ("temperature", "presence_penalty")),
    ):
        wire = CODECS[target].encode(request, output_tokens_max=9)
        told = msgspec.json.decode(wire.body)
        assert (told.get("temperature"), told["top_p"]) == (0.2 if keeps else None, 1)
        assert set(wire.dropped) == (set(named) if not keeps else set(named) & set(_NEVER[target]))


_NEVER = {"openai-chat": (), "openai-responses": ("presence_penalty",)}
