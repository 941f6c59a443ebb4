"""What models take in OpenAI's dialect: words for how much to think, sampling, what they thought before, the name of a user.

Source: OpenAI's pages of each model, and its guides to reasoning and to GPT-5.2. Models that are not here, which may be another's, are
told what was asked.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

_ORDER: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
_WORDS: Final = tuple(
    (re.compile(r"(?:^|/)" + pattern), words)
    for pattern, words in (
        (r"o\d", ("low", "medium", "high")),
        (r"gpt-5-pro", ("high",)),
        (r"gpt-5-codex", ("low", "medium", "high")),
        (r"gpt-5(?![.\d])", ("minimal", "low", "medium", "high")),
        (r"gpt-5\.1-codex-max", ("low", "medium", "high", "xhigh")),
        (r"gpt-5\.1(?!\d)", ("low", "medium", "high")),
        (r"gpt-5\.[2-5]-pro", ("medium", "high", "xhigh")),
        (r"gpt-5\.[2-5](?!\d)", ("low", "medium", "high", "xhigh")),
        (r"gpt-5\.", ("low", "medium", "high", "xhigh", "max")),
    )
)
_ALWAYS_THINKS: Final = re.compile(r"(?:^|/)(?:o\d|gpt-5(?![.\d]))(?!.*chat)")
_MAY_THINK: Final = re.compile(r"(?:^|/)gpt-5\.(?!.*chat)")
_SAMPLING: Final = (("temperature", 1), ("top_p", 1), ("frequency_penalty", 0), ("presence_penalty", 0))
"""With what they are where nobody says, which is taken."""


_USER_LENGTH_MAX: Final = 64
_WANTS_THOUGHTS = re.compile(r"deepseek|kimi|glm-|mimo-", re.IGNORECASE)


def wants_thoughts_back(model: str) -> bool:
    """Whether a model takes what it thought in earlier turns as `reasoning_content`: api-docs.deepseek.com/guides/thinking_mode,
    and what Moonshot, Z.ai and Xiaomi say of theirs."""
    return _WANTS_THOUGHTS.search(model) is not None


def user_told(user: str) -> str:
    """The end user as OpenAI takes him: a longer name (Claude Code's has some 150 characters) as its SHA-256, which is always the same."""
    return user if len(user) <= _USER_LENGTH_MAX else hashlib.sha256(user.encode(errors="replace")).hexdigest()


def effort_word(effort: str, model: str) -> str:
    """The word itself where the model knows it; of those that it lies between the higher one; else the highest."""
    words = next((words for pattern, words in _WORDS if pattern.search(model)), ())
    if not words or effort in words or effort not in _ORDER:
        return effort
    return next((word for word in words if _ORDER.index(word) > _ORDER.index(effort)), words[-1])


def drop_sampling(body: dict[str, Any], model: str, dropped: dict[str, None], *, thinks: bool) -> None:
    """Takes out of `body` what a model that thinks refuses, by name. `thinks`: an effort was asked for."""
    if not (_ALWAYS_THINKS.search(model) or (thinks and _MAY_THINK.search(model))):
        return
    for name, usual in _SAMPLING:
        if body.get(name, usual) != usual:
            del body[name]
            dropped[name] = None
    if body.pop("logit_bias", None) is not None:
        dropped["logit_bias"] = None
