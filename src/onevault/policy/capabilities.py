"""What is said where a model cannot do what a request needs: which capability, which field asks for it, and which models have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Capability

SUGGESTIONS_MAX: Final = 3

_SAID: Final = {
    Capability.IMAGE_INPUT: ("images as input", "messages"),
    Capability.AUDIO_INPUT: ("audio as input", "messages"),
    Capability.VIDEO_INPUT: ("video as input", "messages"),
    Capability.FILE_INPUT: ("files as input", "messages"),
    Capability.IMAGE_OUTPUT: ("images as output", "modalities"),
    Capability.AUDIO_OUTPUT: ("audio as output", "modalities"),
    Capability.TOOLS: ("tools", "tools"),
    Capability.PARALLEL_TOOLS: ("parallel tool calls", "parallel_tool_calls"),
    Capability.STRUCTURED_OUTPUT: ("structured output", "response_format"),
    Capability.REASONING: ("reasoning", "reasoning_effort"),
    Capability.LOGPROBS: ("logprobs", "logprobs"),
}
"""What each is called, and the field that asks for it as the canonical form names it."""


def missing(needs: frozenset[Capability], lacks: frozenset[Capability]) -> tuple[Capability, ...]:
    """What a request needs and a model lacks, in the order in which they are declared."""
    return tuple(capability for capability in Capability if capability in needs and capability in lacks)


def said(capabilities: Sequence[Capability]) -> str:
    """`images as input and tools`."""
    return " and ".join(_SAID[capability][0] for capability in capabilities)


def incapable(capabilities: Sequence[Capability], able: Sequence[str]) -> Fault:
    """No target can do what the request needs. `able` are the caller's models that can."""
    return Fault(
        FaultKind.UNSUPPORTED_PARAMETER,
        f"This model does not support {said(capabilities)}.{suggested(able)}",
        param=_SAID[capabilities[0]][1],
    )


def suggested(names: Sequence[str]) -> str:
    """` Models that do: a, b, c.` of names that the caller may use; "" for none."""
    return f" Models that do: {', '.join(names[:SUGGESTIONS_MAX])}." if names else ""
