"""Tells what holds of one model by its name: how much it takes in and gives out, what it cannot, and in which dialects it is served."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from onevault.core.operations import Capability, Dialect, Operation
from onevault.upstream.families import ANY, CHAT, FAMILIES, NOT_SERVED, OPENAI_RESPONSES_ONLY, Family

UNKNOWN_TOKENS_MAX: Final = 128_000
"""Assumed where nothing is known. `limits.max_tokens_per_request` caps it."""

_BY_PREFIX: Final = {family.prefix: family for family in FAMILIES}
_LONGEST: Final = max(map(len, _BY_PREFIX))
_OPENAI: Final = ("gpt-", "o1", "o3", "o4", "codex-")
_FINE_TUNED: Final = re.compile(r"^ft:([^:]+).*")
_BEDROCK: Final = re.compile(
    r"^(?:[a-z]{2,8}(?:-gov)?\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshotai?|nvidia|openai|qwen|writer|zai)\.(?=.)"
)
"""`eu.anthropic.claude-…`: a region or `global`, and who made the model."""

_MAKER: Final = re.compile(r"^(?!arn:)[^/]+/.")

_TOOLS_IN_RESPONSES: Final = re.compile(r"^gpt-5\.[2-9](?!.*chat)")
"""OpenAI's models that refuse functions in a chat as soon as they think, which the newest do unasked."""
_RESPONSES_ONLY: Final = re.compile(r"^codex-|^computer-use|-(pro|codex|deep-research)(-|$)")
_NOT_CHAT: Final = re.compile(r"-(transcribe|tts|realtime|image|diarize)(-|$)")
"""OpenAI's models that its chat endpoint does not serve, whatever their family."""


class Facts(msgspec.Struct, frozen=True):
    """What holds of one model. `operations` are those that some kind of provider may offer for it; `dialects` the only ones in
    which its own provider serves it (empty: all). `is_known` is whether a family tells what it lacks."""

    output_tokens_max: int
    context_tokens_max: int
    context_is_known: bool
    operations: tuple[Operation, ...]
    adaptive_thinking: bool = True
    lacks: frozenset[Capability] = frozenset()
    dialects: tuple[Dialect, ...] = ()
    is_known: bool = False


@lru_cache(maxsize=8192)
def facts(model: str, context_tokens: int | None = None) -> Facts:
    """The facts of a model by its name. `context_tokens` is what the price data says of it, used where no family tells, and of
    models that every provider serves as he likes."""
    family = _family(model)
    if family is None:
        context = context_tokens or UNKNOWN_TOKENS_MAX
        return Facts(context, context, context_tokens is not None, ANY)
    stated = family.context_tokens_max
    known = (context_tokens or stated) if family.is_open else (stated or context_tokens)
    context = known or UNKNOWN_TOKENS_MAX
    output = context if family.output_tokens_max is None else family.output_tokens_max
    return Facts(
        min(output, context),
        context,
        known is not None,
        family.operations,
        family.adaptive_thinking,
        family.lacks,
        family.dialects,
        is_known=True,
    )


def fitting_dialect(dialects: tuple[Dialect, ...], model: str, *, with_tools: bool) -> Dialect:
    """Of those that a model is served in, the one that a request is translated into: the first, but for tools that the model
    takes in another one only."""
    if with_tools and _TOOLS_IN_RESPONSES.search(model):
        return next((dialect for dialect in dialects if dialect in OPENAI_RESPONSES_ONLY), dialects[0])
    return dialects[0]


def is_fine_tuned(model: str) -> bool:
    """Whether it is the name of one fine-tuned model at OpenAI (`ft:gpt-4o-mini-2024-07-18:acme::id`), and not of a family."""
    return model.startswith("ft:") and model.count(":") >= 2


def is_anothers_name(name: str, known_as: str) -> bool:
    """Whether a name says who made the model (`x-ai/grok-4.7`, `us.anthropic.claude-…`), as those do who serve the models of many,
    and the id that a provider's prices match it with (`grok-4.7`) does not: that provider does not call it so."""
    return any(told(name.lower()) and not told(known_as.lower()) for told in (_MAKER.match, _BEDROCK.match))


def _family(model: str) -> Family | None:
    """The family of a name: case, a maker before a slash (`openai/gpt-5`) or, with a region, before a dot (`us.anthropic.claude-…`),
    and `ft:` around a base model do not matter."""
    name = _FINE_TUNED.sub(r"\1", model.lower())
    found = _longest(name)
    if found is None:
        last = name.rpartition("/")[2]
        found = (_longest(last) if last != name else None) or (
            _longest(_BEDROCK.sub("", last)) if "." in last else None
        )
        if found is not None and found.dialects:
            found = msgspec.structs.replace(found, dialects=())  # another's name for it, who serves it in his own way
    if found is not None and found.operations is CHAT and name.startswith(_OPENAI):
        if _NOT_CHAT.search(name):
            return msgspec.structs.replace(found, operations=NOT_SERVED)
        if _RESPONSES_ONLY.search(name) and found.dialects:
            return msgspec.structs.replace(found, dialects=OPENAI_RESPONSES_ONLY)
    return found


def _longest(name: str) -> Family | None:
    if name.startswith("claude-"):
        name = name.replace(".", "-")  # `claude-3.5-sonnet`, as other companies write it
    for length in range(min(len(name), _LONGEST), 0, -1):
        if (family := _BY_PREFIX.get(name[:length])) is not None:
            return family
    return None
