"""What Google's `finishReason` means, and how the gateway's own reasons are told to callers of that dialect.

Source: Gemini API reference, `Candidate.FinishReason`; Vertex AI adds MODEL_ARMOR. A reason that is not here ends an answer as the
model left it, be it empty: the call of a function that does not exist, too, is what the model made, and is paid for.
"""

from __future__ import annotations

from onevault.core.events import StopReason

STOP_REASONS = {
    "STOP": StopReason.END,
    "MAX_TOKENS": StopReason.LENGTH,
    "SAFETY": StopReason.CONTENT_FILTER,
    "RECITATION": StopReason.CONTENT_FILTER,
    "BLOCKLIST": StopReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": StopReason.CONTENT_FILTER,
    "SPII": StopReason.CONTENT_FILTER,
    "IMAGE_SAFETY": StopReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": StopReason.CONTENT_FILTER,
    "IMAGE_RECITATION": StopReason.CONTENT_FILTER,
    "MODEL_ARMOR": StopReason.CONTENT_FILTER,
}

FINISH_REASONS = {
    StopReason.END: "STOP",
    StopReason.STOP_SEQUENCE: "STOP",
    StopReason.TOOL_CALLS: "STOP",
    StopReason.PAUSE: "STOP",
    StopReason.LENGTH: "MAX_TOKENS",
    StopReason.CONTEXT_LENGTH: "MAX_TOKENS",
    StopReason.CONTENT_FILTER: "SAFETY",
    StopReason.REFUSAL: "SAFETY",
}


def stop_reason_of(finish_reason: str, *, called: bool) -> StopReason:
    """`called`: the answer calls functions, which Google ends like any other."""
    reason = STOP_REASONS.get(finish_reason, StopReason.END)
    return StopReason.TOOL_CALLS if called and reason is StopReason.END else reason
