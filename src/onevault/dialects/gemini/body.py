"""The shape of a Gemini request as far as the gateway looks at it; what it does not know passes.

Source: Gemini API reference, "Generating content", "Caching" (Content, Part, Tool), "Counting tokens"; Vertex AI reference.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Raw

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.gemini.proto_json import as_proto_json, may_be_other_json
from onevault.dialects.wire.extensions import ExtendedBody
from onevault.dialects.wire.json_body import ABSENT, decoded

Count = Annotated[float, Meta(ge=1, le=2**31)]
"""A whole number, which protocol buffers may print as `40.0`."""

_T = TypeVar("_T")


class Blob(msgspec.Struct, frozen=True, rename="camel"):
    mime_type: str | None = None
    data: str | None = None
    display_name: str | None = None


class FileData(msgspec.Struct, frozen=True, rename="camel"):
    mime_type: str | None = None
    file_uri: str | None = None
    display_name: str | None = None


class FunctionCallIn(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    args: Raw = ABSENT
    id: str | None = None


class ResponsePartIn(msgspec.Struct, frozen=True, rename="camel"):
    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponseIn(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    response: Raw = ABSENT
    id: str | None = None
    parts: list[ResponsePartIn] | None = None


class PartIn(msgspec.Struct, frozen=True, rename="camel"):
    """Any part: the one field that is there says what it is. Parts of other kinds have none of these."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCallIn | None = None
    function_response: FunctionResponseIn | None = None
    video_metadata: Raw = ABSENT
    media_resolution: Raw = ABSENT
    part_metadata: Raw = ABSENT


class ContentIn(msgspec.Struct, frozen=True, rename="camel"):
    parts: list[PartIn] | None = None
    role: str | None = None


class DeclarationIn(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    parameters_json_schema: Raw = ABSENT


class ToolIn(msgspec.Struct, frozen=True, rename="camel"):
    """A tool that is not the caller's own functions has another field instead, or beside them."""

    function_declarations: list[DeclarationIn] | None = None


class CallingConfig(msgspec.Struct, frozen=True, rename="camel"):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfigIn(msgspec.Struct, frozen=True, rename="camel"):
    function_calling_config: CallingConfig | None = None
    retrieval_config: Raw = ABSENT


class ThinkingConfig(msgspec.Struct, frozen=True, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: Annotated[float, Meta(ge=-1, le=2**31)] | None = None
    thinking_level: str | None = None


class PrebuiltVoice(msgspec.Struct, frozen=True, rename="camel"):
    voice_name: str | None = None


class VoiceConfig(msgspec.Struct, frozen=True, rename="camel"):
    prebuilt_voice_config: PrebuiltVoice | None = None


class SpeechConfig(msgspec.Struct, frozen=True, rename="camel"):
    voice_config: VoiceConfig | None = None
    multi_speaker_voice_config: Raw = ABSENT
    language_code: str | None = None


class GenerationConfig(msgspec.Struct, frozen=True, rename="camel"):
    candidate_count: Annotated[float, Meta(ge=1, le=128)] | None = None
    max_output_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    seed: float | None = None
    stop_sequences: list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_mime_type: str | None = None
    response_schema: Raw = ABSENT
    response_json_schema: Raw = ABSENT
    response_logprobs: bool | None = None
    logprobs: float | None = None
    response_modalities: list[str] | None = None
    speech_config: SpeechConfig | None = None
    thinking_config: ThinkingConfig | None = None


class CountedBody(ExtendedBody, frozen=True, kw_only=True, rename="camel"):
    """What is input in a request; a request to count may have nothing but `generateContentRequest`."""

    contents: list[ContentIn] | None = None
    system_instruction: ContentIn | None = None
    tools: list[ToolIn] | None = None
    tool_config: ToolConfigIn | None = None
    generation_config: GenerationConfig | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None


class CountTokensBody(CountedBody, frozen=True, kw_only=True, rename="camel"):
    generate_content_request: CountedBody | None = None


_ANY = msgspec.json.Decoder(dict[str, Raw])


def spelled(decoder: msgspec.json.Decoder[_T], body: bytes) -> tuple[_T, bytes]:
    """A request as the decoder's type, and its JSON in the canonical spelling. Raises Fault INVALID_REQUEST."""
    if not may_be_other_json(body):
        try:
            body.decode()
            return decoder.decode(body), body
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # it may be one object for a list of one; if not, it is told below what is wrong
    decoded(_ANY, body)
    try:
        body = as_proto_json(body)
    except msgspec.DecodeError:
        raise Fault(FaultKind.INVALID_REQUEST, "The body is not valid JSON.") from None
    return decoded(decoder, body), body
