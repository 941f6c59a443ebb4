"""Cohere's chat requests as they are read, their prompt counted, and the errors for those that break the rules.

Written from docs.cohere.com/v2/reference/chat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from onevault.simulator.ask import Ask, Tool
from onevault.simulator.cohere_format import read
from onevault.simulator.faults import invalid
from onevault.simulator.tokens import MEDIA_TOKENS, tokens_of, tokens_of_json

Part = dict[str, Any]


class CalledFunction(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class EarlierCall(msgspec.Struct):
    id: str = ""
    function: CalledFunction = msgspec.field(default_factory=CalledFunction)


class Message(msgspec.Struct):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[EarlierCall] | None = None
    tool_plan: str | None = None
    tool_call_id: str | None = None


class Thinking(msgspec.Struct):
    type: Literal["enabled", "disabled"]
    token_budget: int | None = None


class CitationOptions(msgspec.Struct):
    mode: str | None = None


class ChatRequest(msgspec.Struct):
    model: str
    messages: list[Message]
    stream: bool = False
    tools: list[Part] | None = None
    strict_tools: bool | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    documents: list[str | Part] | None = None
    citation_options: CitationOptions | None = None
    response_format: Part | None = None
    thinking: Thinking | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    p: float | None = None
    k: int | None = None
    logprobs: bool | None = None


@dataclass(slots=True)
class Source:
    """What an answer may cite: a document of the request, or what a tool answered."""

    kind: Literal["tool", "document"]
    identity: str
    content: Part = field(default_factory=dict)

    def shape(self) -> Part:
        return {"type": self.kind, "id": self.identity, _CONTENTS[self.kind]: self.content}


_CONTENTS: Final = {"tool": "tool_output", "document": "document"}
_decoder: Final = msgspec.json.Decoder(ChatRequest)


def read_chat(body: bytes) -> ChatRequest:
    """Raises Refused in Cohere's words."""
    request = read(_decoder, body)
    if not request.messages:
        raise invalid("invalid request: at least one message must be provided")
    if request.messages[-1].role == "assistant" and request.messages[-1].tool_calls:
        raise invalid("invalid request: all elements in tool_calls must be answered by a tool message")
    called = {call.id for message in request.messages for call in message.tool_calls or ()}
    for message in request.messages:
        if message.role == "tool" and message.tool_call_id not in called:
            words = f"tool call id not found in previous tool calls: {message.tool_call_id}"
            raise invalid(f"invalid request: {words}")
    for name, least, most in (("temperature", 0.0, 1.0), ("p", 0.01, 0.99), ("k", 0, 500), ("max_tokens", 0, None)):
        value = getattr(request, name)
        if value is not None and (value < least or (most is not None and value > most)):
            raise invalid(f"invalid request: {name} must be between {least} and {most} inclusive.")
    if len(request.stop_sequences or ()) > 5:
        raise invalid("invalid request: stop_sequences must have at most 5 elements")
    for tool in request.tools or ():
        function = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise invalid("invalid request: all tools must have a name")
    return request


def _tokens(content: str | list[Part] | None) -> int:
    if isinstance(content, str):
        return tokens_of(content)
    tokens = 0
    for part in content or ():
        match part.get("type"):
            case "text" | "thinking":
                tokens += tokens_of(str(part.get(part["type"], "")))
            case "document":
                tokens += tokens_of_json(part.get("document"))
            case _:
                tokens += MEDIA_TOKENS
    return tokens


def text_of(content: str | list[Part] | None) -> str:
    """The text of a message's content; its text parts joined by line ends."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content or () if part.get("type") == "text")


def ask_of(request: ChatRequest) -> Ask:
    """What the request asks for, its prompt counted."""
    tokens = sum(map(tokens_of_json, (*(request.tools or ()), *(request.documents or ()))))
    user_text = ""
    for message in request.messages:
        tokens += _tokens(message.content) + tokens_of(message.tool_plan or "")
        tokens += sum(tokens_of(call.function.arguments) for call in message.tool_calls or ())
        if message.role == "user":
            user_text = text_of(message.content)
    ask = Ask(
        model=request.model,
        content=msgspec.json.encode((request.model, request.messages, request.tools, request.documents)),
        user_text=user_text,
        prompt_tokens=max(1, tokens),
        max_tokens=request.max_tokens or None,
        stop=request.stop_sequences or [],
        answers_tool=request.messages[-1].role == "tool",
        thinks=request.thinking is not None and request.thinking.type == "enabled",
    )
    functions = [tool["function"] for tool in request.tools or ()]
    ask.tools = [Tool(function["name"], function.get("parameters")) for function in functions]
    ask.must_call = {"REQUIRED": True, "NONE": False}.get(request.tool_choice or "")
    if request.response_format is not None and request.response_format.get("type") == "json_object":
        schema = request.response_format.get("json_schema", request.response_format.get("schema"))
        ask.schema, ask.json_object = schema, schema is None
    return ask


def sources_of(request: ChatRequest) -> list[Source]:
    """What the answer may cite: the answers of tools since the last question, else the documents."""
    if request.citation_options is not None and str(request.citation_options.mode).upper() in ("OFF", "DISABLED"):
        return []
    sources: list[Source] = []
    for message in reversed(request.messages):
        if message.role != "tool":
            break
        content = message.content
        parts = [{"content": content}] if isinstance(content, str) else [_output(part) for part in content or ()]
        found = [Source("tool", f"{message.tool_call_id}:{at}", part) for at, part in enumerate(parts)]
        sources = found + sources
    if sources:
        return sources
    for at, document in enumerate(request.documents or ()):
        if isinstance(document, str):
            sources.append(Source("document", f"doc:{at}", {"id": f"doc:{at}", "snippet": document}))
        else:
            identity = str(document.get("id", f"doc:{at}"))
            data = document.get("data")
            sources.append(Source("document", identity, {"id": identity, **(data if isinstance(data, dict) else {})}))
    return sources


def _output(part: Part) -> Part:
    document = part.get("document")
    if isinstance(document, dict):
        data = document.get("data")
        return data if isinstance(data, dict) else {"content": data}
    return {"content": part.get("text")}
