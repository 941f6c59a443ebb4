"""Reads the signatures of other providers that OpenAI's dialect carries: on tool calls (Google) and in reasoning details (OpenRouter)."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.dialects.anthropic.names import ANTHROPIC_MESSAGES
from onevault.dialects.wire.json_body import present

GEMINI = "gemini"
OPENAI_RESPONSES = "openai-responses"
"""Dialects whose providers sign, by the names that the packages beside this one give them."""

_MAKERS = {
    "anthropic-claude-v1": ANTHROPIC_MESSAGES,
    "google-gemini-v1": GEMINI,
    "openai-responses-v1": OPENAI_RESPONSES,
}
"""OpenRouter's words for who made a reasoning detail; others are nobody's whom the gateway knows."""


class _Google(msgspec.Struct, frozen=True, gc=False):
    thought_signature: str | None = None


class _Extra(msgspec.Struct, frozen=True, gc=False):
    google: _Google | None = None


class ReasoningDetail(msgspec.Struct, frozen=True, gc=False):
    """OpenRouter: `reasoning.text` (with a signature), `reasoning.summary` or `reasoning.encrypted`."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None
    format: str | None = None

    @property
    def by(self) -> str:
        return _MAKERS.get(self.format or "", "")


_EXTRA = msgspec.json.Decoder(_Extra)
_DETAILS = msgspec.json.Decoder(list[ReasoningDetail])
_NO_DETAILS: list[ReasoningDetail] = []


def google_signature(extra_content: Raw) -> str | None:
    """The `google.thought_signature` of a tool call's or message's `extra_content`; None in one of any other shape."""
    if present(extra_content) is None:
        return None
    try:
        google = _EXTRA.decode(extra_content).google
    except msgspec.DecodeError:
        return None
    return (google.thought_signature or None) if google is not None else None


def reasoning_details(raw: Raw) -> list[ReasoningDetail]:
    """The details, or none if they are of another shape: whoever writes them says the text beside them, too."""
    if present(raw) is None:
        return _NO_DETAILS
    try:
        return _DETAILS.decode(raw)
    except msgspec.DecodeError:
        return _NO_DETAILS
