"""The directives by which one request asks for a behaviour, in the header `x-simulate` or in its last user text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from onevault.simulator.behaviour import FINISHES, GARBAGE, MALFORMED, Behaviour
from onevault.simulator.faults import CATALOGUE
from onevault.simulator.tokens import OUTPUT_TOKENS_MAX

OPENING: Final = "[[simulate:"
_HEADER_BYTES_MAX: Final = 16 << 20
_INTERIM_MAX: Final = 1000
_TOOLS_MAX: Final = 128
_BLOCK: Final = re.compile(r"\[\[simulate:((?:\"[^\"]*\"|[^\]\"]|\](?!\]))*)\]\]")
_ITEM: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*(?:=\s*(\"[^\"]*\"|[^;]*))?\s*(?:;|$)")

B = TypeVar("B", bound=Behaviour)


class UnknownDirective(ValueError):
    """The message names what was not understood and lists what would have been."""


@dataclass(frozen=True)
class Directive:
    """One name that a request may set. `bare` is its value when it stands alone; None: it must have one."""

    name: str
    field: str
    parse: Callable[[str], Any]
    takes: str
    does: str
    bare: str | None = None


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise ValueError
    return value


def _count(text: str) -> int:
    return int(_number(str(int(text))))


def _at_most(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = _count(text)
        if value > most:
            raise ValueError
        return value

    return parse


_tokens: Final = _at_most(OUTPUT_TOKENS_MAX)


def _rate(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError
    return value


def _flag(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]


def _status(text: str) -> int:
    value = int(text)
    if not 400 <= value <= 599:
        raise ValueError
    return value


def _error(text: str) -> int | str:
    return text if text in CATALOGUE else _status(text)


def _one_of(*values: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError
        return text

    return parse


def _either(values: tuple[str, ...]) -> str:
    return ", ".join(f"`{value}`" for value in values)


_row: Final = Directive
_ROWS: Final = (
    _row("latency_ms", "latency_ms", _number, "milliseconds", "waits before the head of the answer"),
    _row("ttft_ms", "ttft_ms", _number, "milliseconds",
         "waits between the head and the first event of a stream; added to the wait of a whole answer"),
    _row("pace", "tokens_per_s", _number, "events per second",
         "sends a stream's events at this pace; a whole answer takes as long as its tokens would"),
    _row("output_tokens", "output_tokens", _tokens, "tokens, at most 100000",
         "length of generated text, unless the request's own limit is lower"),
    _row("ignore_limit", "ignore_limit", _flag, "flag",
         "goes on to `output_tokens` though the request's own limit is lower", "true"),
    _row("reasoning_tokens", "reasoning_tokens", _tokens, "tokens",
         "tokens thought before the text: counted in OpenAI's usage, shown as a thinking block in Anthropic's "
         "answer"),
    _row("thinking", "reasoning_tokens", _tokens, "tokens", "the same as `reasoning_tokens`", "8"),
    _row("redacted_thinking", "redacted_thinking", _flag, "flag",
         "Anthropic: the thinking block is a `redacted_thinking` block", "true"),
    _row("cached_tokens", "cached_tokens", _count, "tokens",
         "so many of the input tokens are reported as read from the cache"),
    _row("tool", "tool", str, "tool name", "calls this tool"),
    _row("tools", "tools", _at_most(_TOOLS_MAX), "number", "number of parallel tool calls; 0 for none"),
    _row("echo", "echo", _flag, "flag", "answers with the last user text, directives removed", "true"),
    _row("text", "text", str, "text",
         "answers with exactly this text; put it in double quotes if it has `;` or `]]` in it"),
    _row("refusal", "refusal", _flag, "flag", "refuses, as each dialect does", "true"),
    _row("finish", "finish", _one_of(*FINISHES), _either(FINISHES), "the reason given for the end"),
    _row("no_usage", "no_usage", _flag, "flag", "leaves the usage out", "true"),
    _row("error", "error", _error, "status 400–599, or a name of the fault catalogue",
         "answers with this error in the dialect's own shape", "500"),
    _row("error_rate", "error_rate", _rate, "0 to 1", "share of the calls that get `error` (500 if none is named)"),
    _row("rate", "error_rate", _rate, "0 to 1", "the same as `error_rate`"),
    _row("error_times", "error_times", _count, "number",
         "only the first so many calls with the same `id` get `error` (500 if none is named)"),
    _row("id", "id", str, "any word", "what `error_times` counts by"),
    _row("retry_after", "retry_after_s", _number, "seconds", "`retry-after` of an error; 1 by default for 429"),
    _row("early_error", "early_error", _status, "status 400–599",
         "answers with this error before the request's body was read, then closes; header only", "413"),
    _row("cut_after", "cut_after_events", _count, "events",
         "closes the connection after so many events, in the middle of the chunked body; 0: before the head; "
         "of a whole answer, half the body is sent"),
    _row("end_after", "end_after_events", _count, "events",
         "ends the stream after so many events as HTTP should, but without the dialect's last events"),
    _row("stall_after", "stall_after_events", _count, "events",
         "falls silent for `stall_s` after so many events, then goes on; 0: before the head; of a whole "
         "answer, in the middle of the body"),
    _row("stall_s", "stall_s", _number, "seconds", "how long `stall_after` lasts; 60 by default"),
    _row("reset_after", "reset_after_events", _count, "events",
         "resets the connection (TCP RST) after so many events; 0: before the head; of a whole answer, in the "
         "middle of the body"),
    _row("malformed", "malformed", _one_of(*MALFORMED), _either(MALFORMED),
         "`frame`: one event is not JSON; `body`: the body is half a JSON text; `chunk`: broken chunked "
         "encoding; `empty`: 200 without a body; `html`: a web page; `status_in_stream`: an error event in the"
         " middle of a stream"),
    _row("truncate", "truncate", _flag, "flag", "announces more bytes than it sends, then closes", "true"),
    _row("slow_body", "slow_body_bytes_s", _number, "bytes per second", "sends the body at this pace"),
    _row("slow_headers", "slow_headers_bytes_s", _number, "bytes per second",
         "sends status line and headers at this pace"),
    _row("garbage", "garbage", _one_of(*GARBAGE), _either(GARBAGE),
         "sends bytes after the end of the answer: noise, or a second answer nobody asked for", "bytes"),
    _row("interim", "interim", _at_most(_INTERIM_MAX), "number", "sends so many `103 Early Hints` before the answer", "1"),
    _row("header_bytes", "header_bytes", _at_most(_HEADER_BYTES_MAX), "bytes", "adds a header of this size to the answer"),
    _row("idle_close_ms", "idle_close_ms", _number, "milliseconds",
         "closes the connection so long after the answer, without having announced it", "0"),
)  # fmt: skip

DIRECTIVES: Final = {row.name: row for row in _ROWS}


def apply(behaviour: B, directives: str, *, from_body: bool) -> B:
    """Overrides `behaviour` by a list such as `error=503; rate=0.5`. Raises UnknownDirective."""
    changes: dict[str, Any] = {}
    position = 0
    while position < len(directives):
        match = _ITEM.match(directives, position)
        if match is None:
            if directives[position:].strip(" ;") == "":
                break
            raise UnknownDirective(f"Cannot read the directives at '{directives[position:].strip()[:40]}'. {_known()}")
        position = match.end()
        name, written = match[1].lower(), match[2]
        row = DIRECTIVES.get(name)
        if row is None:
            raise UnknownDirective(f"Unknown directive '{name}'. {_known()}")
        if from_body and name == "early_error":
            raise UnknownDirective("Directive 'early_error' answers before the body is read: send it in x-simulate.")
        value = row.bare if written is None else written.strip()
        if value is not None and len(value) > 1 and value[0] == '"' == value[-1]:
            value = value[1:-1]
        try:
            if value is None:
                raise ValueError
            changes[row.field] = row.parse(value)
        except (ValueError, KeyError, OverflowError):
            raise UnknownDirective(f"Directive '{name}' takes {row.takes}, not '{value or ''}'.") from None
    if ("error_rate" in changes or "error_times" in changes) and not (behaviour.error or changes.get("error")):
        changes["error"] = 500
    return replace(behaviour, **changes)


def split(text: str) -> tuple[str, str]:
    """Takes the directives out of a user's text: the text without them, and their list. Raises UnknownDirective."""
    found = "; ".join(_BLOCK.findall(text))
    rest = _BLOCK.sub("", text).strip()
    if OPENING in rest:
        raise UnknownDirective(f"Directives start with '{OPENING}' and end with ']]'; these have no end.")
    return rest, found


def _known() -> str:
    return f"Known directives: {', '.join(sorted(DIRECTIVES))}."
