"""Finds out what maps to what by asking the dialects: each thing that can be said is said alone, and what is written is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from onevault.core.chat import (
    Audio,
    CacheMark,
    ChatRequest,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    RedactedThinking,
    Refusal,
    ResponseFormat,
    Role,
    Speech,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Video,
)
from onevault.core.codec import AnswerFacts, Codec
from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    Cited,
    Event,
    Finished,
    LogprobsAdded,
    MediaAdded,
    OpaqueAdded,
    RefusalAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import Fault
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

EGRESS = (
    "openai-chat",
    "openai-responses",
    "anthropic-messages",
    "gemini",
    "bedrock-converse",
    "cohere-chat",
    "ollama-chat",
)
CALLERS = {
    "openai-chat": b'{"messages":[{"role":"user","content":"x"}]}',
    "openai-responses": b'{"input":"x"}',
    "anthropic-messages": b'{"max_tokens":9,"messages":[{"role":"user","content":"x"}]}',
    "gemini": b'{"contents":[{"role":"user","parts":[{"text":"x"}]}]}',
    "own": b'{"prompt":"x"}',
}
MODELS = {"bedrock-converse": "anthropic.claude-sonnet-4-5-20250929-v1:0", "gemini": "gemini-3-pro-preview"}
"""Where the way of saying a thing depends on the model's family, the table shows this one."""

_PNG = "iVBORw0KGgo="
_SCHEMA = Raw(b'{"type":"object","properties":{"city":{"type":"string"}}}')
_HELLO = Message(role=Role.USER, parts=(Text(text="Hello"),))
_TOOL = Tool(name="get_weather", description="Weather", parameters=_SCHEMA)
_CALL = ToolCall(id="call_1", name="get_weather", arguments='{"city":"Paris"}')
_CALLED = Message(role=Role.ASSISTANT, parts=(_CALL,))
_BASE = ChatRequest(model="m", messages=(_HELLO,))
_TOOLED = replace(_BASE, tools=(_TOOL,))


def _said(*parts: Part, role: Role = Role.USER) -> ChatRequest:
    return replace(_BASE, messages=(_HELLO, Message(role=role, parts=parts)))


def _answered(*parts: Text | Image | Audio | File, is_error: bool = False) -> ChatRequest:
    result = ToolResult(call_id="call_1", name="get_weather", parts=parts, is_error=is_error)
    return replace(_TOOLED, messages=(_HELLO, _CALLED, Message(role=Role.TOOL, parts=(result,))))


_X = Text(text="x")
_FOREIGN = Thinking(text="Probe", signature="c2ln", signed_by="another")
_SPOKEN = _said(Text(text="Probe"))
_CALLING = replace(_TOOLED, messages=(_HELLO, _CALLED))
_RESULT = _answered(Text(text="Sunny"))

REQUESTS: tuple[tuple[str, ChatRequest, ChatRequest], ...] = (
    ("text", _BASE, _SPOKEN),
    ("system message", _BASE, replace(_BASE, messages=(Message(role=Role.SYSTEM, parts=(Text(text="Probe"),)), _HELLO))),
    ("developer message", _BASE, replace(_BASE, messages=(Message(role=Role.DEVELOPER, parts=(Text(text="Probe"),)), _HELLO))),
    ("image, bytes", _BASE, _said(Image(data=_PNG, media_type="image/png"))),
    ("image, URL", _BASE, _said(Image(url="https://example.com/probe.png"))),
    ("image detail", _said(Image(data=_PNG, media_type="image/png")), _said(Image(data=_PNG, media_type="image/png", detail="low"))),
    ("audio", _BASE, _said(Audio(data="UklGRg==", format="wav"))),
    ("video", _BASE, _said(Video(data="AAAA", media_type="video/mp4"))),
    ("file, PDF bytes", _BASE, _said(File(data="JVBERi0=", media_type="application/pdf", name="probe.pdf"))),
    ("file, text", _BASE, _said(File(text="Probe", name="probe.txt"))),
    ("file, URL", _BASE, _said(File(url="https://example.com/probe.pdf"))),
    ("cache mark", _SPOKEN, _said(Text(text="Probe", cache=CacheMark()))),
    ("cache mark, one hour", _SPOKEN, _said(Text(text="Probe", cache=CacheMark(ttl="1h")))),
    ("assistant's refusal", _BASE, _said(Refusal(text="Probe"), role=Role.ASSISTANT)),
    ("thinking, signed by its own provider", _BASE, _said(Thinking(text="Probe", signature="c2ln", signed_by="OWN"), role=Role.ASSISTANT)),
    ("thinking, signed by another", _said(_X, role=Role.ASSISTANT), _said(_FOREIGN, _X, role=Role.ASSISTANT)),
    ("encrypted thinking of its own", _BASE, _said(RedactedThinking(data="c2ln", encrypted_by="OWN"), role=Role.ASSISTANT)),
    ("tool", _BASE, _TOOLED),
    ("strict tool", _TOOLED, replace(_BASE, tools=(replace(_TOOL, strict=True),))),
    ("another dialect's tool", _BASE, replace(_BASE, tools=(Opaque(dialect="another", kind="search", raw=Raw(b'{"type":"search"}')),))),
    ("tool call", _TOOLED, _CALLING),
    ("tool result", _CALLING, _RESULT),
    ("failed tool result", _RESULT, _answered(Text(text="Sunny"), is_error=True)),
    ("image in a tool result", _RESULT, _answered(Text(text="Sunny"), Image(data=_PNG, media_type="image/png"))),
    ("tool choice: none", _TOOLED, replace(_TOOLED, tool_choice=ToolChoice(mode="none"))),
    ("tool choice: required", _TOOLED, replace(_TOOLED, tool_choice=ToolChoice(mode="required"))),
    ("tool choice: one tool", _TOOLED, replace(_TOOLED, tool_choice=ToolChoice(mode="tool", name="get_weather"))),
    ("one call at a time", _TOOLED, replace(_TOOLED, parallel_tool_calls=False)),
    ("JSON", _BASE, replace(_BASE, response_format=ResponseFormat(mode="json"))),
    ("JSON by a schema", _BASE, replace(_BASE, response_format=ResponseFormat(mode="schema", name="probe", schema=_SCHEMA, strict=True))),
    ("output limit", _BASE, replace(_BASE, output_tokens_max=77)),
    ("temperature", _BASE, replace(_BASE, temperature=0.25)),
    ("top_p", _BASE, replace(_BASE, top_p=0.25)),
    ("top_k", _BASE, replace(_BASE, top_k=7)),
    ("stop", _BASE, replace(_BASE, stop=("Probe",))),
    ("n", _BASE, replace(_BASE, n=2)),
    ("seed", _BASE, replace(_BASE, seed=7)),
    ("frequency penalty", _BASE, replace(_BASE, frequency_penalty=0.25)),
    ("presence penalty", _BASE, replace(_BASE, presence_penalty=0.25)),
    ("logit bias", _BASE, replace(_BASE, logit_bias=Raw(b'{"7":1}'))),
    ("log probabilities", _BASE, replace(_BASE, logprobs=True, top_logprobs=2)),
    ("reasoning, effort", _BASE, replace(_BASE, reasoning=Reasoning(effort="high"))),
    ("reasoning, budget", _BASE, replace(_BASE, reasoning=Reasoning(budget_tokens=2_048))),
    ("reasoning, off", _BASE, replace(_BASE, reasoning=Reasoning(enabled=False))),
    ("verbosity", _BASE, replace(_BASE, verbosity="low")),
    ("service tier", _BASE, replace(_BASE, service_tier="flex")),
    ("metadata", _BASE, replace(_BASE, metadata={"probe": "1"})),
    ("end user", _BASE, replace(_BASE, user="probe")),
    ("spoken output", _BASE, replace(_BASE, output_modalities=("text", "audio"), speech=Speech(voice="probe", format="wav"))),
)  # fmt: skip
"""What can be said, without it and with it."""

_CITED = Cited(url="https://example.com/probe", title="Probe", text="Pro", start=0, end=3)
_LOGPROBS = Raw(b'{"content":[{"token":"Probe","logprob":-0.5,"bytes":null,"top_logprobs":[]}],"refusal":null}')
_STARTED = AnswerStarted("probe", "m", created_s=1)
_ENDED = (ChoiceEnded(StopReason.END), UsageReported(Usage(input_tokens=3, output_tokens=2)), Finished())
_TEXT = TextAdded("Probe")

ANSWERS: tuple[tuple[str, Sequence[Event], Sequence[Event]], ...] = (
    ("text", (), (_TEXT,)),
    ("refusal", (), (RefusalAdded("Probe"),)),
    ("thinking", (_TEXT,), (ThinkingAdded("Thought", 0), TextAdded("Probe", 1))),
    ("signature of its own provider", (ThinkingAdded("Thought"),), (ThinkingAdded("Thought"), ThinkingSigned("c2ln", by="OWN"))),
    ("signature of another", (ThinkingAdded("Thought"),), (ThinkingAdded("Thought"), ThinkingSigned("c2ln", by="another"))),
    ("encrypted thinking", (), (ThinkingRedacted("c2ln", by="another"),)),
    ("tool call", (), (ToolCallStarted(0, "call_1", "get_weather"), ToolArgumentsAdded(0, '{"city":"Paris"}'))),
    ("citation", (_TEXT,), (_TEXT, CitationAdded("another", Raw(b'{"probe":1}'), cited=_CITED))),
    ("image", (), (MediaAdded("image/png", _PNG),)),
    ("audio", (), (MediaAdded("audio/wav", "UklGRg==", transcript="Probe", id="audio_1", expires_s=9),)),
    ("another dialect's block", (), (OpaqueAdded("another", "search", Raw(b'{"type":"search"}')),)),
    ("log probabilities", (_TEXT,), (_TEXT, LogprobsAdded(_LOGPROBS))),
)  # fmt: skip

USAGE = (
    ("input and output tokens", Usage(input_tokens=30, output_tokens=20)),
    ("read from a cache", Usage(input_tokens=3, output_tokens=2, cache_read_tokens=1)),
    ("written to a cache, five minutes", Usage(input_tokens=3, output_tokens=2, cache_write_tokens=1)),
    ("written to a cache, one hour", Usage(input_tokens=3, output_tokens=2, cache_write_1h_tokens=1)),
    ("thought", Usage(input_tokens=3, output_tokens=2, reasoning_tokens=1)),
    ("heard", Usage(input_tokens=3, output_tokens=2, input_audio_tokens=1)),
    ("spoken", Usage(input_tokens=3, output_tokens=2, output_audio_tokens=1)),
)


def translation() -> str:
    """The page."""
    lines = [
        "# What maps to what",
        "",
        "Where caller and target speak one dialect, the bytes pass untouched and nothing of this applies. Between two dialects:",
        "",
        "- A path is where a thing is written in the target's request or the caller's answer; it is read from there, too.",
        "- **dropped**: it only tunes; it is left out and `x-gateway-dropped` names it. `x-gateway-strict: true` makes it a fault.",
        "- **refused**: it carries meaning that the target cannot be told: `UNSUPPORTED_PARAMETER` names it, and nothing is sent.",
        "- *nothing to say*: what is asked for is what the target does anyway.",
        "",
        "## Requests",
        "",
        f"| what is said | {' | '.join(EGRESS)} |",
        f"|---|{'---|' * len(EGRESS)}",
    ]
    lines += [
        f"| {name} | {' | '.join(_requested(dialect, without, said) for dialect in EGRESS)} |"
        for name, without, said in REQUESTS
    ]
    lines += ["", "## Answers", "", f"| what comes | {' | '.join(CALLERS)} |", f"|---|{'---|' * len(CALLERS)}"]
    lines += [
        f"| {name} | {' | '.join(_paths_told(caller, without, told) for caller in CALLERS)} |"
        for name, without, told in ANSWERS
    ]
    lines += ["", "### Why an answer ended", "", f"| reason | {' | '.join(CALLERS)} |", f"|---|{'---|' * len(CALLERS)}"]
    lines += [f"| `{reason}` | {' | '.join(_reason(caller, reason) for caller in CALLERS)} |" for reason in StopReason]
    lines += ["", "### Usage", "", f"| tokens | {' | '.join(CALLERS)} |", f"|---|{'---|' * len(CALLERS)}"]
    lines += [f"| {name} | {' | '.join(_counted(caller, usage) for caller in CALLERS)} |" for name, usage in USAGE]
    lines += [
        "",
        "Metadata is kept with the call's record wherever the call goes, and sent where the target takes it.",
    ]
    return "\n".join(lines) + "\n"


def _requested(dialect: str, without: ChatRequest, said: ChatRequest) -> str:
    codec = CODECS[dialect]
    try:
        wire = codec.encode(_for(dialect, said), output_tokens_max=4_096)
    except Fault:
        return "**refused**"
    before = _encoded(codec, _for(dialect, without))
    paths = _new_paths(before, msgspec.json.decode(wire.body))
    dropped = ["**dropped**"] if wire.dropped else []
    return ", ".join([*paths, *dropped]) or "*nothing to say*"


def _encoded(codec: Codec, request: ChatRequest) -> Any:
    try:
        return msgspec.json.decode(codec.encode(request, output_tokens_max=4_096).body)
    except Fault:
        return {}


def _for(dialect: str, request: ChatRequest) -> ChatRequest:
    messages = tuple(
        replace(message, parts=tuple(_owned(part, dialect) for part in message.parts)) for message in request.messages
    )
    return replace(request, model=MODELS.get(dialect, "m"), messages=messages)


def _owned(part: Part, dialect: str) -> Part:
    if isinstance(part, Thinking) and part.signed_by == "OWN":
        return replace(part, signed_by=dialect)
    if isinstance(part, RedactedThinking) and part.encrypted_by == "OWN":
        return replace(part, encrypted_by=dialect)
    return part


def _paths_told(caller: str, without: Sequence[Event], told: Sequence[Event]) -> str:
    paths = _new_paths(_written(caller, without), _written(caller, told))
    return ", ".join(paths) or "*not told*"


def _reason(caller: str, reason: StopReason) -> str:
    """The words that differ from reason to reason."""
    told = {each: _flat(_written(caller, (_TEXT,), ended=(ChoiceEnded(each), Finished()))) for each in StopReason}
    common = set.intersection(*told.values())
    values = [f"`{value}`" for _, value in sorted(told[reason] - common, key=str) if isinstance(value, str)]
    return ", ".join(dict.fromkeys(values)) or "*not told*"


def _counted(caller: str, usage: Usage) -> str:
    base = Usage(input_tokens=3, output_tokens=2)
    ended = (ChoiceEnded(StopReason.END), Finished())
    without = _written(caller, (_TEXT, UsageReported(base)), ended=ended, usage=base)
    told = _written(caller, (_TEXT, UsageReported(usage)), ended=ended, usage=usage)
    return ", ".join(_new_paths(without, told)) or "*within the others*"


def _written(
    caller: str, events: Sequence[Event], *, ended: Sequence[Event] = _ENDED, usage: Usage | None = None
) -> Any:
    ingress = INGRESS[caller]
    writer = ingress.writer(ingress.read(CALLERS[caller]), request_id="r", created_s=1)
    owned = [replace(event, by=caller) if getattr(event, "by", None) == "OWN" else event for event in events]
    facts = AnswerFacts(usage=usage or Usage(input_tokens=3, output_tokens=2))
    return msgspec.json.decode(writer.whole([_STARTED, *owned, *ended], facts))


def _new_paths(before: Any, after: Any) -> list[str]:
    """The paths of what is in one document and not in the other."""
    return [f"`{path}`" for path in sorted({path for path, _ in _flat(after) - _flat(before)})]


def _flat(document: Any, path: str = "") -> set[tuple[str, Any]]:
    if isinstance(document, Mapping):
        inner = {
            entry for name, value in document.items() for entry in _flat(value, f"{path}.{name}" if path else name)
        }
        return inner or {(path, "{}")}
    if isinstance(document, list):
        return {entry for value in document for entry in _flat(value, f"{path}[]")} or {(path, "[]")}
    return {(path, document)}
