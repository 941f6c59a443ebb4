"""What is asked of a model and what is said, in the one form in which callers of every dialect take and give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DESCRIPTION = "The weather of a city."
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
THOUGHT_TOKENS = 1024


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is asked: a text, and what comes with it. `thinks`: thoughts are to be shown."""

    text: str
    tools: bool = False
    image: bool = False
    schema: bool = False
    thinks: bool = False
    output_tokens: int = 300
    before: tuple[Any, ...] = ()
    """Earlier turns, as the caller's dialect writes them; `text` is then the newest of the user, unless it is empty."""

    @property
    def limit(self) -> int:
        return self.output_tokens + (THOUGHT_TOKENS if self.thinks else 0)


@dataclass(kw_only=True)
class Said:
    """What a caller's SDK shows. `calls` are names and arguments; input tokens include cached ones, output tokens thoughts."""

    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    thought: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    turn: list[Any] = field(default_factory=list)
    """The same as its SDK would send it back."""


class Caller(Protocol):
    """One client of the gateway."""

    def ask(self, model: str, ask: Ask, *, stream: bool) -> Said: ...
    def close(self) -> None: ...


class Talker(Caller, Protocol):
    """One that has more than one turn."""

    def turns(self, ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
        """What was asked and said, and what the tools that were called answered, as turns before the next."""
