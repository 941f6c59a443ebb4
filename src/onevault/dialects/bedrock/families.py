"""What Bedrock's models differ in where the Converse API leaves it to them: a table, by what their ids tell.

Sources: Amazon Bedrock user guide ("Prompt caching", "Structured output", "Inference parameters by model"), Amazon Nova user guide
("Extended thinking"), and recorded exchanges. A model whose id tells nothing (an application inference profile) is of no family.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import msgspec

from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.bedrock.names import BEDROCK_CONVERSE


class Thinks(StrEnum):
    """How a model is told how much to think, among `additionalModelRequestFields`."""

    NOT = "not"
    THINKING = "thinking"
    """Claude: `thinking` and `output_config.effort`."""
    REASONING_CONFIG = "reasoningConfig"
    """Nova 2: `reasoningConfig.maxReasoningEffort`."""
    EFFORT = "reasoning_effort"
    """gpt-oss: `reasoning_effort`."""
    EFFORT_CONFIG = "reasoning_config"
    """Qwen: `reasoning_config`, a word."""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Models that are alike. `cached` are the places where a cache point may stand; `signers` the dialects whose providers make
    the thinking that they take back."""

    thinks: Thinks = Thinks.NOT
    top_k_at: tuple[str, ...] = ()
    """Where `top_k` stands among `additionalModelRequestFields`."""
    cached: frozenset[str] = frozenset()
    caches_for_an_hour: bool = False
    strict_tools: bool = False
    tool_status: bool = True
    """Whether a tool result can be marked as failed."""
    one_of_temperature_and_top_p: bool = False
    ends_in_white_space: bool = True
    """Whether a stop sequence may be white space, and a prefilled answer end in it."""
    serial_tools: bool = False
    """Whether it can be told to call one tool at a time."""
    tells_stop_sequence: bool = False
    signers: frozenset[str] = frozenset({BEDROCK_CONVERSE})


SYSTEM: Final = "system"
MESSAGES: Final = "messages"
TOOLS: Final = "tools"

# Anthropic: "signature values are compatible across platforms" (extended thinking, differences across platforms).
_SIGNERS: Final = frozenset({BEDROCK_CONVERSE, ANTHROPIC_MESSAGES})
_CLAUDE: Final = Family(
    thinks=Thinks.THINKING,
    top_k_at=("top_k",),
    cached=frozenset({SYSTEM, MESSAGES, TOOLS}),
    one_of_temperature_and_top_p=True,
    ends_in_white_space=False,
    serial_tools=True,
    tells_stop_sequence=True,
    signers=_SIGNERS,
)
_CLAUDE_SINCE_4_5: Final = msgspec.structs.replace(_CLAUDE, caches_for_an_hour=True, strict_tools=True)
_NOVA: Final = Family(top_k_at=("inferenceConfig", "topK"), cached=frozenset({SYSTEM, MESSAGES}))
_NOVA_2: Final = msgspec.structs.replace(_NOVA, thinks=Thinks.REASONING_CONFIG)
_GPT_OSS: Final = Family(thinks=Thinks.EFFORT, strict_tools=True, tool_status=False)
_QWEN: Final = Family(thinks=Thinks.EFFORT_CONFIG, strict_tools=True, tool_status=False)
_UNKNOWN: Final = Family()
_OTHER: Final = Family(tool_status=False)

_FAMILIES: Final = tuple(
    (re.compile(r"(?:^|[./])" + pattern), family)
    for pattern, family in (
        (r"anthropic\.claude-(?:instant|v\d|\d|(?:opus|sonnet)-4(?:-1)?(?:-\d{8}|$))", _CLAUDE),
        (r"anthropic\.", _CLAUDE_SINCE_4_5),
        (r"amazon\.nova-2-", _NOVA_2),
        (r"amazon\.nova-", _NOVA),
        (r"openai\.gpt-oss", _GPT_OSS),
        (r"qwen\.", _QWEN),
        (r"[a-z0-9-]+\.", _OTHER),
    )
)
_REGION = re.compile(r"^(?:arn:.*/)?(?:us|us-gov|ca|sa|eu|uk|me|af|in|jp|au|apac|global)\.")


def family_of(model: str) -> Family:
    """The family of a model id, an inference profile's id or an ARN."""
    return next((family for pattern, family in _FAMILIES if pattern.search(model)), _UNKNOWN)


def without_region(model: str) -> str:
    """The id of the model itself: `us.anthropic.claude-…` is a profile that routes between regions."""
    return _REGION.sub("", model)
