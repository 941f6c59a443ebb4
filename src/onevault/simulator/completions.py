"""OpenAI's legacy completions, whole and as a stream of events.

Written from platform.openai.com/docs/api-reference/completions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from onevault.simulator.ask import Ask, Choice
from onevault.simulator.faults import invalid
from onevault.simulator.openai_chat import CREATED_S, usage_of
from onevault.simulator.openai_format import ERROR_EVENT, OPENAI
from onevault.simulator.openai_reading import check_ranges, empty_array, missing, read
from onevault.simulator.openai_requests import StreamOptions
from onevault.simulator.reply import SSE, Reply
from onevault.simulator.tokens import pieces_of, tokens_of
from onevault.simulator.turn import Route, Turn

_DEFAULT_TOKENS: Final = 16
_CHOICES_MAX: Final = 2048
_FINISH: Final = {"length": "length", "content_filter": "content_filter"}
_RANGES: Final = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("n", 1, 128),
    ("best_of", 1, 20),
    ("max_tokens", 1, None),
    ("logprobs", 0, 5),
)
_encode: Final = msgspec.json.encode


class CompletionRequest(msgspec.Struct):
    model: str
    prompt: str | list[str | int | list[int]] | None = None
    suffix: str | None = None
    max_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    echo: bool | None = None
    logprobs: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None


_decoder: Final = msgspec.json.Decoder(CompletionRequest)


def serve(turn: Turn) -> Reply:
    request = _read(turn.request.body)
    prompts = _prompts(request)
    ask = _ask(request, prompts)
    answer = turn.answer(ask, stream=bool(request.stream))
    usage = None if turn.behaviour.no_usage else usage_of(ask, answer, turn.behaviour)
    choices = [_Made(prompts[at // (request.n or 1)], choice, request) for at, choice in enumerate(answer.choices)]
    head = {
        "id": f"cmpl-{answer.digest[:29]}",
        "object": "text_completion",
        "created": CREATED_S + int(answer.digest[:6], 16),
        "model": request.model,
        "system_fingerprint": "fp_51a1a700",
    }
    if request.stream:
        options = request.stream_options
        events = _events(head, choices, usage, with_usage=options is not None and bool(options.include_usage))
        return Reply(200, events=events, content_type=SSE, output_tokens=answer.output_tokens, error_event=ERROR_EVENT)
    whole = {**head, "choices": [made.whole(index) for index, made in enumerate(choices)]}
    if usage is not None:
        whole["usage"] = usage
    return Reply(200, _encode(whole), output_tokens=answer.output_tokens)


def _read(body: bytes) -> CompletionRequest:
    request = read(_decoder, body)
    if request.prompt is None:
        raise missing("prompt")
    if request.prompt == []:
        raise empty_array("prompt")
    check_ranges(request, _RANGES)
    if request.best_of is not None and request.best_of < (request.n or 1):
        raise invalid("You requested that the server return more choices than it will generate (n > best_of).")
    return request


def _prompts(request: CompletionRequest) -> list[str]:
    """Each prompt as text; tokens given as numbers stand for words of their own."""
    given = request.prompt
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and all(isinstance(one, int) for one in given):
        given = [[one for one in given if isinstance(one, int)]]
    prompts = []
    for at, one in enumerate(given or ()):
        if isinstance(one, int):
            message = f"Invalid type for 'prompt[{at}]': expected a string or an array of integers."
            raise invalid(message, param=f"prompt[{at}]", code="invalid_type")
        prompts.append(one if isinstance(one, str) else "".join(f"#{token % 1000:03d}" for token in one))
    if len(prompts) * (request.n or 1) > _CHOICES_MAX:
        raise invalid(f"Too many prompts: at most {_CHOICES_MAX} completions for one request.", param="prompt")
    return prompts


def _ask(request: CompletionRequest, prompts: list[str]) -> Ask:
    return Ask(
        model=request.model,
        content=_encode((request.model, prompts, request.suffix)),
        user_text=prompts[-1],
        prompt_tokens=max(1, sum(map(tokens_of, prompts)) + tokens_of(request.suffix or "")),
        max_tokens=_DEFAULT_TOKENS if request.max_tokens is None else request.max_tokens,
        stop=[request.stop] if isinstance(request.stop, str) else request.stop or [],
        choices=len(prompts) * (request.n or 1),
    )


class _Made:
    """One choice: its text, the prompt before it where that is wanted, and the log probabilities of both."""

    def __init__(self, prompt: str, choice: Choice, request: CompletionRequest) -> None:
        self._text = choice.text or choice.refusal
        self._before = prompt if request.echo else ""
        self._top = request.logprobs
        self.finish = _FINISH.get(choice.finish, "stop")

    def whole(self, index: int) -> dict[str, Any]:
        pieces = pieces_of(self._before) + pieces_of(self._text)
        return self._choice(index, pieces, 0, self.finish)

    def steps(self, index: int) -> Iterator[dict[str, Any]]:
        offset = 0
        for piece in pieces_of(self._before) + pieces_of(self._text):
            yield self._choice(index, [piece], offset, None)
            offset += len(piece)
        yield self._choice(index, [], offset, self.finish)

    def _choice(self, index: int, pieces: list[str], offset: int, finish: str | None) -> dict[str, Any]:
        logprobs = None if self._top is None or not pieces else _logprobs(pieces, offset, self._top)
        return {"text": "".join(pieces), "index": index, "logprobs": logprobs, "finish_reason": finish}


def _logprobs(pieces: list[str], offset: int, top: int) -> dict[str, Any]:
    """As the legacy format lists them: one list for each column."""
    offsets = []
    at = offset
    for piece in pieces:
        offsets.append(at)
        at += len(piece)
    tops = [
        {piece: -0.125} | {f"{piece[::-1]}{rank}": -0.125 * (rank + 1) for rank in range(1, top)} for piece in pieces
    ]
    return {
        "tokens": pieces,
        "token_logprobs": [-0.125 for _ in pieces],
        "top_logprobs": tops if top else None,
        "text_offset": offsets,
    }


def _events(
    head: dict[str, Any], choices: list[_Made], usage: dict[str, Any] | None, *, with_usage: bool
) -> Iterator[bytes]:
    """The choices take turns as they would in a real stream."""
    opening = b"data: " + _encode(head)[:-1] + b',"choices":['
    ending = b'],"usage":null}\n\n' if with_usage else b"]}\n\n"
    turns = [made.steps(index) for index, made in enumerate(choices)]
    while turns:
        for turn in tuple(turns):
            step = next(turn, None)
            if step is None:
                turns.remove(turn)
            else:
                yield opening + _encode(step) + ending
    if with_usage and usage is not None:
        yield opening + b'],"usage":' + _encode(usage) + b"}\n\n"
    yield b"data: [DONE]\n\n"


ROUTES: Final = (Route("POST", "/v1/completions", serve, OPENAI),)
