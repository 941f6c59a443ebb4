"""Writes a canonical request as Google's.

What Google cannot be told is a fault where it carries meaning, a name in `dropped` where it only tunes. Choices: schemas go as JSON
schema (`parametersJsonSchema`, `responseJsonSchema`), so they stay untouched; a function that is strict asks for the mode in which
calls keep to their schemas. Metadata and the end user stay with the gateway's record: only Vertex AI has labels.

Reasoning, by the model's name (`models.py`): an effort word becomes a `thinkingLevel` the model has, or, before Gemini 3, a
`thinkingBudget` within its range; a budget is told as it is; off is a budget of 0. A model that cannot stop thinking is told its least,
and `reasoning_effort` is named in `dropped`, as it is for a model that does not think.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.chat import ChatRequest, Opaque, Reasoning, Tool
from onevault.core.codec import WireRequest
from onevault.dialects.gemini.contents import ContentWriter
from onevault.dialects.gemini.models import ModelFacts, facts_of
from onevault.dialects.gemini.names import GEMINI
from onevault.dialects.gemini.paths import resource_of, wire_path
from onevault.dialects.gemini.request import COUNT, EVENT_STREAM, GENERATE, STREAM
from onevault.dialects.wire.json_body import fields_of, unsupported
from onevault.dialects.wire.thinking import budget_of

STOP_SEQUENCES_MAX = 5

_Json = dict[str, Any]

_TUNING = ("logit_bias", "verbosity")
_SERVICE_TIERS = {"flex": "flex", "priority": "priority", "standard": "standard", "default": "standard"}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}
_SAMPLING = (
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("output_tokens_max", "maxOutputTokens"),
)
_PENALTIES = ("presence_penalty", "frequency_penalty")
_LEVELS = {"xhigh": "high", "max": "high"}
_RAW_SPEECH = ("pcm16", "pcm")


def encode_generate(request: ChatRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    dropped: dict[str, None] = dict.fromkeys(request.hints)
    facts = facts_of(request.model)
    body = _input(request, facts, dropped)
    config = _config(request, facts, dropped)
    if config:
        body["generationConfig"] = config
    if request.service_tier not in (None, "auto"):
        tier = _SERVICE_TIERS.get(request.service_tier.lower())
        if tier is None:
            dropped["service_tier"] = None
        elif tier != "standard":
            body["serviceTier"] = tier
    for name in _TUNING:
        if getattr(request, name):
            dropped[name] = None
    path = wire_path(request.model, STREAM) + EVENT_STREAM if request.stream else wire_path(request.model, GENERATE)
    return WireRequest(path, msgspec.json.encode(body), dropped=tuple(dropped))


def encode_count(request: ChatRequest, *, vertex: bool) -> WireRequest:
    """The same request, as far as it is input. The Gemini API takes more than `contents` only as a whole request inside;
    Vertex AI takes it beside them. Raises Fault UNSUPPORTED_PARAMETER."""
    body = _input(request, facts_of(request.model), {})
    if not vertex and len(body) > 1:
        body = {"generateContentRequest": {"model": resource_of(request.model), **body}}
    return WireRequest(wire_path(request.model, COUNT), msgspec.json.encode(body))


def _input(request: ChatRequest, facts: ModelFacts, dropped: dict[str, None]) -> _Json:
    system, contents = ContentWriter(facts, dropped).write(request.messages)
    body: _Json = {}
    if system:
        body["systemInstruction"] = {"parts": system}
    body["contents"] = contents
    if request.tools:
        body["tools"] = _tools(request, dropped)
        calling = _calling_config(request, facts, dropped)
        if calling:
            body["toolConfig"] = {"functionCallingConfig": calling}
    return body


def _tools(request: ChatRequest, dropped: dict[str, None]) -> list[_Json]:
    """All functions in one, where the first of them stood; Google's own each in its own."""
    declarations: list[_Json] = []
    tools: list[_Json] = []
    for i, tool in enumerate(request.tools):
        if isinstance(tool, Opaque):
            if tool.dialect != GEMINI:
                raise unsupported(f"tools[{i}]", "is a kind of tool that the provider that was chosen does not have")
            tools.append(dict(fields_of(tool.raw)))
            continue
        if tool.cache is not None:
            dropped["cache_control"] = None
        if not declarations:
            tools.append({"functionDeclarations": declarations})
        declarations.append(_declaration(tool))
    return tools


def _declaration(tool: Tool) -> _Json:
    written: _Json = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if tool.parameters is not None:
        written["parametersJsonSchema"] = tool.parameters
    return written


def _calling_config(request: ChatRequest, facts: ModelFacts, dropped: dict[str, None]) -> _Json:
    if request.parallel_tool_calls is False:
        dropped["parallel_tool_calls"] = None
    choice = request.tool_choice
    if choice is not None and choice.mode != "auto":
        calling: _Json = {"mode": _MODES[choice.mode]}
        if choice.mode == "tool":
            calling["allowedFunctionNames"] = [choice.name]
        return calling
    if any(isinstance(tool, Tool) and tool.strict for tool in request.tools):
        if facts.validates_calls:
            return {"mode": "VALIDATED"}
        dropped["strict"] = None
    return {} if choice is None else {"mode": "AUTO"}


def _config(request: ChatRequest, facts: ModelFacts, dropped: dict[str, None]) -> _Json:
    config: _Json = {}
    for name, written in _SAMPLING:
        value = getattr(request, name)
        if value and name in _PENALTIES and not facts.penalizes:
            dropped[name] = None
        elif value is not None:
            config[written] = value
    if request.stop:
        if len(request.stop) > STOP_SEQUENCES_MAX:
            raise unsupported("stop", f"may have {STOP_SEQUENCES_MAX} entries at most at the provider that was chosen")
        config["stopSequences"] = list(request.stop)
    if request.n != 1:
        config["candidateCount"] = request.n
    if request.logprobs:
        config["responseLogprobs"] = True
        if request.top_logprobs:
            config["logprobs"] = request.top_logprobs
    asked = request.response_format
    if asked is not None and asked.mode != "text":
        config["responseMimeType"] = "application/json"
        if asked.mode == "schema":
            config["responseJsonSchema"] = Raw(b"{}") if asked.schema is None else asked.schema
    if request.output_modalities:
        config["responseModalities"] = [modality.upper() for modality in request.output_modalities]
    if request.speech is not None:
        if request.speech.format not in (None, *_RAW_SPEECH):
            raise unsupported("audio.format", "must be pcm16 for the provider that was chosen")
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": request.speech.voice}}}
    if request.reasoning is not None:
        thinking = _thinking(request.reasoning, facts, dropped)
        if thinking:
            config["thinkingConfig"] = thinking
    return config


def _thinking(reasoning: Reasoning, facts: ModelFacts, dropped: dict[str, None]) -> _Json:
    if facts.thinks_by == "none":
        if reasoning.enabled:
            dropped["reasoning_effort"] = None
        return {}
    if not reasoning.enabled:
        if facts.thinking_stops:
            return {"thinkingBudget": 0}
        dropped["reasoning_effort"] = None
        return {"thinkingLevel": facts.levels[0].upper()} if facts.levels else {"thinkingBudget": facts.budget_min}
    config: _Json = {}
    if reasoning.budget_tokens is not None and not reasoning.adaptive:
        config["thinkingBudget"] = min(max(reasoning.budget_tokens, facts.budget_min), facts.budget_max)
    elif reasoning.effort is not None and facts.thinks_by == "level":
        config["thinkingLevel"] = _level(reasoning.effort, facts.levels).upper()
    elif reasoning.effort is not None:
        config["thinkingBudget"] = min(max(budget_of(reasoning.effort), facts.budget_min), facts.budget_max)
    elif facts.thinks_by == "budget":
        config["thinkingBudget"] = -1
    if reasoning.display != "omitted":
        config["includeThoughts"] = True
    return config


def _level(effort: str, levels: tuple[str, ...]) -> str:
    """The level of this name; of those it lies between, the higher one, so that no less is thought than was asked."""
    order = ("minimal", "low", "medium", "high")
    wanted = _LEVELS.get(effort, effort)
    if wanted not in order:
        return levels[-1]
    return next(level for level in levels if order.index(level) >= order.index(wanted))
