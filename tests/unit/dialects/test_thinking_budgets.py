"""An effort word towards Anthropic: adaptive thinking where the model has it, a budget where it has not."""

from __future__ import annotations

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
