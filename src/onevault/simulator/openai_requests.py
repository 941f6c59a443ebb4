"""OpenAI's requests as they are read, and the errors for those that break the rules."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeVar

import msgspec

from onevault.simulator.ask import Ask, Tool
from onevault.simulator.faults import Refused, invalid
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


R = TypeVar("R")
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_TYPE: Final = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_VALUE: Final = re.compile(r"Invalid enum value '([^']*)'")
_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`")
_NAMES: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "array": "an array",
    "object": "an object",
    "bool": "a boolean",
    "null": "null",
}
_ROLES: Final = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"
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
    request = _read(_chat, body)
    if not request.messages:
        raise _invalid(
            "messages",
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "empty_array",
        )
    for name, least, most in _RANGES:
        value = getattr(request, name)
        if value is not None and (value < least or (most is not None and value > most)):
            below = value < least
            kind = "integer" if isinstance(value, int) else "decimal"
            side, bound, sign = ("below minimum", least, ">=") if below else ("above maximum", most, "<=")
            raise _invalid(
                name,
                f"Invalid '{name}': {kind} {side} value. Expected a value {sign} {bound}, but got {value} instead.",
                f"{kind}_{side.replace(' ', '_').replace('minimum', 'min').replace('maximum', 'max')}_value",
            )
    if request.stream_options is not None and not request.stream:
        raise _invalid(
            "stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.", None
        )
    for index, tool in enumerate(request.tools or ()):
        function = tool.get("function")
        if tool.get("type") == "function" and not (
            isinstance(function, dict) and isinstance(function.get("name"), str)
        ):
            raise _missing(f"tools[{index}].function.name")
    return request


def read_embeddings(body: bytes) -> EmbeddingsRequest:
    """Raises Refused in OpenAI's words."""
    request = _read(_embeddings, body)
    if not request.input:
        raise _invalid("input", "Invalid 'input': input cannot be an empty string or an empty array.", None)
    if request.dimensions is not None and request.dimensions < 1:
        raise _invalid(
            "dimensions",
            f"Invalid 'dimensions': integer below minimum value. Expected a value >= 1, but got {request.dimensions} instead.",
            "integer_below_min_value",
        )
    return request


def _read(decoder: msgspec.json.Decoder[R], body: bytes) -> R:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = "We could not parse the JSON body of your request. The API expects a JSON payload."
        raise _invalid(None, message, None) from None


def _refusal(text: str) -> Refused:
    place = match[1] if (match := _PLACE.search(text)) else ""
    if match := _MISSING.search(text):
        return _missing(f"{place}.{match[1]}".lstrip("."))
    if match := _VALUE.search(text):
        choices = _ROLES if place.endswith("role") else "'float' and 'base64'"
        return _invalid(place, f"Invalid value: '{match[1]}'. Supported values are: {choices}.", "invalid_value")
    if match := _TYPE.search(text):
        wanted = " or ".join(_NAMES.get(kind, kind) for kind in match[1].split(" | ") if kind != "null")
        got = _NAMES.get(match[2], match[2])
        return _invalid(
            place or None, f"Invalid type for '{place}': expected {wanted}, but got {got} instead.", "invalid_type"
        )
    return _invalid(place or None, f"Invalid value for '{place}'.", "invalid_value")


def _missing(name: str) -> Refused:
    return _invalid(name, f"Missing required parameter: '{name}'.", "missing_required_parameter")


def _invalid(param: str | None, message: str, code: str | None) -> Refused:
    return invalid(message, param=param, code=code)


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
        _format(ask, request.response_format)
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


def _format(ask: Ask, response_format: dict[str, Any]) -> None:
    kind = response_format.get("type")
    if kind == "json_schema":
        described = response_format.get("json_schema")
        if not isinstance(described, dict) or not isinstance(described.get("name"), str):
            raise _missing("response_format.json_schema.name")
        ask.schema = described.get("schema", {})
    elif kind == "json_object":
        ask.json_object = True
    elif kind != "text":
        supported = "'json_object', 'json_schema', and 'text'"
        message = f"Invalid value: '{kind}'. Supported values are: {supported}."
        raise _invalid("response_format.type", message, "invalid_value")
