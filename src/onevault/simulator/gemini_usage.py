"""What one of Google's answers is written from, and the usage that it reports, on its way and at its end.

Written from ai.google.dev/api/generate-content#UsageMetadata.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onevault.simulator.ask import Answer
from onevault.simulator.behaviour import Behaviour
from onevault.simulator.gemini_prompt import Prompt
from onevault.simulator.gemini_requests import generation
from onevault.simulator.tokens import MEDIA_TOKENS

Json = dict[str, Any]


@dataclass(slots=True)
class Generated:
    """What an answer is written from; `vertex` adds what only Vertex AI says."""

    request: Json
    model: str
    prompt: Prompt
    answer: Answer
    behaviour: Behaviour
    vertex: bool
    config: Json = field(init=False)
    shows_thoughts: bool = field(init=False)
    is_new: bool = field(init=False)
    images: int = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.request.get("generationConfig", {})
        self.shows_thoughts = bool(self.config.get("thinkingConfig", {}).get("includeThoughts"))
        self.is_new = generation(self.model) >= 3
        self.images = self._images()

    @property
    def blocked(self) -> bool:
        return bool(self.answer.choices[0].refusal)

    @property
    def output_tokens(self) -> int:
        return 0 if self.blocked else self.answer.output_tokens + self.images * MEDIA_TOKENS

    @property
    def draws(self) -> bool:
        """Whether every candidate should have a picture."""
        wanted = self.config.get("responseModalities", ["IMAGE"])
        return "-image" in self.model and "IMAGE" in wanted and not (self.blocked or self.answer.choices[0].calls)

    def _images(self) -> int:
        """How many of the candidates have their picture: those for which the limit leaves room."""
        count = len(self.answer.choices) if self.draws else 0
        limit = self.config.get("maxOutputTokens")
        return count if limit is None else max(0, min(count, (limit - self.answer.output_tokens) // MEDIA_TOKENS))


def running(made: Generated, spent: dict[str, int]) -> Json:
    prompt = made.prompt
    usage: Json = {"promptTokenCount": prompt.tokens, "promptTokensDetails": prompt.details()}
    usage |= {name: count for name, count in spent.items() if count}
    total = prompt.tokens + sum(spent.values())
    if prompt.tool_use_tokens and not made.blocked:
        usage["toolUsePromptTokenCount"] = prompt.tool_use_tokens
        usage["toolUsePromptTokensDetails"] = [{"modality": "TEXT", "tokenCount": prompt.tool_use_tokens}]
        total += prompt.tool_use_tokens
    usage["totalTokenCount"] = total
    if made.vertex:
        usage["trafficType"] = "ON_DEMAND"
    return usage


def complete(made: Generated) -> Json:
    """`promptTokenCount` includes what was cached, `candidatesTokenCount` leaves thoughts out; the total has everything."""
    visible = made.output_tokens - made.answer.reasoning_tokens
    usage = running(made, {"candidatesTokenCount": visible, "thoughtsTokenCount": made.answer.reasoning_tokens})
    details = [("TEXT", visible - made.images * MEDIA_TOKENS), ("IMAGE", made.images * MEDIA_TOKENS)]
    if visible:
        usage["candidatesTokensDetails"] = [{"modality": name, "tokenCount": count} for name, count in details if count]
    if cached := min(made.behaviour.cached_tokens, made.prompt.tokens):
        usage["cachedContentTokenCount"] = cached
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": cached}]
    return usage
