"""The shape of a Gemini answer, as far as it is read for other dialects.

Source: Gemini API reference, `GenerateContentResponse`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.dialects.gemini.passing import PromptFeedback
from onevault.dialects.gemini.usage import GeminiUsage
from onevault.dialects.wire.json_body import ABSENT


class Blob(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    mime_type: str = "application/octet-stream"
    data: str = ""


class FileData(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    mime_type: str = "application/octet-stream"
    file_uri: str = ""


class FunctionCall(msgspec.Struct, frozen=True, gc=False):
    name: str = ""
    id: str | None = None
    args: Raw = ABSENT


class Part(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None


class Content(msgspec.Struct, frozen=True, gc=False):
    parts: list[Raw] | None = None


class Candidate(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    index: int = 0
    content: Content | None = None
    finish_reason: str | None = None
    grounding_metadata: Raw = ABSENT
    citation_metadata: Raw = ABSENT
    logprobs_result: Raw = ABSENT


class Answer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    response_id: str | None = None
    model_version: str | None = None
    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: GeminiUsage | None = None
    error: Any = None
