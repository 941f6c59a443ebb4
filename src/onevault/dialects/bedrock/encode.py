"""Writes a canonical request as a Converse request, and what of it is input for counting its tokens.

What Bedrock cannot be told is a fault where it carries meaning, a name in `dropped` where it only tunes. Choices: JSON without a
schema is a fault, since nothing there would enforce it; a temperature above 1 becomes 1 and is named; Claude gets one of temperature
and top_p; `requestMetadata` takes the pairs that its pattern allows, and the end user has no place.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from onevault.core.chat import ChatRequest, ResponseFormat
from onevault.core.codec import WireRequest
from onevault.dialects.bedrock.additional import additional_fields, refuses_sampling, thinks_hard
from onevault.dialects.bedrock.conversation import conversation_of, mentions_tools
from onevault.dialects.bedrock.families import Family, family_of, without_region
from onevault.dialects.bedrock.media import Json
from onevault.dialects.bedrock.names import path_of
from onevault.dialects.bedrock.tools import offers_tools, tool_config
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.json_schema import grammar_schema

_TUNING: Final = ("seed", "frequency_penalty", "presence_penalty", "logit_bias", "verbosity", "user")
_SERVICE_TIERS: Final = {
    "default": "default",
    "standard_only": "default",
    "flex": "flex",
    "priority": "priority",
    "reserved": "reserved",
}
_METADATA_MAX: Final = 16
_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,-.]{1,256}", re.ASCII)
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,-.]{0,256}", re.ASCII)
_STOP_SEQUENCE_PATHS: Final = ("/stop_sequence", "/delta/stop_sequence")
"""Where Claude's own answer names the stop sequence, whole and streamed; Converse ignores what is not there."""


def encode_converse(request: ChatRequest, *, output_tokens_max: int, adaptive_thinking: bool) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    _refuse(request)
    family = family_of(request.model)
    dropped: dict[str, None] = dict.fromkeys(request.hints)
    body = _input(request, family, dropped)
    additional = additional_fields(
        request,
        family,
        body["messages"],
        dropped,
        output_tokens_max=output_tokens_max,
        adaptive_thinking=adaptive_thinking,
    )
    inference = _inference(request, family, additional, dropped)
    if inference:
        body["inferenceConfig"] = inference
    if additional:
        body["additionalModelRequestFields"] = additional
    if request.stop and family.tells_stop_sequence:
        body["additionalModelResponseFieldPaths"] = list(_STOP_SEQUENCE_PATHS)
    if request.response_format is not None and request.response_format.mode == "schema":
        body["outputConfig"] = _output_config(request.response_format, dropped)
    _add_surroundings(request, body, dropped)
    path = path_of(request.model, "converse-stream" if request.stream else "converse")
    return WireRequest(path, msgspec.json.encode(body), dropped=tuple(dropped))


def encode_count_tokens(request: ChatRequest) -> WireRequest:
    """The same request, as far as it is input. The model itself counts, not a profile that routes to it.

    Raises Fault UNSUPPORTED_PARAMETER.
    """
    family = family_of(request.model)
    body = {"input": {"converse": _input(request, family, {})}}
    return WireRequest(path_of(without_region(request.model), "count-tokens"), msgspec.json.encode(body))


def _input(request: ChatRequest, family: Family, dropped: dict[str, None]) -> Json:
    """`system`, `messages`, `toolConfig`."""
    with_tools = offers_tools(request)
    calls_as_text = not with_tools and mentions_tools(request.messages)
    system, messages = conversation_of(request.messages, family, dropped, calls_as_text=calls_as_text)
    body: Json = {"system": system} if system else {}
    body["messages"] = messages
    if with_tools:
        body["toolConfig"] = tool_config(request, family, dropped)
    return body


def _refuse(request: ChatRequest) -> None:
    if request.n != 1:
        raise unsupported("n", "must be 1 at the provider that was chosen")
    if request.logprobs or request.top_logprobs:
        raise unsupported("logprobs", "are not given by the provider that was chosen")
    if request.response_format is not None and request.response_format.mode == "json":
        raise unsupported(
            "response_format.type", "json_object is not known to the provider that was chosen; use json_schema"
        )
    if any(modality != "text" for modality in request.output_modalities) or request.speech is not None:
        raise unsupported("modalities", "other than text are not made by the provider that was chosen")


def _inference(request: ChatRequest, family: Family, additional: Json, dropped: dict[str, None]) -> Json:
    inference: Json = {}
    if request.output_tokens_max is not None:
        inference["maxTokens"] = request.output_tokens_max
    if refuses_sampling(request.model, additional) or thinks_hard(additional):
        if request.temperature not in (None, 1):
            dropped["temperature"] = None
        if request.top_p not in (None, 1):
            dropped["top_p"] = None
    else:
        if request.temperature is not None:
            inference["temperature"] = min(request.temperature, 1)
            if request.temperature > 1:
                dropped["temperature"] = None
        if request.top_p is not None:
            if "temperature" in inference and family.one_of_temperature_and_top_p:
                if request.top_p != 1:
                    dropped["top_p"] = None
            else:
                inference["topP"] = min(request.top_p, 1)
    if request.stop:
        inference["stopSequences"] = _stop(request, family)
    return inference


def _stop(request: ChatRequest, family: Family) -> list[str]:
    if any(not (stop if family.ends_in_white_space else stop.strip()) for stop in request.stop):
        raise unsupported("stop", "may not be empty or white space alone at the provider that was chosen")
    return list(request.stop)


def _output_config(asked: ResponseFormat, dropped: dict[str, None]) -> Json:
    """A schema is text here. Bedrock keeps to it without being asked to be strict, and knows no bounds."""
    text = '{"type":"object"}'
    if asked.schema is not None:
        text = bytes(grammar_schema(asked.schema, dropped, "response_format.schema")).decode()
    schema: Json = {"schema": text}
    if asked.name:
        schema["name"] = asked.name
    if asked.description:
        schema["description"] = asked.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _add_surroundings(request: ChatRequest, body: Json, dropped: dict[str, None]) -> None:
    if request.metadata:
        kept = {
            name: value
            for name, value in request.metadata.items()
            if _METADATA_KEY.fullmatch(name) and _METADATA_VALUE.fullmatch(value)
        }
        if len(kept) > _METADATA_MAX:
            kept = dict(list(kept.items())[:_METADATA_MAX])
        if kept:
            body["requestMetadata"] = kept
        if len(kept) < len(request.metadata):
            dropped["metadata"] = None
    if request.service_tier in _SERVICE_TIERS:
        body["serviceTier"] = {"type": _SERVICE_TIERS[request.service_tier]}
    elif request.service_tier not in (None, "auto"):
        dropped["service_tier"] = None
    for name in _TUNING:
        if getattr(request, name):
            dropped[name] = None
