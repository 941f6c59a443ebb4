"""Says a Gemini request in the canonical form; what that cannot carry is a fault with the field's path."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    ChatRequest,
    Message,
    Opaque,
    Reasoning,
    ResponseFormat,
    Role,
    Speech,
    Text,
    Tool,
    ToolChoice,
)
from onevault.dialects.gemini.body import (
    ContentIn,
    CountedBody,
    DeclarationIn,
    GenerationConfig,
    SpeechConfig,
    ThinkingConfig,
    ToolConfigIn,
)
from onevault.dialects.gemini.names import GEMINI
from onevault.dialects.gemini.schema import json_schema
from onevault.dialects.gemini.turns import TurnReader
from onevault.dialects.wire.extensions import EXTENSION_NAMES
from onevault.dialects.wire.json_body import fields_of, invalid, present, unsupported
from onevault.dialects.wire.json_schema import strict_schema

_CARRIED = frozenset(
    (
        *("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent", "labels"),
        *("serviceTier", "model"),
    )
) | frozenset(EXTENSION_NAMES)
_MEANINGFUL = frozenset({"modelArmorConfig"})
"""Fields that change what the answer is; every other unknown field only tunes."""
_CARRIED_CONFIG = frozenset(GenerationConfig.__struct_encode_fields__)
_MEANINGFUL_CONFIG = frozenset({"responseFormat", "translationConfig"})
_CARRIED_DECLARATION = frozenset(DeclarationIn.__struct_encode_fields__)

_TOOLS = msgspec.json.Decoder(list[dict[str, Raw]])
_NO_CONFIG = GenerationConfig()
_NOT_THERE = "cannot be said to the provider that was chosen"


def canonical_of(parsed: CountedBody, body: bytes) -> ChatRequest:
    """`body` in the canonical spelling. The path's part (model, stream) is not here. Raises Fault UNSUPPORTED_PARAMETER."""
    fields = fields_of(body)
    hints: dict[str, None] = {}
    for name, raw in fields.items():
        if name not in _CARRIED and present(raw) is not None:
            if name in _MEANINGFUL:
                raise unsupported(name, _NOT_THERE)
            hints[name] = None
    if parsed.cached_content is not None:
        raise unsupported("cachedContent", "is known to one provider only; send the content itself")
    config = parsed.generation_config or _NO_CONFIG
    if present(fields.get("generationConfig", Raw(b"null"))) is not None:
        for name, raw in fields_of(fields["generationConfig"]).items():
            if name not in _CARRIED_CONFIG and present(raw) is not None:
                if name in _MEANINGFUL_CONFIG:
                    raise unsupported(f"generationConfig.{name}", _NOT_THERE)
                hints[name] = None
    messages = _system(parsed.system_instruction)
    messages += TurnReader(body, hints).messages(parsed.contents or [])
    choice, tools = _choice(parsed.tool_config, _tools(parsed, fields, hints))
    return ChatRequest(
        model="",
        messages=tuple(messages),
        tools=tools,
        tool_choice=choice,
        response_format=_response_format(config),
        output_tokens_max=_whole(config.max_output_tokens),
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=_whole(config.top_k),
        stop=tuple(config.stop_sequences or ()),
        n=int(config.candidate_count or 1),
        seed=_whole(config.seed),
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        logprobs=config.response_logprobs,
        top_logprobs=_whole(config.logprobs),
        reasoning=_reasoning(config.thinking_config),
        service_tier=parsed.service_tier,
        metadata=parsed.labels,
        output_modalities=_modalities(config),
        speech=_speech(config.speech_config, hints),
        hints=tuple(hints),
    )


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _system(instruction: ContentIn | None) -> list[Message]:
    if instruction is None or not instruction.parts:
        return []
    texts: list[Text] = []
    for j, part in enumerate(instruction.parts):
        if part.text is None:
            raise unsupported(f"systemInstruction.parts[{j}]", _NOT_THERE)
        if part.text:
            texts.append(Text(text=part.text))
    return [Message(role=Role.SYSTEM, parts=tuple(texts))] if texts else []


def _tools(parsed: CountedBody, fields: dict[str, Raw], hints: dict[str, None]) -> list[Tool | Opaque]:
    if not parsed.tools:
        return []
    tools: list[Tool | Opaque] = []
    for typed, named in zip(parsed.tools, _TOOLS.decode(fields["tools"]), strict=True):
        tools += [_tool(declaration) for declaration in typed.function_declarations or ()]
        for name, raw in named.items():
            if name == "functionDeclarations":
                _note_hints(raw, hints)
            elif present(raw) is not None:
                tools.append(Opaque(dialect=GEMINI, kind=name, raw=Raw(msgspec.json.encode({name: raw}))))
    return tools


def _note_hints(declarations: Raw, hints: dict[str, None]) -> None:
    """What declarations say that the canonical form does not, by name: what a function answers, whether the model waits for it."""
    for declaration in _TOOLS.decode(declarations) if present(declarations) is not None else ():
        for name, raw in declaration.items():
            if name not in _CARRIED_DECLARATION and present(raw) is not None:
                hints[f"functionDeclarations.{name}"] = None


def _tool(declaration: DeclarationIn) -> Tool:
    parameters = present(declaration.parameters_json_schema)
    if parameters is None and present(declaration.parameters) is not None:
        parameters = json_schema(declaration.parameters)
    return Tool(name=declaration.name, description=declaration.description or None, parameters=parameters)


def _choice(
    config: ToolConfigIn | None, tools: list[Tool | Opaque]
) -> tuple[ToolChoice | None, tuple[Tool | Opaque, ...]]:
    """The choice, and the tools that it leaves. Several allowed functions are all that the model can call, so they alone stay."""
    calling = config.function_calling_config if config is not None else None
    if calling is None:
        return None, tuple(tools)
    mode = (calling.mode or "AUTO").upper()
    allowed = calling.allowed_function_names or []
    if mode == "NONE":
        return ToolChoice(mode="none"), tuple(tools)
    if mode not in ("AUTO", "VALIDATED", "ANY", "MODE_UNSPECIFIED"):
        raise invalid("toolConfig.functionCallingConfig.mode", "must be AUTO, ANY, NONE or VALIDATED")
    if mode == "ANY" and len(allowed) == 1:
        return ToolChoice(mode="tool", name=allowed[0]), tuple(tools)
    if allowed:
        tools = [tool for tool in tools if isinstance(tool, Opaque) or tool.name in allowed]
    return ToolChoice(mode="required" if mode == "ANY" else "auto"), tuple(tools)


def _response_format(config: GenerationConfig) -> ResponseFormat | None:
    mime_type = config.response_mime_type
    schema = present(config.response_json_schema)
    if schema is None and present(config.response_schema) is not None:
        schema = json_schema(config.response_schema)
    if schema is not None:
        schema, strict = strict_schema(schema)
        return ResponseFormat(mode="schema", schema=schema, strict=strict)
    if mime_type in (None, "", "text/plain"):
        return None
    if mime_type == "application/json":
        return ResponseFormat(mode="json")
    raise unsupported("generationConfig.responseMimeType", _NOT_THERE)


def _reasoning(config: ThinkingConfig | None) -> Reasoning | None:
    """A budget of 0 is off, of -1 the model's own choice."""
    if config is None:
        return None
    display = "summarized" if config.include_thoughts else "omitted"
    budget = _whole(config.thinking_budget)
    level = (config.thinking_level or "").lower()
    effort = level if level and level != "thinking_level_unspecified" else None
    if budget == 0 and effort is None:
        return Reasoning(enabled=False)
    if budget is not None and budget > 0:
        return Reasoning(effort=effort, budget_tokens=budget, display=display)
    return Reasoning(effort=effort, adaptive=effort is None, display=display)


def _modalities(config: GenerationConfig) -> tuple[str, ...]:
    asked = tuple(dict.fromkeys(modality.lower() for modality in config.response_modalities or ()))
    return () if asked == ("text",) else asked


def _speech(config: SpeechConfig | None, hints: dict[str, None]) -> Speech | None:
    if config is None:
        return None
    if present(config.multi_speaker_voice_config) is not None:
        raise unsupported("generationConfig.speechConfig.multiSpeakerVoiceConfig", _NOT_THERE)
    if config.language_code is not None:
        hints["languageCode"] = None
    voice = config.voice_config.prebuilt_voice_config if config.voice_config is not None else None
    return None if voice is None or not voice.voice_name else Speech(voice=voice.voice_name)
