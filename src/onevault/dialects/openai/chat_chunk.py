"""The shape of an OpenAI chat answer, chunk by chunk, as far as it can be said in other dialects.

Source: OpenAI API reference, "The chat completion chunk object"; OpenRouter (`images`, `reasoning_details`), Mistral (content in parts),
Google (`extra_content`) and Groq (`x_groq`) beside it. A whole answer is one chunk whose `message` is the `delta`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.dialects.openai.usage import GroqExtra, OpenAIUsage
from onevault.dialects.wire.json_body import ABSENT


class FunctionDelta(msgspec.Struct, frozen=True, gc=False):
    name: str | None = None
    arguments: str | None = None


class CallDelta(msgspec.Struct, frozen=True, gc=False):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionDelta | None = None
    extra_content: Raw = ABSENT


class ThinkingBlock(msgspec.Struct, frozen=True, gc=False):
    type: str
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class UrlCitation(msgspec.Struct, frozen=True, gc=False):
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class AnnotationIn(msgspec.Struct, frozen=True, gc=False):
    url_citation: UrlCitation | None = None


class ImageAddress(msgspec.Struct, frozen=True, gc=False):
    url: str = ""


class ImageMade(msgspec.Struct, frozen=True, gc=False):
    image_url: ImageAddress | None = None


class AudioMade(msgspec.Struct, frozen=True, gc=False):
    id: str | None = None
    data: str | None = None
    expires_at: int | None = None
    transcript: str | None = None


class Delta(msgspec.Struct, frozen=True, gc=False):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw = ABSENT
    thinking_blocks: list[ThinkingBlock] | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None
    annotations: list[Raw] | None = None
    images: list[ImageMade] | None = None
    audio: AudioMade | None = None
    extra_content: Raw = ABSENT


class Choice(msgspec.Struct, frozen=True, gc=False):
    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    logprobs: Raw = ABSENT


class Chunk(msgspec.Struct, frozen=True, gc=False):
    id: str | None = None
    model: str | None = None
    created: float | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    choices: list[Choice] | None = None
    usage: OpenAIUsage | None = None
    x_groq: GroqExtra | None = None
    error: Any = None


class Call:
    """A tool call under way; it starts for the reader when its name is known."""

    __slots__ = ("held", "id", "name", "ordinal", "part")

    def __init__(self, *, id: str, ordinal: int, part: int) -> None:
        self.id = id
        self.name = ""
        self.ordinal = ordinal
        self.part = part
        self.held = ""


class ChoiceState:
    """Where one choice stands: which block is being written, which calls there are, how it ended."""

    __slots__ = ("audio_type", "began", "by_index", "calls", "index", "kind", "length", "part", "reason", "refused")

    def __init__(self, index: int) -> None:
        self.index = index
        self.part = -1
        self.kind = ""
        self.calls: list[Call] = []
        self.by_index: dict[int, Call] = {}
        self.reason: str | None = None
        self.refused = False
        self.audio_type = ""
        self.length = 0
        """Characters of text so far; the running block's text `began` after so many."""
        self.began = 0

    def part_of(self, kind: str) -> int:
        """The ordinal of the block that text of this kind goes to: a change of kind begins another."""
        if kind != self.kind:
            self.kind = kind
            self.part += 1
            self.began = self.length
        return self.part

    def alone(self) -> int:
        """The ordinal of a block of its own."""
        self.kind = ""
        self.part += 1
        return self.part

    def call_of(self, delta: CallDelta, answer_id: str, *, signed: bool) -> Call:
        """The call that a delta belongs to. Servers leave out `index`, or `id`, or give every call the index 0.

        The block before a new call that is `signed` is the signature's.
        """
        known = self.by_index.get(delta.index) if delta.index is not None else None
        if delta.index is None and not delta.id and self.calls:
            known = self.calls[-1]
        if delta.index is None and delta.id:
            known = next((call for call in self.calls if call.id == delta.id), None)
        if known is not None and (not delta.id or delta.id == known.id):
            return known
        ordinal = len(self.calls)
        self.part += 2 if signed else 1
        call = Call(id=delta.id or f"call_{answer_id}_{self.index}_{ordinal}", ordinal=ordinal, part=self.part)
        self.kind = "call"
        self.calls.append(call)
        if delta.index is not None:
            self.by_index[delta.index] = call
        return call
