"""Writes a canonical request as a request to Ollama's `/api/chat`.

What Ollama cannot be told is a fault where it carries meaning, a name in `dropped` where it only tunes. Choices: a tool's answer
names its tool, found by the call's id, and begins with "Error: " if it failed; images in it follow in its `images`. Thinking of
earlier turns goes back as `thinking`, where it is Ollama's own.

Source: Ollama's documentation, "API: Generate a chat completion".
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Opaque,
    Part,
    RedactedThinking,
    Refusal,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from onevault.core.codec import WireRequest
from onevault.dialects.ollama.names import OLLAMA_CHAT
from onevault.dialects.wire.json_body import fields_of, unsupported

CHAT_PATH = "/api/chat"
_OPTIONS = {
    "output_tokens_max": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_UNTUNED = ("logit_bias", "verbosity", "service_tier", "user")
_NOT_HERE = "cannot be said to the provider that was chosen"

_Json = dict[str, Any]


def encode_chat(request: ChatRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    if request.n != 1:
        raise unsupported("n", "must be 1 at the provider that was chosen")
    if request.speech is not None or any(modality != "text" for modality in request.output_modalities):
        raise unsupported("modalities", "cannot ask the provider that was chosen for anything but text")
    if request.tools and request.tool_choice is not None and request.tool_choice.mode in ("required", "tool"):
        raise unsupported("tool_choice", "cannot demand a call at the provider that was chosen; it may be auto or none")
    dropped: dict[str, None] = dict.fromkeys(request.hints)
    body: _Json = {"model": request.model, "messages": _messages(request, dropped)}
    if request.tools and (request.tool_choice is None or request.tool_choice.mode != "none"):
        body["tools"] = [_tool(tool, i, dropped) for i, tool in enumerate(request.tools)]
        if request.parallel_tool_calls is False:
            dropped["parallel_tool_calls"] = None
    asked = request.response_format
    if asked is not None and asked.mode == "json":
        body["format"] = "json"
    elif asked is not None and asked.mode == "schema":
        body["format"] = {"type": "object"} if asked.schema is None else asked.schema
    if request.reasoning is not None:
        _add_thinking(request, body, dropped)
    for name in ("logprobs", "top_logprobs"):
        if getattr(request, name) is not None:
            body[name] = getattr(request, name)
    options: _Json = {
        written: value for name, written in _OPTIONS.items() if (value := getattr(request, name)) is not None
    }
    if request.stop:
        options["stop"] = list(request.stop)
    if options:
        body["options"] = options
    for name in _UNTUNED:
        if getattr(request, name) is not None:
            dropped[name] = None
    body["stream"] = request.stream
    return WireRequest(CHAT_PATH, msgspec.json.encode(body), dropped=tuple(dropped))


def _messages(request: ChatRequest, dropped: dict[str, None]) -> list[_Json]:
    messages: list[_Json] = []
    called: dict[str, str] = {}
    for i, message in enumerate(request.messages):
        path = f"messages[{i}]"
        called |= {part.id: part.name for part in message.parts if isinstance(part, ToolCall)}
        if message.role is Role.TOOL:
            results = [part for part in message.parts if isinstance(part, ToolResult)]
            messages += [_result(result, f"{path}.content", called, dropped) for result in results]
        else:
            messages.append(_message(message, path, dropped))
    return messages


def _message(message: Message, path: str, dropped: dict[str, None]) -> _Json:
    role = "system" if message.role is Role.DEVELOPER else message.role.value
    written: _Json = {"role": role, "content": ""}
    calls: list[_Json] = []
    for j, part in enumerate(message.parts):
        if isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": _object(part.arguments, f"{path}.tool_calls")}
            calls.append({"id": part.id, "function": function})
        elif isinstance(part, Thinking) and part.text and part.signed_by in ("", OLLAMA_CHAT) and not part.signature:
            written["thinking"] = written.get("thinking", "") + part.text
        elif isinstance(part, Thinking | RedactedThinking):
            dropped["thinking"] = None
        else:
            _add_part(part, f"{path}.content[{j}]", written, dropped)
    if calls:
        written["tool_calls"] = calls
    return written


def _result(result: ToolResult, path: str, called: dict[str, str], dropped: dict[str, None]) -> _Json:
    written: _Json = {"role": "tool", "content": "Error: " if result.is_error else ""}
    for j, part in enumerate(result.parts):
        _add_part(part, f"{path}[{j}]", written, dropped)
    name = result.name or called.get(result.call_id)
    if name is not None:
        written["tool_name"] = name
    written["tool_call_id"] = result.call_id
    return written


def _add_part(part: Part, path: str, written: _Json, dropped: dict[str, None]) -> None:
    """Text joins the message's one text; images stand beside it."""
    if getattr(part, "cache", None) is not None:
        dropped["cache_control"] = None
    if isinstance(part, Text | Refusal):
        written["content"] += part.text
    elif isinstance(part, File) and part.text is not None:
        named = "\n".join(line for line in (part.name, part.context) if line)
        written["content"] += f"{named}\n\n{part.text}\n\n" if named else part.text
    elif isinstance(part, Image):
        if part.data is None:
            raise unsupported(path, "must be an image with its bytes: the provider that was chosen fetches none by URL")
        if part.detail is not None:
            dropped["detail"] = None
        written.setdefault("images", []).append(part.data)
    else:
        raise unsupported(path, f"is of a kind that {_NOT_HERE}")


def _object(arguments: str, path: str) -> Raw:
    """The arguments of an earlier call as the object that Ollama wants."""
    text = arguments.strip() or "{}"
    try:
        fields_of(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise unsupported(
            path, "has arguments that are no JSON object, which the provider that was chosen needs"
        ) from None
    return Raw(text.encode())


def _tool(tool: Tool | Opaque, index: int, dropped: dict[str, None]) -> _Json:
    if isinstance(tool, Opaque):
        raise unsupported(f"tools[{index}]", "is a kind of tool that the provider that was chosen does not have")
    if tool.cache is not None:
        dropped["cache_control"] = None
    if tool.strict:
        dropped["strict"] = None
    function: _Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters
    return {"type": "function", "function": function}


def _add_thinking(request: ChatRequest, body: _Json, dropped: dict[str, None]) -> None:
    """An effort word where there is one; a budget, which Ollama does not know, only switches thinking on."""
    reasoning = request.reasoning
    assert reasoning is not None  # noqa: S101 - the caller looked
    if not reasoning.enabled:
        body["think"] = False
        return
    body["think"] = _EFFORTS.get(reasoning.effort or "", True)
    if reasoning.budget_tokens is not None:
        dropped["reasoning_budget"] = None
