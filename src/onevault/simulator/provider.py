"""From a request to its reply: finds the route, checks the key, and words what the handler refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from onevault.simulator.calls import Call, readable
from onevault.simulator.directives import UnknownDirective, apply
from onevault.simulator.faults import Refused, fault_for, invalid
from onevault.simulator.format import Format
from onevault.simulator.reply import Reply
from onevault.simulator.request import Request
from onevault.simulator.routes import find, format_of
from onevault.simulator.settings import Settings
from onevault.simulator.state import State
from onevault.simulator.turn import Turn


class Provider:
    """Answers requests without touching a socket; the time an answer takes and how it breaks is the delivery's part."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._state = State(settings)
        self.log = self._state.log

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
        state = self._state
        state.served += 1
        turn = Turn(request, call, state, format_of(request), self.settings)
        try:
            route, turn.parts = find(request)
            if route.open:
                return route.handler(turn), _PLAIN
            self._check_key(request, turn.format)
            turn.behaviour = self.header_behaviour(request)
            reply = route.handler(turn)
        except Refused as refused:
            return self.refusal(refused, turn.format, turn.behaviour), turn.behaviour
        reply.headers = turn.format.success_headers(state.served) + reply.headers
        return reply, turn.behaviour

    def refusal(self, refused: Refused, format_: Format, behaviour: Settings) -> Reply:
        """The error as the format writes it."""
        served = self._state.served
        fault = replace(refused.fault, retry_after_s=behaviour.retry_after_s)
        body = format_.error(fault, f"req_{served:032x}")
        headers = format_.error_headers(fault, served, behaviour.retry_after_s)
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

    def _check_key(self, request: Request, format_: Format) -> None:
        if format_.missing_key is None:
            return
        key = format_.key_of(request)
        if not key:
            raise Refused(format_.missing_key)
        if self.settings.keys and key not in self.settings.keys:
            raise Refused(fault_for("authentication"))


_PLAIN: Final = Settings()
_UNSEEN: Final = ("/_simulator/", "/health")
