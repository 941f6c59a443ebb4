"""Turns Google's `logprobsResult` into log probabilities in OpenAI's shape, and back."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw


class Token(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class TopTokens(msgspec.Struct, frozen=True, gc=False):
    candidates: list[Token] | None = None


class LogprobsResult(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    chosen_candidates: list[Token] | None = None
    top_candidates: list[TopTokens] | None = None


class _OpenAIToken(msgspec.Struct, frozen=True, gc=False):
    token: str = ""
    logprob: float = 0.0
    top_logprobs: list[_OpenAIToken] | None = None


class _OpenAILogprobs(msgspec.Struct, frozen=True, gc=False):
    content: list[_OpenAIToken] | None = None


_RESULT = msgspec.json.Decoder(LogprobsResult).decode
_OPENAI = msgspec.json.Decoder(_OpenAILogprobs).decode


def openai_logprobs(raw: Raw) -> Raw | None:
    """None where no token is told. Raises msgspec.DecodeError."""
    result = _RESULT(raw)
    if not result.chosen_candidates:
        return None
    tops = result.top_candidates or []
    content = [
        _openai(token) | {"top_logprobs": [_openai(top) for top in (tops[i].candidates or ())] if i < len(tops) else []}
        for i, token in enumerate(result.chosen_candidates)
    ]
    return Raw(msgspec.json.encode({"content": content, "refusal": None}))


def _openai(token: Token) -> dict[str, Any]:
    return {
        "token": token.token,
        "logprob": token.log_probability,
        "bytes": list(token.token.encode(errors="replace")),
    }


def gemini_logprobs(raw: Raw) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The chosen tokens and the likeliest of each place; nothing of what is not in OpenAI's shape."""
    try:
        content = _OPENAI(raw).content or []
    except msgspec.DecodeError:
        return [], []
    chosen = [_gemini(token) for token in content]
    tops = [{"candidates": [_gemini(top) for top in token.top_logprobs or ()]} for token in content]
    return chosen, tops


def _gemini(token: _OpenAIToken) -> dict[str, Any]:
    return {"token": token.token, "logProbability": token.logprob}
