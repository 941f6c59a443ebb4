"""From a request to its reply: the simulator's routes, its keys, its errors by chance and by count."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from onevault.simulator import (
    anthropic_messages,
    anthropic_requests,
    models,
    openai_chat,
    openai_embeddings,
    openai_requests,
)
from onevault.simulator.calls import Call, CallLog, readable
from onevault.simulator.compose import compose
from onevault.simulator.directives import OPENING, UnknownDirective, apply, split
from onevault.simulator.faults import Dialect, Refused, fault_for, invalid
from onevault.simulator.headers import error_headers, success_headers
from onevault.simulator.reply import Reply
from onevault.simulator.request import Request
from onevault.simulator.settings import Settings
from onevault.simulator.tokens import Ring

Handler = Callable[["Provider", Request, Settings, Call], tuple[Reply, Settings]]


class Provider:
    """Answers requests without touching a socket; the time an answer takes and how it breaks is the delivery's part."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log = CallLog(keep=settings.record_calls, calls_kept_max=settings.limits.calls_kept_max)
        self._ring = Ring(settings.seed)
        self._dice = random.Random(settings.seed)
        self._failed: OrderedDict[str, int] = OrderedDict()
        self._served = 0

    def begin(self, request: Request, connection: int) -> Call:
        """Enters the request in the log, unless it asks for the log itself."""
        path = request.path
        if path.startswith(_UNSEEN):
            return Call(request.method, path, 0.0, outcome="completed")
        call = self.log.begin(request.method, path)
        call.connection = connection
        if self.log.keep:
            call.headers = readable(request.listed)
            if self.settings.record_bodies:
                try:
                    call.body = msgspec.json.decode(request.body) if request.body else None
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    call.body = request.body.decode("latin-1")
        return call

    def answer(self, request: Request, call: Call) -> tuple[Reply, Settings]:
        """The reply, and the behaviour with which it is to be delivered."""
        behaviour = self.settings
        dialect = request.dialect
        self._served += 1
        try:
            handler = self._route(request)
            if handler in _OPEN:
                return handler(self, request, behaviour, call)
            self._check_key(request, dialect)
            behaviour = self.header_behaviour(request)
            reply, behaviour = handler(self, request, behaviour, call)
            reply.headers = success_headers(dialect, self._served) + reply.headers
        except _Told as told:
            return self.refusal(told, dialect, told.behaviour), told.behaviour
        except Refused as refused:
            return self.refusal(refused, dialect, behaviour), behaviour
        return reply, behaviour

    def refusal(self, refused: Refused, dialect: Dialect, behaviour: Settings) -> Reply:
        fault = refused.fault
        body = fault.body(dialect, f"req_{self._served:032x}")
        headers = error_headers(fault, dialect, self._served, retry_after_s=behaviour.retry_after_s)
        return Reply(fault.status, body, headers=headers)

    def header_behaviour(self, request: Request) -> Settings:
        """The settings, overridden by `x-simulate`. Raises Refused."""
        asked = request.headers.get(b"x-simulate")
        if asked is None or not self.settings.directives:
            return self.settings
        try:
            return apply(self.settings, asked.decode(errors="replace"), from_body=False)
        except UnknownDirective as unknown:
            raise invalid(str(unknown), param="x-simulate", code="unknown_directive") from None

    def _route(self, request: Request) -> Handler:
        path = request.path
        methods = _ROUTES.get(path)
        if methods is None and path.startswith("/v1/models/"):
            methods = {"GET": _model}
        if methods is None:
            raise invalid(f"Invalid URL ({request.method} {path})", status=404)
        handler = methods.get(request.method)
        if handler is None:
            raise invalid(f"Not allowed to {request.method} on {path}.", code="method_not_supported", status=405)
        return handler

    def _check_key(self, request: Request, dialect: Dialect) -> None:
        key = request.key
        if not key:
            if dialect == "anthropic":
                raise invalid("x-api-key header is required", status=401)
            needed = "You need to provide your API key in an Authorization header using Bearer auth."
            raise invalid(f"You didn't provide an API key. {needed}", status=401)
        if self.settings.keys and key not in self.settings.keys:
            raise Refused(fault_for("authentication"))

    def fail_if_told(self, behaviour: Settings) -> None:
        """Raises the error that the behaviour asks for, by chance or by count."""
        if not behaviour.error:
            return
        if behaviour.error_times:
            failed = self._failed.get(behaviour.id, 0)
            if failed >= behaviour.error_times:
                return
            self._failed[behaviour.id] = failed + 1
            if len(self._failed) > self.settings.limits.ids_counted_max:
                self._failed.popitem(last=False)
        if behaviour.error_rate >= 1 or self._dice.random() < behaviour.error_rate:
            raise _Told(fault_for(behaviour.error), behaviour)

    @property
    def ring(self) -> Ring:
        return self._ring


class _Told(Refused):
    """An error that the behaviour asked for; it is delivered with that behaviour."""

    def __init__(self, fault: Any, behaviour: Settings) -> None:
        super().__init__(fault)
        self.behaviour = behaviour


def _told(behaviour: Settings, text: str) -> tuple[Settings, str]:
    """The behaviour as the text's directives change it, and the text without them. Raises Refused."""
    if OPENING not in text or not behaviour.directives:
        return behaviour, text
    try:
        rest, directives = split(text)
        return apply(behaviour, directives, from_body=True), rest
    except UnknownDirective as unknown:
        raise invalid(str(unknown), param="messages", code="unknown_directive") from None


def _chat(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    read = openai_requests.read_chat(request.body)
    call.model, call.stream = read.model, bool(read.stream)
    ask = openai_requests.ask_of(read)
    behaviour, ask.user_text = _told(behaviour, ask.user_text)
    provider.fail_if_told(behaviour)
    models.check(provider.settings, "openai", read.model)
    answer = compose(ask, behaviour, provider.ring)
    call.output_tokens = answer.output_tokens
    provider.log.stats.input_tokens += ask.prompt_tokens
    return openai_chat.reply_to(read, ask, answer, behaviour), behaviour


def _messages(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    read = anthropic_requests.read_messages(request.body)
    call.model, call.stream = read.model, bool(read.stream)
    prompt = anthropic_requests.prompt_of(read)
    ask = anthropic_requests.ask_of(read, prompt)
    behaviour, ask.user_text = _told(behaviour, ask.user_text)
    provider.fail_if_told(behaviour)
    models.check(provider.settings, "anthropic", read.model)
    answer = compose(ask, behaviour, provider.ring)
    call.output_tokens = answer.output_tokens
    provider.log.stats.input_tokens += prompt.tokens
    return anthropic_messages.reply_to(read, prompt, answer, behaviour), behaviour


def _count_tokens(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    read = anthropic_requests.read_count(request.body)
    call.model = read.model
    provider.fail_if_told(behaviour)
    models.check(provider.settings, "anthropic", read.model)
    tokens = anthropic_requests.prompt_of(read).tokens
    return Reply(200, msgspec.json.encode({"input_tokens": tokens})), behaviour


def _embeddings(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    read = openai_requests.read_embeddings(request.body)
    call.model = read.model
    last = read.input if isinstance(read.input, str) else read.input[-1]
    if isinstance(last, str):
        behaviour, _ = _told(behaviour, last)
    provider.fail_if_told(behaviour)
    settings = provider.settings
    models.check(settings, "openai", read.model)
    return openai_embeddings.reply_to(read, settings.seed, settings.embedding_dimensions), behaviour


def _models(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    provider.fail_if_told(behaviour)
    return models.list_reply(provider.settings, request.dialect, request.query), behaviour


def _model(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    provider.fail_if_told(behaviour)
    name = unquote(request.path.removeprefix("/v1/models/"))
    return models.model_reply(provider.settings, request.dialect, name), behaviour


def _health(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    return Reply(200, b'{"status":"ok"}'), _PLAIN


def _calls(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    return Reply(200, msgspec.json.encode(provider.log.calls())), _PLAIN


def _forget(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    provider.log.reset()
    return Reply(200, b'{"status":"ok"}'), _PLAIN


def _stats(provider: Provider, request: Request, behaviour: Settings, call: Call) -> tuple[Reply, Settings]:
    return Reply(200, msgspec.json.encode(provider.log.counters())), _PLAIN


_PLAIN: Final = Settings()
_UNSEEN: Final = ("/_simulator/", "/health")
_OPEN: Final = (_health, _calls, _forget, _stats)
_ROUTES: Final[dict[str, dict[str, Handler]]] = {
    "/v1/chat/completions": {"POST": _chat},
    "/v1/embeddings": {"POST": _embeddings},
    "/v1/messages": {"POST": _messages},
    "/v1/messages/count_tokens": {"POST": _count_tokens},
    "/v1/models": {"GET": _models},
    "/health": {"GET": _health},
    "/_simulator/calls": {"GET": _calls, "DELETE": _forget},
    "/_simulator/stats": {"GET": _stats},
}
