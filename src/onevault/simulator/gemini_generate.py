"""Google's operations on contents: generate, whole or as a stream of server-sent events or of an array's members; count tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
from urllib.parse import parse_qs

import msgspec

from onevault.simulator.ask import Answer
from onevault.simulator.faults import CATALOGUE, invalid
from onevault.simulator.gemini_answers import chunks, whole
from onevault.simulator.gemini_format import GEMINI, GEMINI_LIST, JSON_UTF8, VERTEX_LIST, error_of, with_api_key
from onevault.simulator.gemini_json import read
from onevault.simulator.gemini_prompt import Prompt, prompt_of
from onevault.simulator.gemini_requests import ask_of, check
from onevault.simulator.gemini_usage import Generated, Json
from onevault.simulator.reply import Reply, half, half_an_event
from onevault.simulator.tokens import tokens_of
from onevault.simulator.turn import Handler, Route, Turn

_SSE: Final = b"text/event-stream"
_encode: Final = msgspec.json.encode


def generate(*, vertex: bool) -> Handler:
    def serve(turn: Turn) -> Reply:
        made = _generated(turn, vertex=vertex, stream=False)
        return Reply(200, _encode(whole(made)), content_type=JSON_UTF8, output_tokens=made.output_tokens)

    return serve


def stream(*, vertex: bool) -> Handler:
    """Server-sent events with `alt=sse`, without it the members of one JSON array."""

    def serve(turn: Turn) -> Reply:
        alt = parse_qs(turn.request.query).get("alt", ["json"])[-1]
        if alt not in ("sse", "json"):
            raise invalid(f"Invalid value at 'alt': \"{alt}\"")
        if alt == "json":
            turn.format = VERTEX_LIST if vertex else GEMINI_LIST
        made = _generated(turn, vertex=vertex, stream=True)
        error = _encode(error_of(CATALOGUE["server"], vertex=vertex))
        framed = _SSE_FRAMING if alt == "sse" else _LIST_FRAMING
        return Reply(
            200,
            events=framed.events(chunks(made)),
            content_type=framed.content_type,
            output_tokens=made.output_tokens,
            error_event=framed.error % error,
            broken=framed.broken,
        )

    return serve


class _Framing(NamedTuple):
    """`error` has a place for the error's JSON."""

    events: Callable[[Iterator[Json]], Iterator[bytes]]
    content_type: bytes
    error: bytes
    broken: Callable[[bytes], bytes]


def _sse_events(parts: Iterator[Json]) -> Iterator[bytes]:
    for part in parts:
        yield b"data: " + _encode(part) + b"\r\n\r\n"


def _list_events(parts: Iterator[Json]) -> Iterator[bytes]:
    """The bracket that closes the array is an event of its own, so that a stream can end without it."""
    opening = b"["
    for part in parts:
        yield opening + _encode(part)
        opening = b",\r\n"
    yield b"]"


_SSE_FRAMING: Final = _Framing(_sse_events, _SSE, b"data: %b\r\n\r\n", half_an_event)
_LIST_FRAMING: Final = _Framing(_list_events, JSON_UTF8, b",\r\n%b]", half)


def _generated(turn: Turn, *, vertex: bool, stream: bool) -> Generated:
    model = turn.parts["model"]
    request = read(turn.request.body, "GenerateContentRequest", vertex=vertex)
    check(request, model)
    prompt = prompt_of(request, vertex=vertex)
    ask = ask_of(request, model, prompt)
    answer = turn.answer(ask, stream=stream)
    if request.get("generationConfig", {}).get("responseMimeType") == "text/x.enum":
        _unquote(answer)
    made = Generated(request, model, prompt, answer, turn.behaviour, vertex)
    turn.call.output_tokens = made.output_tokens
    return made


def _unquote(answer: Answer) -> None:
    """One of an enum's values is answered as it is, not as a JSON text."""
    for choice in answer.choices:
        choice.text = choice.text.strip('"')
        answer.output_tokens -= choice.tokens
        choice.tokens = tokens_of(choice.text)
        answer.output_tokens += choice.tokens


def count(*, vertex: bool) -> Handler:
    """The Gemini API takes `contents` or a whole request, Vertex AI the request's own fields."""

    def serve(turn: Turn) -> Reply:
        request = read(turn.request.body, "CountTokensRequest", vertex=vertex)
        request = request.get("generateContentRequest", request)
        turn.enter(turn.parts["model"])
        if not request.get("contents"):
            raise invalid("* CountTokensRequest.contents: contents is not specified\n")
        prompt: Prompt = prompt_of(request, vertex=vertex)
        counted: Json = {"totalTokens": prompt.tokens, "promptTokensDetails": prompt.details()}
        if vertex:
            counted["totalBillableCharacters"] = prompt.characters
        return Reply(200, _encode(counted), content_type=JSON_UTF8)

    return serve


def routes_at(path: str) -> tuple[Route, ...]:
    """The routes of the Gemini API below a version."""
    verbs = {"generateContent": generate, "streamGenerateContent": stream, "countTokens": count}
    return tuple(
        Route("POST", f"{path}/models/{{model}}:{verb}", with_api_key(handler(vertex=False)), GEMINI)
        for verb, handler in verbs.items()
    )


ROUTES: Final = (*routes_at("/v1beta"), *routes_at("/v1"))
