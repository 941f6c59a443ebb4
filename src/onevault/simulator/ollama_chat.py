"""Ollama's chat, whole and as a stream of lines.

Written from github.com/ollama/ollama, docs/api.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from onevault.simulator.ask import Answer, Ask, Choice, Tool
from onevault.simulator.behaviour import Behaviour
from onevault.simulator.ollama_format import ERROR_EVENT, OLLAMA, read
from onevault.simulator.openai_chat import logprob
from onevault.simulator.reply import NDJSON, Reply, half_a_line
from onevault.simulator.tokens import MEDIA_TOKENS, pieces_of, tokens_of, tokens_of_json
from onevault.simulator.turn import Route, Turn

CREATED: Final = "2025-06-15T12:00:00.{:09d}Z"
_TOKEN_NS: Final = 10_000_000
_LOAD_NS: Final = 50_000_000
_FINISH: Final = {"length": "length"}
_encode: Final = msgspec.json.encode


class CalledFunction(msgspec.Struct):
    name: str = ""
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)


class EarlierCall(msgspec.Struct):
    function: CalledFunction = msgspec.field(default_factory=CalledFunction)


class Message(msgspec.Struct):
    role: str
    content: str = ""
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[EarlierCall] | None = None
    tool_name: str | None = None


class Options(msgspec.Struct):
    num_predict: int | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    seed: int | None = None


class ChatRequest(msgspec.Struct):
    model: str
    messages: list[Message] = msgspec.field(default_factory=list)
    stream: bool | None = None
    tools: list[dict[str, Any]] | None = None
    format: str | dict[str, Any] | None = None
    think: bool | str | None = None
    options: Options | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


_decoder: Final = msgspec.json.Decoder(ChatRequest)


def serve(turn: Turn) -> Reply:
    """A stream unless the request says otherwise. Without messages the model is only loaded."""
    request = read(_decoder, turn.request.body)
    if not request.messages:
        turn.enter(request.model)
        empty = {"role": "assistant", "content": ""}
        loaded = {"model": request.model, "created_at": CREATED.format(0), "message": empty, "done_reason": "load"}
        return Reply(200, _encode({**loaded, "done": True}))
    ask = _ask(request)
    stream = request.stream is not False
    answer = turn.answer(ask, stream=stream)
    said = _Said(request, ask, answer, turn.behaviour)
    if not stream:
        return Reply(200, said.whole(), output_tokens=answer.output_tokens)
    return Reply(
        200,
        events=said.lines(),
        content_type=NDJSON,
        output_tokens=answer.output_tokens,
        error_event=ERROR_EVENT,
        broken=half_a_line,
    )


def _ask(request: ChatRequest) -> Ask:
    options = request.options or Options()
    tokens = sum(map(tokens_of_json, request.tools or ()))
    user_text = ""
    for message in request.messages:
        tokens += tokens_of(message.content) + MEDIA_TOKENS * len(message.images or ())
        tokens += sum(tokens_of_json(call.function.arguments) for call in message.tool_calls or ())
        if message.role == "user":
            user_text = message.content
    limit = options.num_predict
    ask = Ask(
        model=request.model,
        content=_encode((request.model, request.messages, request.tools, request.format)),
        user_text=user_text,
        prompt_tokens=max(1, tokens),
        max_tokens=limit if limit is not None and limit > 0 else None,
        stop=[options.stop] if isinstance(options.stop, str) else options.stop or [],
        answers_tool=request.messages[-1].role == "tool",
        thinks=request.think not in (None, False),
    )
    functions = [tool.get("function") for tool in request.tools or ()]
    named = [f for f in functions if isinstance(f, dict) and isinstance(f.get("name"), str)]
    ask.tools = [Tool(function["name"], function.get("parameters")) for function in named]
    if isinstance(request.format, dict):
        ask.schema = request.format
    ask.json_object = request.format == "json"
    return ask


class _Said:
    """One answer, in the pieces of which both its shapes are made."""

    def __init__(self, request: ChatRequest, ask: Ask, answer: Answer, behaviour: Behaviour) -> None:
        self._model = request.model
        self._choice: Choice = answer.choices[0]
        self._digest = answer.digest
        self._top = (request.top_logprobs or 0) if request.logprobs else None
        self._ending: dict[str, Any] = {"done_reason": _FINISH.get(self._choice.finish, "stop"), "done": True}
        if not behaviour.no_usage:
            self._ending |= _usage(ask.prompt_tokens, answer.output_tokens)

    def whole(self) -> bytes:
        choice = self._choice
        message: dict[str, Any] = {"role": "assistant", "content": choice.text or choice.refusal}
        if choice.thinking:
            message["thinking"] = choice.thinking
        if choice.calls:
            message["tool_calls"] = self._calls()
        return self._line(0, message, self._logprobs(message["content"]) | self._ending).rstrip(b"\n")

    def lines(self) -> Iterator[bytes]:
        choice = self._choice
        number = 0
        for piece in pieces_of(choice.thinking):
            yield self._line(number, {"role": "assistant", "content": "", "thinking": piece}, {"done": False})
            number += 1
        for piece in pieces_of(choice.text or choice.refusal):
            ending = self._logprobs(piece) | {"done": False}
            yield self._line(number, {"role": "assistant", "content": piece}, ending)
            number += 1
        for call in self._calls():
            message = {"role": "assistant", "content": "", "tool_calls": [call]}
            yield self._line(number, message, {"done": False})
            number += 1
        yield self._line(number, {"role": "assistant", "content": ""}, self._ending)

    def _line(self, number: int, message: dict[str, Any], ending: dict[str, Any]) -> bytes:
        created = CREATED.format(number * _TOKEN_NS % 1_000_000_000)
        return _encode({"model": self._model, "created_at": created, "message": message, **ending}) + b"\n"

    def _calls(self) -> list[dict[str, Any]]:
        """Arguments are objects; what a limit cut off is none."""
        calls = []
        for at, call in enumerate(self._choice.calls):
            try:
                arguments = msgspec.json.decode(call.arguments)
            except msgspec.DecodeError:
                arguments = {}
            function = {"index": at, "name": call.name, "arguments": arguments}
            calls.append({"id": f"call_{self._digest[8:12]}{at:04x}", "function": function})
        return calls

    def _logprobs(self, text: str) -> dict[str, Any]:
        return {} if self._top is None else {"logprobs": [logprob(piece, self._top) for piece in pieces_of(text)]}


def _usage(prompt_tokens: int, output_tokens: int) -> dict[str, int]:
    """Nanoseconds at a hundred tokens a second, so that they are the same every time."""
    prompt_ns, output_ns = prompt_tokens * _TOKEN_NS // 10, output_tokens * _TOKEN_NS
    return {
        "total_duration": _LOAD_NS + prompt_ns + output_ns,
        "load_duration": _LOAD_NS,
        "prompt_eval_count": prompt_tokens,
        "prompt_eval_duration": prompt_ns,
        "eval_count": output_tokens,
        "eval_duration": output_ns,
    }


ROUTES: Final = (Route("POST", "/api/chat", serve, OLLAMA),)
