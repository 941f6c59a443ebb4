"""What is known of families of models beyond their price: how much they take in, how much they give out, and for what."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from onevault.core.operations import Operation

UNKNOWN_TOKENS_MAX: Final = 128_000
"""Assumed where nothing is known. `limits.max_tokens_per_request` caps it."""

CHAT: Final = (Operation.CHAT, Operation.COUNT_TOKENS)
EMBEDDINGS: Final = (Operation.EMBEDDINGS,)
NOT_SERVED: Final[tuple[Operation, ...]] = ()
ANY: Final = (*CHAT, *EMBEDDINGS)


class Family(msgspec.Struct, frozen=True):
    """Facts of all models whose name begins with `prefix` (the longest such prefix counts). None: unknown."""

    prefix: str
    output_tokens_max: int | None = None
    context_tokens_max: int | None = None
    operations: tuple[Operation, ...] = CHAT
    adaptive_thinking: bool = True


FAMILIES: Final = (
    # platform.openai.com/docs/models
    Family("gpt-3.5-turbo", 4_096, 16_385),
    Family("gpt-3.5-turbo-instruct", 4_096, 4_096, NOT_SERVED),
    Family("gpt-4", 8_192, 8_192),
    Family("gpt-4-32k", 32_768, 32_768),
    Family("gpt-4-turbo", 4_096, 128_000),
    Family("gpt-4-vision", 4_096, 128_000),
    Family("gpt-4-1106", 4_096, 128_000),
    Family("gpt-4-0125", 4_096, 128_000),
    Family("gpt-4.1", 32_768, 1_047_576),
    Family("gpt-4.5", 16_384, 128_000),
    Family("gpt-4o", 16_384, 128_000),
    Family("gpt-4o-2024-05-13", 4_096, 128_000),
    Family("chatgpt-4o", 16_384, 128_000),
    Family("gpt-5", 128_000, 400_000),
    Family("gpt-5-chat", 16_384, 128_000),
    Family("gpt-5.1-chat", 16_384, 128_000),
    Family("gpt-5.2-chat", 16_384, 128_000),
    Family("gpt-5.3-chat", 16_384, 128_000),
    Family("gpt-5-pro", 272_000, 400_000),
    Family("gpt-5-search-api", 128_000, 400_000),
    Family("gpt-5.4", 128_000, 1_050_000),
    Family("gpt-5.4-mini", 128_000, 400_000),
    Family("gpt-5.4-nano", 128_000, 400_000),
    Family("gpt-5.5", 128_000, 1_050_000),
    Family("gpt-5.6", 128_000, 1_050_000),
    Family("gpt-6", 128_000, 1_050_000),
    Family("gpt-oss", 131_072, 131_072),
    Family("gpt-audio", 16_384, 128_000),
    Family("codex-mini", 100_000, 200_000),
    Family("o1", 100_000, 200_000),
    Family("o1-mini", 65_536, 128_000),
    Family("o1-preview", 32_768, 128_000),
    Family("o3", 100_000, 200_000),
    Family("o4", 100_000, 200_000),
    Family("text-embedding-", 0, 8_192, EMBEDDINGS),
    Family("gpt-image", operations=NOT_SERVED),
    Family("chatgpt-image", operations=NOT_SERVED),
    Family("gpt-realtime", operations=NOT_SERVED),
    Family("gpt-4o-realtime", operations=NOT_SERVED),
    Family("gpt-4o-mini-realtime", operations=NOT_SERVED),
    Family("gpt-4o-transcribe", operations=NOT_SERVED),
    Family("gpt-4o-mini-transcribe", operations=NOT_SERVED),
    Family("gpt-4o-mini-tts", operations=NOT_SERVED),
    Family("gpt-live", operations=NOT_SERVED),
    Family("gpt-transcribe", operations=NOT_SERVED),
    Family("whisper", operations=NOT_SERVED),
    Family("tts-", operations=NOT_SERVED),
    Family("dall-e", operations=NOT_SERVED),
    Family("omni-moderation", operations=NOT_SERVED),
    Family("text-moderation", operations=NOT_SERVED),
    Family("moderation", operations=NOT_SERVED),
    Family("computer-use", operations=NOT_SERVED),
    Family("text-davinci", operations=NOT_SERVED),
    Family("davinci", operations=NOT_SERVED),
    Family("babbage", operations=NOT_SERVED),
    Family("curie", operations=NOT_SERVED),
    Family("ada", operations=NOT_SERVED),
    # docs.anthropic.com/en/docs/about-claude/models
    Family("claude-", 128_000, 1_000_000),
    Family("claude-2", 4_096, 200_000, adaptive_thinking=False),
    Family("claude-instant", 4_096, 100_000, adaptive_thinking=False),
    Family("claude-v1", 4_096, 100_000, adaptive_thinking=False),
    Family("claude-3-opus", 4_096, 200_000, adaptive_thinking=False),
    Family("claude-3-sonnet", 4_096, 200_000, adaptive_thinking=False),
    Family("claude-3-haiku", 4_096, 200_000, adaptive_thinking=False),
    Family("claude-3-5", 8_192, 200_000, adaptive_thinking=False),
    Family("claude-3-7", 64_000, 200_000, adaptive_thinking=False),
    Family("claude-sonnet-4", 64_000, 200_000, adaptive_thinking=False),
    Family("claude-sonnet-4-6", 128_000, 1_000_000),
    Family("claude-haiku-4", 64_000, 200_000, adaptive_thinking=False),
    Family("claude-opus-4", 32_000, 200_000, adaptive_thinking=False),
    Family("claude-opus-4-5", 64_000, 200_000, adaptive_thinking=False),
    Family("claude-opus-4-6", 128_000, 1_000_000),
    Family("claude-opus-4-7", 128_000, 1_000_000),
    Family("claude-opus-4-8", 128_000, 1_000_000),
    # what other companies and local servers call embedding models
    Family("embed-", 0, None, EMBEDDINGS),
    Family("nomic-embed", 0, None, EMBEDDINGS),
    Family("mxbai-embed", 0, None, EMBEDDINGS),
    Family("mistral-embed", 0, None, EMBEDDINGS),
    Family("codestral-embed", 0, None, EMBEDDINGS),
    Family("gemini-embedding", 0, None, EMBEDDINGS),
    Family("bge-", 0, None, EMBEDDINGS),
    Family("voyage-", 0, None, EMBEDDINGS),
    # the built-in simulator
    Family("sim-", 16_384, 128_000),
    Family("sim-embed", 0, 8_192, EMBEDDINGS),
)

_BY_PREFIX: Final = {family.prefix: family for family in FAMILIES}
_LONGEST: Final = max(map(len, _BY_PREFIX))
_OPENAI: Final = ("gpt-", "o1", "o3", "o4", "codex-")
_FINE_TUNED: Final = re.compile(r"^ft:([^:]+).*")
_NOT_CHAT: Final = re.compile(r"^codex-|-(transcribe|tts|realtime|image|diarize|deep-research|codex|pro)(-|$)")
"""OpenAI's models that its chat endpoint does not serve, whatever their family."""


class Facts(msgspec.Struct, frozen=True):
    """What holds of one model. `operations` are those that some kind of provider may offer for it."""

    output_tokens_max: int
    context_tokens_max: int
    context_is_known: bool
    operations: tuple[Operation, ...]
    adaptive_thinking: bool = True


@lru_cache(maxsize=8192)
def facts(model: str, context_tokens: int | None = None) -> Facts:
    """The facts of a model by its name. `context_tokens` is what the price data says of it, used where no family tells."""
    family = _family(model)
    if family is None:
        context = context_tokens or UNKNOWN_TOKENS_MAX
        return Facts(context, context, context_tokens is not None, ANY)
    known = family.context_tokens_max or context_tokens
    context = known or UNKNOWN_TOKENS_MAX
    output = context if family.output_tokens_max is None else family.output_tokens_max
    return Facts(min(output, context), context, known is not None, family.operations, family.adaptive_thinking)


def _family(model: str) -> Family | None:
    """The family of a name: case, a maker before a slash (`openai/gpt-5`) and `ft:` around a base model do not matter."""
    name = _FINE_TUNED.sub(r"\1", model.lower())
    found = _longest(name)
    if found is None and "/" in name:
        found = _longest(name.rpartition("/")[2])
    if found is not None and found.operations is CHAT and name.startswith(_OPENAI) and _NOT_CHAT.search(name):
        return msgspec.structs.replace(found, operations=NOT_SERVED)
    return found


def _longest(name: str) -> Family | None:
    for length in range(min(len(name), _LONGEST), 0, -1):
        if (family := _BY_PREFIX.get(name[:length])) is not None:
            return family
    return None
