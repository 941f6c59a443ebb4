"""Writes a canonical request as a Cohere v2 chat request.

What Cohere cannot be told is a fault where it carries meaning, a name in `dropped` where it only tunes. Choices: text before tool
calls is their `tool_plan`, as Cohere calls it; a tool's answer that failed begins with "Error: "; strictness is one switch for all
tools, set when any of them asks for it; a tool that must be called by its name is the only one offered, and a call required.

Source: Cohere API reference, "Chat V2".
"""

from __future__ import annotations

from typing import Any

import msgspec

from onevault.core.chat import (
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
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from onevault.core.codec import WireRequest
from onevault.dialects.cohere.names import COHERE_CHAT
from onevault.dialects.wire.data_url import data_url
from onevault.dialects.wire.json_body import unsupported

CHAT_PATH = "/chat"
STOP_SEQUENCES_MAX = 5
_BUDGETS = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 24_576, "xhigh": 31_000, "max": 31_000}
_UNTUNED = ("logit_bias", "top_logprobs", "verbosity", "service_tier", "user")
_NOT_HERE = "cannot be said to the provider that was chosen"

_Json = dict[str, Any]


def encode_chat(request: ChatRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    if request.n != 1:
        raise unsupported("n", "must be 1 at the provider that was chosen")
    if len(request.stop) > STOP_SEQUENCES_MAX:
        raise unsupported("stop", f"may have {STOP_SEQUENCES_MAX} entries at most at this provider")
    if request.speech is not None or any(modality != "text" for modality in request.output_modalities):
        raise unsupported("modalities", "cannot ask the provider that was chosen for anything but text")
    dropped: dict[str, None] = dict.fromkeys(request.hints)
    body: _Json = {"model": request.model, "messages": _messages(request, dropped)}
    if request.tools:
        body["tools"] = _tools(request, dropped)
        if any(tool.strict for tool in request.tools if isinstance(tool, Tool)):
            body["strict_tools"] = True
        _add_tool_choice(request.tool_choice, body)
        if request.parallel_tool_calls is False:
            dropped["parallel_tool_calls"] = None
    if request.response_format is not None and request.response_format.mode != "text":
        body["response_format"] = _response_format(request.response_format)
    if request.output_tokens_max is not None:
        body["max_tokens"] = request.output_tokens_max
    for name, written in _SAMPLING.items():
        value = getattr(request, name)
        if value is not None:
            body[written] = value
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.reasoning is not None:
        body["thinking"] = _thinking(request.reasoning)
    for name in _UNTUNED:
        if getattr(request, name) is not None:
            dropped[name] = None
    body["stream"] = request.stream
    return WireRequest(CHAT_PATH, msgspec.json.encode(body), dropped=tuple(dropped))


_SAMPLING = {
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "logprobs": "logprobs",
}


def _messages(request: ChatRequest, dropped: dict[str, None]) -> list[_Json]:
    messages: list[_Json] = []
    for i, message in enumerate(request.messages):
        path = f"messages[{i}]"
        if message.role is Role.TOOL:
            results = [part for part in message.parts if isinstance(part, ToolResult)]
            messages += [_result(result, f"{path}.content", dropped) for result in results]
        elif message.role is Role.ASSISTANT:
            messages.append(_assistant(message, path, dropped))
        else:
            role = "user" if message.role is Role.USER else "system"
            content = [_part(part, f"{path}.content[{j}]", dropped) for j, part in enumerate(message.parts)]
            messages.append({"role": role, "content": _plain(content)})
    return messages


def _assistant(message: Message, path: str, dropped: dict[str, None]) -> _Json:
    content: list[_Json] = []
    calls: list[_Json] = []
    for j, part in enumerate(message.parts):
        if isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": part.arguments or "{}"}
            calls.append({"id": part.id, "type": "function", "function": function})
        elif isinstance(part, Thinking):
            if part.text and part.signed_by in ("", COHERE_CHAT) and part.signature is None:
                content.append({"type": "thinking", "thinking": part.text})
            else:
                dropped["thinking"] = None
        elif isinstance(part, RedactedThinking):
            dropped["thinking"] = None
        elif isinstance(part, Refusal):
            content.append({"type": "text", "text": part.text})
        else:
            content.append(_part(part, f"{path}.content[{j}]", dropped))
    written: _Json = {"role": "assistant"}
    if calls and all(part["type"] == "text" for part in content):
        if content:
            written["tool_plan"] = "\n".join(part["text"] for part in content)
    elif content or not calls:
        written["content"] = _plain(content)
    if calls:
        written["tool_calls"] = calls
    return written


def _result(result: ToolResult, path: str, dropped: dict[str, None]) -> _Json:
    content: list[_Json] = []
    for j, part in enumerate(result.parts):
        if isinstance(part, Image):
            raise unsupported(f"{path}[{j}]", f"is an image in a tool's answer, which {_NOT_HERE}")
        content.append(_part(part, f"{path}[{j}]", dropped))
    if result.cache is not None:
        dropped["cache_control"] = None
    if result.is_error:
        content.insert(0, {"type": "text", "text": "Error: "})
    plain = "".join(part["text"] for part in content)
    return {"role": "tool", "tool_call_id": result.call_id, "content": plain}


def _part(part: Part, path: str, dropped: dict[str, None]) -> _Json:
    if getattr(part, "cache", None) is not None:
        dropped["cache_control"] = None
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        url = part.url if part.url is not None else data_url(part.media_type or "image/png", part.data or "")
        image: _Json = {"url": url}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    if isinstance(part, File) and part.text is not None:
        named = "\n".join(line for line in (part.name, part.context) if line)
        return {"type": "text", "text": f"{named}\n\n{part.text}" if named else part.text}
    raise unsupported(path, f"is of a kind that {_NOT_HERE}")


def _plain(content: list[_Json]) -> str | list[_Json]:
    if not content:
        return ""
    if len(content) == 1 and content[0]["type"] == "text":
        return str(content[0]["text"])
    return content


def _tools(request: ChatRequest, dropped: dict[str, None]) -> list[_Json]:
    tools, choice = [_tool(tool, i, dropped) for i, tool in enumerate(request.tools)], request.tool_choice
    if choice is None or choice.mode != "tool":
        return tools
    named = [tool for tool in tools if tool["function"]["name"] == choice.name]
    if not named:
        raise unsupported("tool_choice", "names a tool that the request does not offer")
    return named


def _tool(tool: Tool | Opaque, index: int, dropped: dict[str, None]) -> _Json:
    if isinstance(tool, Opaque):
        raise unsupported(f"tools[{index}]", "is a kind of tool that the provider that was chosen does not have")
    if tool.cache is not None:
        dropped["cache_control"] = None
    function: _Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters
    return {"type": "function", "function": function}


def _add_tool_choice(choice: ToolChoice | None, body: _Json) -> None:
    if choice is not None and choice.mode != "auto":
        body["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"


def _response_format(asked: ResponseFormat) -> _Json:
    written: _Json = {"type": "json_object"}
    if asked.mode == "schema":
        written["json_schema"] = {"type": "object"} if asked.schema is None else asked.schema
    return written


def _thinking(reasoning: Reasoning) -> _Json:
    if not reasoning.enabled:
        return {"type": "disabled"}
    budget = reasoning.budget_tokens or _BUDGETS.get(reasoning.effort or "")
    return {"type": "enabled"} if budget is None else {"type": "enabled", "token_budget": budget}
