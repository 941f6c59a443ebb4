"""OpenAI's requests as they are read, and the errors for those that break the rules."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from onevault.simulator.ask import Ask, Tool
from onevault.simulator.faults import invalid
from onevault.simulator.openai_reading import check_ranges, empty_array, follow_format, missing, read
from onevault.simulator.tokens import MEDIA_TOKENS, tokens_of, tokens_of_json

Parts = str | list[dict[str, Any]] | None


class CalledFunction(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class EarlierCall(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    function: CalledFunction | None = None


class Message(msgspec.Struct):
    role: Literal["system", "assistant", "user", "function", "tool", "developer"]
    content: Parts = None
    name: str | None = None
    tool_calls: list[EarlierCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct):
    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    service_tier: str | None = None


class EmbeddingsRequest(msgspec.Struct):
    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


_RANGES: Final = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("n", 1, 128),
    ("max_tokens", 1, None),
    ("max_completion_tokens", 1, None),
    ("top_logprobs", 0, 20),
)

_chat: Final = msgspec.json.Decoder(ChatRequest)
_embeddings: Final = msgspec.json.Decoder(EmbeddingsRequest)


def read_chat(body: bytes) -> ChatRequest:
    """Raises Refused in OpenAI's words."""
    request = read(_chat, body)
    if not request.messages:
        raise empty_array("messages")
    check_ranges(request, _RANGES)
    if request.stream_options is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise invalid(message, param="stream_options")
    for index, tool in enumerate(request.tools or ()):
        function = tool.get("function")
        if tool.get("type") == "function" and not (
            isinstance(function, dict) and isinstance(function.get("name"), str)
        ):
            raise missing(f"tools[{index}].function.name")
    return request


def read_embeddings(body: bytes) -> EmbeddingsRequest:
    """Raises Refused in OpenAI's words."""
    request = read(_embeddings, body)
    if not request.input:
        raise invalid("Invalid 'input': input cannot be an empty string or an empty array.", param="input")
    check_ranges(request, (("dimensions", 1, None),))
    return request


def text_of(content: Parts) -> str:
    """The text of a message's content; its text parts joined by line ends."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content or () if part.get("type") == "text")


def ask_of(request: ChatRequest) -> Ask:
    """What the request asks for, its prompt counted."""
    tokens = 0
    user_text = ""
    for message in request.messages:
        if isinstance(message.content, str):
            tokens += tokens_of(message.content)
        else:
            for part in message.content or ():
                tokens += tokens_of(str(part["text"])) if "text" in part else MEDIA_TOKENS
        for call in message.tool_calls or ():
            tokens += tokens_of(call.function.arguments) if call.function else 0
        if message.role == "user":
            user_text = text_of(message.content)
    if request.tools:
        tokens += sum(map(tokens_of_json, request.tools))
    ask = Ask(
        model=request.model,
        content=msgspec.json.encode((request.model, request.messages, request.tools, request.response_format)),
        user_text=user_text,
        prompt_tokens=max(1, tokens),
        max_tokens=request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens,
        stop=[request.stop] if isinstance(request.stop, str) else request.stop or [],
        choices=request.n or 1,
        answers_tool=request.messages[-1].role in ("tool", "function"),
    )
    if request.tools:
        _offer(ask, request)
    if request.response_format:
        follow_format(ask, request.response_format, inner="json_schema", place="response_format")
    return ask


def _offer(ask: Ask, request: ChatRequest) -> None:
    functions = (tool.get("function") for tool in request.tools or () if tool.get("type") == "function")
    ask.tools = [Tool(f["name"], f.get("parameters")) for f in functions if isinstance(f, dict)]
    ask.parallel = request.parallel_tool_calls is not False
    choice = request.tool_choice
    if isinstance(choice, dict):
        function = choice.get("function")
        ask.must_call = str(function.get("name")) if isinstance(function, dict) else True
    elif choice in ("none", "required"):
        ask.must_call = choice == "required"
