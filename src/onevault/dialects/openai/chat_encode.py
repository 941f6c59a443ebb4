"""Writes a canonical request as an OpenAI chat request.

What OpenAI cannot be told is a fault where it carries meaning, a name in `dropped` where it only tunes. Choices:
tool messages carry text alone, so images and files in a tool's answer follow in a user message that names the call, and so do
images that the assistant made; a failed tool call begins with "Error: ". Thinking of earlier turns is dropped by name: its signature
is worth something to its own provider only. What nobody signed goes back to models that want it (DeepSeek's refuse a call's result
without the thinking before the call).
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    Audio,
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
    ToolResult,
    Video,
)
from onevault.core.codec import WireRequest
from onevault.dialects.openai.chat_request import CHAT_PATH
from onevault.dialects.openai.models import drop_sampling, effort_word, user_told, wants_thoughts_back
from onevault.dialects.openai.names import OPENAI_CHAT
from onevault.dialects.wire.data_url import data_url
from onevault.dialects.wire.json_body import invalid, unsupported
from onevault.dialects.wire.json_schema import arguments_schema
from onevault.dialects.wire.thinking import effort_of

_STOP_SEQUENCES_MAX = 4
_SERVICE_TIERS = {"auto": "auto", "standard_only": "default"}

_Json = dict[str, Any]


def encode_chat(request: ChatRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    dropped: dict[str, None] = dict.fromkeys(request.hints)
    body: _Json = {"model": request.model, "messages": _messages(request, dropped)}
    if request.tools:
        body["tools"] = [_tool(tool, i, dropped) for i, tool in enumerate(request.tools)]
        _add_tool_choice(request, body)
    if request.response_format is not None and request.response_format.mode != "text":
        body["response_format"] = _response_format(request.response_format)
    if request.output_tokens_max is not None:
        body["max_completion_tokens"] = request.output_tokens_max
    for name in ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "verbosity"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.top_k is not None:
        dropped["top_k"] = None
    if request.stop:
        if len(request.stop) > _STOP_SEQUENCES_MAX:
            raise unsupported("stop_sequences", f"may have {_STOP_SEQUENCES_MAX} entries at most at this provider")
        body["stop"] = list(request.stop)
    if request.n != 1:
        body["n"] = request.n
    if request.logprobs is not None:
        body["logprobs"] = request.logprobs
    if request.top_logprobs is not None:
        body["top_logprobs"] = request.top_logprobs
    if request.reasoning is not None:
        _add_reasoning(request.reasoning, body, dropped)
    drop_sampling(body, request.model, dropped, thinks="reasoning_effort" in body)
    if request.service_tier is not None:
        if request.service_tier in _SERVICE_TIERS:
            body["service_tier"] = _SERVICE_TIERS[request.service_tier]
        else:
            dropped["service_tier"] = None
    if request.user is not None:
        body["user"] = user_told(request.user)
    _add_modalities(request, body)
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return WireRequest(CHAT_PATH, msgspec.json.encode(body), dropped=tuple(dropped))


def _messages(request: ChatRequest, dropped: dict[str, None]) -> list[_Json]:
    messages: list[_Json] = []
    shown: list[_Json] = []
    thoughts = wants_thoughts_back(request.model)
    for i, message in enumerate(request.messages):
        if message.role is Role.TOOL:
            results = [part for part in message.parts if isinstance(part, ToolResult)]
            messages += [_tool_message(result, f"messages[{i}].content", shown, dropped) for result in results]
            continue
        if shown:
            messages.append({"role": "user", "content": shown})
            shown = []
        if message.role is Role.ASSISTANT:
            messages.append(_assistant_message(message, f"messages[{i}]", shown, dropped, thoughts=thoughts))
        else:
            messages.append(_message(message, f"messages[{i}]", dropped))
    if shown:
        messages.append({"role": "user", "content": shown})
    return messages


def _message(message: Message, path: str, dropped: dict[str, None]) -> _Json:
    content = [_part(part, f"{path}.content[{j}]", dropped) for j, part in enumerate(message.parts)]
    written: _Json = {"role": message.role.value, "content": _plain(content)}
    if message.name is not None:
        written["name"] = message.name
    return written


def _assistant_message(
    message: Message, path: str, shown: list[_Json], dropped: dict[str, None], *, thoughts: bool
) -> _Json:
    content: list[_Json] = []
    refusal = thought = ""
    calls: list[_Json] = []
    for j, part in enumerate(message.parts):
        if isinstance(part, Thinking) and part.signature is None and thoughts:
            thought += part.text
        elif isinstance(part, Thinking | RedactedThinking):
            dropped["thinking"] = None
        elif isinstance(part, Refusal):
            refusal += part.text
        elif isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": part.arguments or "{}"}
            calls.append({"id": part.id, "type": "function", "function": function})
        elif isinstance(part, Opaque) and part.dialect == OPENAI_CHAT and part.kind == "custom":
            calls.append(msgspec.json.decode(part.raw))
        elif isinstance(part, Image):
            shown += [{"type": "text", "text": "The image that the assistant made:"}, _part(part, path, dropped)]
        else:
            content.append(_part(part, f"{path}.content[{j}]", dropped))
    written: _Json = {"role": "assistant"}
    if content or not (calls or refusal):
        written["content"] = _plain(content)
    if thought:
        written["reasoning_content"] = thought
    if refusal:
        written["refusal"] = refusal
    if message.name is not None:
        written["name"] = message.name
    if calls:
        written["tool_calls"] = calls
    return written


def _plain(content: list[_Json]) -> str | list[_Json]:
    """A single text as a string: compatible servers all take that, and not all take parts."""
    if not content:
        return ""
    if len(content) == 1 and content[0]["type"] == "text":
        return str(content[0]["text"])
    return content


def _tool_message(result: ToolResult, path: str, shown: list[_Json], dropped: dict[str, None]) -> _Json:
    if result.cache is not None:
        dropped["cache_control"] = None
    texts: list[str] = []
    media: list[_Json] = []
    for part in result.parts:
        if isinstance(part, Audio):
            raise unsupported(path, "has audio in a tool's answer, which the provider that was chosen does not take")
        written = _part(part, path, dropped)
        if written["type"] == "text":
            texts.append(written["text"])
        else:
            media.append(written)
    if media:
        texts.append(f"(see what follows as the answer to the call {result.call_id})")
        shown.append({"type": "text", "text": f"The answer to the call {result.call_id}:"})
        shown += media
    text = "\n".join(texts)
    return {
        "role": "tool",
        "tool_call_id": result.call_id,
        "content": f"Error: {text}" if result.is_error else text,
    }


def _part(part: Part, path: str, dropped: dict[str, None]) -> _Json:
    if isinstance(part, Text | Image | Audio | File) and part.cache is not None:
        dropped["cache_control"] = None
    if isinstance(part, Text):
        if part.citations is not None:
            dropped["citations"] = None
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        url = part.url if part.url is not None else data_url(part.media_type or "image/png", part.data or "")
        image: _Json = {"url": url}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    if isinstance(part, Audio):
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
    if isinstance(part, File):
        return _file(part, path, dropped)
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text}
    kind = part.kind if isinstance(part, Opaque) else "video" if isinstance(part, Video) else type(part).__name__
    raise unsupported(path, f"({kind}) cannot be said to the provider that was chosen")


def _file(part: File, path: str, dropped: dict[str, None]) -> _Json:
    if part.citations_enabled:
        dropped["citations"] = None
    named = "\n".join(line for line in (part.name, part.context) if line)
    if part.text is not None:
        return {"type": "text", "text": f"{named}\n\n{part.text}" if named else part.text}
    if part.data is None:
        raise unsupported(path, "names a document by URL or id, and this provider takes the document itself only")
    if part.media_type is not None and part.media_type.startswith("text/"):
        try:
            text = base64.b64decode(part.data, validate=True).decode()
        except ValueError:
            raise invalid(path, "must be base64 of text in UTF-8") from None
        return {"type": "text", "text": f"{named}\n\n{text}" if named else text}
    if part.context is not None:
        dropped["context"] = None
    media_type = part.media_type or "application/pdf"
    name = part.name or "document.pdf"
    return {"type": "file", "file": {"filename": name, "file_data": data_url(media_type, part.data)}}


def _tool(tool: Tool | Opaque, index: int, dropped: dict[str, None]) -> _Json | Raw:
    if isinstance(tool, Opaque):
        if tool.dialect == OPENAI_CHAT:
            return tool.raw
        raise unsupported(f"tools[{index}]", "is a kind of tool that the provider that was chosen does not have")
    if tool.cache is not None:
        dropped["cache_control"] = None
    function: _Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = arguments_schema(tool.parameters)
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _add_tool_choice(request: ChatRequest, body: _Json) -> None:
    choice = request.tool_choice
    if choice is not None:
        named = {"type": "function", "function": {"name": choice.name}}
        body["tool_choice"] = named if choice.mode == "tool" else choice.mode
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _add_modalities(request: ChatRequest, body: _Json) -> None:
    """OpenAI takes a voice and a format with every ask for audio, and streams raw samples only."""
    asked = request.output_modalities
    if asked and asked != ("text",):
        body["modalities"] = list(asked)
    if "audio" not in asked:
        return
    speech = request.speech
    if speech is None:
        raise unsupported("audio.voice", "must be given for the provider that was chosen")
    body["audio"] = {"voice": speech.voice, "format": speech.format or ("pcm16" if request.stream else "wav")}


def _response_format(asked: ResponseFormat) -> _Json:
    if asked.mode == "json":
        return {"type": "json_object"}
    schema: _Json = {"name": asked.name or "answer"}
    if asked.description is not None:
        schema["description"] = asked.description
    schema["schema"] = Raw(b"{}") if asked.schema is None else asked.schema
    if asked.strict is not None:
        schema["strict"] = asked.strict
    return {"type": "json_schema", "json_schema": schema}


def _add_reasoning(reasoning: Reasoning, body: _Json, dropped: dict[str, None]) -> None:
    """An effort word as the model knows it; a budget becomes the word that OpenAI's models spend about as much on."""
    if not reasoning.enabled:
        # `none` is not known to every reasoning model: where it is, a model thinks as little as it does by itself.
        dropped["reasoning_effort"] = None
        return
    if reasoning.effort is not None:
        body["reasoning_effort"] = effort_word(reasoning.effort, body["model"])
    elif reasoning.budget_tokens is not None:
        body["reasoning_effort"] = effort_word(effort_of(reasoning.budget_tokens), body["model"])
