"""What a request asks for, whichever dialect it came in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tool:
    """A tool that the request offers; `schema` is the JSON schema of its arguments."""

    name: str
    schema: Any


@dataclass(slots=True)
class Ask:
    """`must_call`: None leaves it to the model, False forbids tools, True wants any, a name wants that one."""

    model: str
    content: bytes
    user_text: str
    prompt_tokens: int
    max_tokens: int | None
    stop: list[str] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    must_call: bool | str | None = None
    parallel: bool = True
    answers_tool: bool = False
    schema: Any = None
    json_object: bool = False
    thinks: bool = False
    choices: int = 1


@dataclass(slots=True)
class ToolCall:
    name: str
    arguments: str


@dataclass(slots=True)
class Choice:
    """One alternative. `finish` is stop, length, tools, stop_sequence, content_filter, refusal or pause."""

    text: str = ""
    refusal: str = ""
    thinking: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    finish: str = "stop"
    stop_sequence: str | None = None
    tokens: int = 0


@dataclass(slots=True)
class Answer:
    """`digest` is 32 hexadecimal digits: ids, times and signatures come from it."""

    digest: str
    choices: list[Choice]
    output_tokens: int
    reasoning_tokens: int
