"""Requests to OpenAI's responses as they are read, with what was said before them, and the errors for those that break the rules.

Written from platform.openai.com/docs/api-reference/responses/create.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from onevault.simulator.ask import Ask, Tool
from onevault.simulator.conversations import Conversations
from onevault.simulator.faults import Refused, invalid
from onevault.simulator.openai_reading import check_ranges, empty_array, follow_format, missing, read
from onevault.simulator.tokens import MEDIA_TOKENS, tokens_of, tokens_of_json

Item = dict[str, Any]

ENCRYPTED: Final = "gAAAAA"
"""What every encrypted reasoning starts with: the version byte and the time of the token that holds it."""

_TEXTS: Final = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_OUTPUTS: Final = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}
_RANGES: Final = (
    ("max_output_tokens", 16, None),
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("top_logprobs", 0, 20),
)


class Text(msgspec.Struct):
    format: Item | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None


class StreamOptions(msgspec.Struct):
    include_obfuscation: bool | None = None


class ResponsesRequest(msgspec.Struct):
    model: str
    input: str | list[Item] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | Item | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    tools: list[Item] | None = None
    tool_choice: str | Item | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    include: list[str] | None = None
    store: bool | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    truncation: str | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    def includes(self, what: str) -> bool:
        return self.include is not None and what in self.include


_decoder: Final = msgspec.json.Decoder(ResponsesRequest)


def read_response(body: bytes) -> ResponsesRequest:
    """Raises Refused in OpenAI's words."""
    request = read(_decoder, body)
    if request.input is None:
        raise missing("input")
    if request.input == [] and request.previous_response_id is None:
        raise empty_array("input")
    check_ranges(request, _RANGES)
    for index, tool in enumerate(request.tools or ()):
        if not isinstance(tool.get("type"), str):
            raise missing(f"tools[{index}].type")
        if tool["type"] == "function" and not isinstance(tool.get("name"), str):
            raise missing(f"tools[{index}].name")
    return request


def items_of(request: ResponsesRequest, conversations: Conversations) -> list[Item]:
    """The whole conversation, what was said before first. Raises Refused."""
    earlier: list[Item] = []
    if request.previous_response_id is not None:
        known = conversations.items(request.previous_response_id)
        if known is None:
            message = f"Previous response with id '{request.previous_response_id}' not found."
            raise invalid(message, param="previous_response_id", code="previous_response_not_found")
        earlier = known
    now = [{"role": "user", "content": request.input}] if isinstance(request.input, str) else request.input or []
    if request.conversation is None:  # what was said in one is not known here
        _check(earlier + now, len(earlier))
    return earlier + now


def _check(items: list[Item], first: int) -> None:
    """Calls and their outputs belong together, and a reasoning item is followed by what came of it."""
    called: dict[str, str] = {}
    answered: set[str] = set()
    for at, item in enumerate(items):
        place = f"input[{at - first}]"
        kind = item.get("type", "message")
        if not isinstance(kind, str):
            raise invalid(
                f"Invalid type for '{place}.type': expected a string.", param=f"{place}.type", code="invalid_type"
            )
        if kind == "message" and not isinstance(item.get("role"), str):
            raise missing(f"{place}.role")
        if kind == "message" and not isinstance(item.get("content"), (str, list)):
            raise missing(f"{place}.content")
        if kind in _OUTPUTS:
            if _call_id(item, place) not in called:
                words = f"{_OUTPUTS[kind].replace('_', ' ')} output with call_id {item['call_id']}"
                raise invalid(f"No tool call found for {words}.", param="input")
            answered.add(item["call_id"])
        elif kind in _OUTPUTS.values():
            called[_call_id(item, place)] = kind.replace("_", " ")
        elif kind.endswith("_call") and isinstance(item.get("call_id"), str):
            called[item["call_id"]] = ""
        elif kind == "reasoning":
            _check_reasoning(items, at)
    for call_id, words in called.items():
        if words and call_id not in answered:
            raise invalid(f"No tool output found for {words} {call_id}.", param="input")


def _call_id(item: Item, place: str) -> str:
    identity = item.get("call_id")
    if not isinstance(identity, str):
        raise missing(f"{place}.call_id")
    return identity


def _check_reasoning(items: list[Item], at: int) -> None:
    item, following = items[at], items[at + 1 : at + 2]
    identity = item.get("id")
    sealed = item.get("encrypted_content")
    if sealed is not None and not str(sealed).startswith(ENCRYPTED):
        beginning = str(sealed)[:4]
        message = f"The encrypted content {beginning}... could not be verified."
        raise invalid(message, code="invalid_encrypted_content")
    if not following or following[0].get("role") in ("user", "system", "developer"):
        raise _alone(identity)


def _alone(identity: Any) -> Refused:
    message = f"Item '{identity}' of type 'reasoning' was provided without its required following item."
    return invalid(message, param="input")


def _tokens(value: Any) -> int:
    """Of a content: each text by itself, everything else as media."""
    if isinstance(value, str):
        return tokens_of(value)
    if not isinstance(value, list):
        return 0
    tokens = 0
    for part in value:
        if isinstance(part, dict):
            text = part.get("text", part.get("refusal"))
            tokens += tokens_of(text) if isinstance(text, str) else MEDIA_TOKENS
    return tokens


def text_of(content: Any) -> str:
    """The text of a message's content; its text parts joined by line ends."""
    if isinstance(content, str):
        return content
    parts = [part for part in content or () if isinstance(part, dict)] if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if part.get("type") in _TEXTS)


def ask_of(request: ResponsesRequest, items: list[Item]) -> Ask:
    """What the request asks for, its prompt counted."""
    tokens = tokens_of(request.instructions or "")
    user_text = ""
    for item in items:
        tokens += _tokens(item.get("content")) + _tokens(item.get("output"))
        tokens += _tokens(item.get("arguments")) + _tokens(item.get("input"))
        if item.get("role") == "user":
            user_text = text_of(item.get("content"))
    tokens += sum(map(tokens_of_json, request.tools or ()))
    effort = request.reasoning.effort if request.reasoning else None
    ask = Ask(
        model=request.model,
        content=msgspec.json.encode((request.model, request.instructions, items, request.tools, request.text)),
        user_text=user_text,
        prompt_tokens=max(1, tokens),
        max_tokens=request.max_output_tokens,
        answers_tool=bool(items) and items[-1].get("type") in _OUTPUTS,
        parallel=request.parallel_tool_calls is not False,
        thinks=request.reasoning is not None and effort != "none",
    )
    ask.tools = [
        Tool(tool["name"], tool.get("parameters")) for tool in request.tools or () if tool["type"] == "function"
    ]
    _choose(ask, request.tool_choice)
    if request.text is not None and request.text.format is not None:
        follow_format(ask, request.text.format, inner="", place="text.format")
    return ask


def _choose(ask: Ask, choice: str | Item | None) -> None:
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("tools")
        names = [tool.get("name") for tool in allowed if isinstance(tool, dict)] if isinstance(allowed, list) else []
        ask.tools = [tool for tool in ask.tools if tool.name in names]
        ask.must_call = True if choice.get("mode") == "required" else None
    elif isinstance(choice, dict):
        ask.must_call = str(choice["name"]) if choice.get("type") == "function" and "name" in choice else None
    elif choice in ("none", "required"):
        ask.must_call = choice == "required"
