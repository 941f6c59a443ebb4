"""Anthropic's requests as they are read, their prompt counted, and the errors for those that break the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from onevault.simulator.ask import Ask, Tool
from onevault.simulator.faults import Refused, invalid
from onevault.simulator.tokens import MEDIA_TOKENS, tokens_of, tokens_of_json

Block = dict[str, Any]
Content = str | list[Block]


class Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: Content


class Thinking(msgspec.Struct):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: int | None = None


class CountRequest(msgspec.Struct):
    model: str
    messages: list[Message]
    system: Content | None = None
    tools: list[Block] | None = None
    tool_choice: Block | None = None
    thinking: Thinking | None = None
    cache_control: Block | None = None
    output_config: Block | None = None
    output_format: Block | None = None
    thread: Block | None = None


class MessagesRequest(CountRequest, kw_only=True):
    max_tokens: int
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None


@dataclass(slots=True)
class Prompt:
    """Tokens of the prompt, and those of them that cache marks cover, by how long they are kept."""

    tokens: int = 0
    marked_5m: int = 0
    marked_1h: int = 0


_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_TYPE: Final = re.compile(r"Expected `([^`]+)`, got")
_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`")
_NAMES: Final = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "array": "list",
    "object": "dictionary",
    "bool": "boolean",
}
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")

_messages: Final = msgspec.json.Decoder(MessagesRequest)
_count: Final = msgspec.json.Decoder(CountRequest)


def read_messages(body: bytes) -> MessagesRequest:
    """Raises Refused in Anthropic's words."""
    try:
        request = _messages.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(error) from None
    if request.thread is not None:
        refused = invalid("thread: this model does not support threads")
        raise Refused(replace(refused.fault, anthropic_code="thread_unsupported_request"))
    _check(request)
    if request.max_tokens < 1:
        raise invalid("max_tokens: Input should be greater than or equal to 1")
    if request.temperature is not None and not 0 <= request.temperature <= 1:
        raise invalid("temperature: range: 0..1")
    thinking = request.thinking
    if thinking is not None and thinking.type == "enabled":
        if thinking.budget_tokens is None:
            raise invalid("thinking.enabled.budget_tokens: Field required")
        if thinking.budget_tokens < 1024:
            raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if thinking.budget_tokens >= request.max_tokens:
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
    return request


def read_count(body: bytes) -> CountRequest:
    """Raises Refused in Anthropic's words."""
    try:
        request = _count.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(error) from None
    _check(request)
    return request


def _check(request: CountRequest) -> None:
    if not request.messages:
        raise invalid("messages: at least one message is required")
    for index, message in enumerate(request.messages):
        if not message.content and not (message.role == "assistant" and index == len(request.messages) - 1):
            raise invalid(f"messages.{index}: all messages must have non-empty content")
        if not isinstance(message.content, str):
            for at, block in enumerate(message.content):
                if not isinstance(block.get("type"), str):
                    raise invalid(f"messages.{index}.content.{at}.type: Field required")
    for index, tool in enumerate(request.tools or ()):
        if not isinstance(tool.get("name"), str):
            raise invalid(f"tools.{index}.name: Field required")
        if not _NAME.match(tool["name"]):
            raise invalid(f"tools.{index}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if tool.get("type", "custom") == "custom" and not isinstance(tool.get("input_schema"), dict):
            raise invalid(f"tools.{index}.custom.input_schema: Field required")


def _refusal(error: Exception) -> Refused:
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return invalid("The request body is not valid JSON: " + text)
    place = re.sub(r"\[(\d+)\]", r".\1", match[1]) if (match := _PLACE.search(text)) else ""
    if match := _MISSING.search(text):
        return invalid(f"{place}.{match[1]}: Field required".lstrip("."))
    if place.endswith(".role"):
        return invalid(f"{place}: Input should be 'user', 'assistant' or 'system'")
    if match := _TYPE.search(text):
        kinds = " or ".join(_NAMES.get(kind, kind) for kind in match[1].split(" | ") if kind != "null")
        return invalid(f"{place}: Input should be a valid {kinds}".lstrip(": "))
    return invalid(f"{place}: Input is invalid".lstrip(": "))


def prompt_of(request: CountRequest) -> Prompt:
    """Counts tools, system prompt and messages in the order in which Anthropic caches them."""
    prompt = Prompt()
    marked = 0

    def mark(control: Any) -> None:
        nonlocal marked
        if isinstance(control, dict):
            if control.get("ttl") == "1h":
                prompt.marked_1h += prompt.tokens - marked
            else:
                prompt.marked_5m += prompt.tokens - marked
            marked = prompt.tokens

    for tool in request.tools or ():
        prompt.tokens += tokens_of_json(tool)
        mark(tool.get("cache_control"))
    for content in _contents(request):
        if isinstance(content, str):
            prompt.tokens += tokens_of(content)
        else:
            for block in content:
                prompt.tokens += _block_tokens(block)
                mark(block.get("cache_control"))
    prompt.tokens = max(1, prompt.tokens)
    mark(request.cache_control)
    return prompt


def _contents(request: CountRequest) -> Iterator[Content]:
    if request.system is not None:
        yield request.system
    for message in request.messages:
        yield message.content


def _block_tokens(block: Block) -> int:
    kind = block.get("type")
    if kind == "text":
        return tokens_of(str(block.get("text", "")))
    if kind == "thinking":
        return tokens_of(str(block.get("thinking", "")))
    if kind == "tool_use":
        return tokens_of_json(block.get("input"))
    if kind == "tool_result":
        content = block.get("content")
        if isinstance(content, str):
            return tokens_of(content)
        parts = content if isinstance(content, list) else ()
        return sum(_block_tokens(part) for part in parts if isinstance(part, dict))
    return 0 if kind == "redacted_thinking" else MEDIA_TOKENS


def text_of(content: Content) -> str:
    """The text of a message's content; its text blocks joined by line ends."""
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text", "")) for block in content if block.get("type") == "text")


def ask_of(request: MessagesRequest, prompt: Prompt) -> Ask:
    """What the request asks for."""
    last = request.messages[-1].content
    ask = Ask(
        model=request.model,
        content=msgspec.json.encode((request.model, request.system, request.messages, request.tools)),
        user_text=next((text_of(m.content) for m in reversed(request.messages) if m.role == "user"), ""),
        prompt_tokens=prompt.tokens,
        max_tokens=request.max_tokens,
        stop=request.stop_sequences or [],
        answers_tool=not isinstance(last, str) and any(block.get("type") == "tool_result" for block in last),
        thinks=request.thinking is not None and request.thinking.type in ("enabled", "adaptive"),
    )
    ask.tools = [Tool(tool["name"], tool["input_schema"]) for tool in request.tools or () if "input_schema" in tool]
    choice = request.tool_choice
    if choice is not None:
        wanted: dict[Any, bool | str] = {"any": True, "none": False, "tool": str(choice.get("name"))}
        ask.must_call = wanted.get(str(choice.get("type")))
        ask.parallel = choice.get("disable_parallel_tool_use") is not True
    structured = (request.output_config or {}).get("format") or request.output_format
    if isinstance(structured, dict):
        ask.schema = structured.get("schema")
    return ask
