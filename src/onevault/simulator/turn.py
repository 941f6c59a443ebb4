"""One request on its way to its answer: what a route's handler reads, and the steps that all handlers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from onevault.simulator.ask import Answer, Ask
from onevault.simulator.calls import Call
from onevault.simulator.compose import compose
from onevault.simulator.directives import OPENING, UnknownDirective, apply, split
from onevault.simulator.faults import invalid
from onevault.simulator.format import Format
from onevault.simulator.reply import Reply
from onevault.simulator.request import Request
from onevault.simulator.settings import Settings
from onevault.simulator.state import State


@dataclass(slots=True)
class Turn:
    """`behaviour` starts as the settings, changed by the header, and is what the reply is delivered with.

    `parts` are what stood in the places that the route's path names, percent-decoded: `{"model": "gpt-5"}`.
    """

    request: Request
    call: Call
    state: State
    format: Format
    behaviour: Settings
    parts: dict[str, str] = field(default_factory=dict)

    def enter(self, model: str, *, text: str = "", stream: bool = False, known: bool = False) -> str:
        """Follows the directives in `text`, fails if told to, and refuses an unknown model; gives the text without directives.

        `known` true: the request names no model that could be unknown. Raises Refused.
        """
        self.call.model, self.call.stream = model, stream
        text = self._follow(text)
        self.state.fail_if_told(self.behaviour)
        if not known:
            self.check_model(model)
        return text

    def answer(self, ask: Ask, *, stream: bool = False) -> Answer:
        """Enters, and composes the answer; every generation goes through here. Raises Refused."""
        ask.user_text = self.enter(ask.model, text=ask.user_text, stream=stream)
        answer = compose(ask, self.behaviour, self.state.ring)
        self.call.output_tokens = answer.output_tokens
        self.state.log.stats.input_tokens += ask.prompt_tokens
        return answer

    def check_model(self, model: str) -> None:
        """Raises Refused in the format's words when the settings name models and this is none of them."""
        models = self.state.settings.models
        if models and model not in models:
            raise self.format.unknown_model(model)

    def _follow(self, text: str) -> str:
        if OPENING not in text or not self.behaviour.directives:
            return text
        try:
            rest, directives = split(text)
            self.behaviour = apply(self.behaviour, directives, from_body=True)
        except UnknownDirective as unknown:
            raise invalid(str(unknown), param="messages", code="unknown_directive") from None
        return rest


Handler = Callable[[Turn], Reply]


@dataclass(frozen=True)
class Route:
    """`path` may name places: `/model/{model}/converse`, `/v1beta/models/{model}:{verb}`.

    A place holds anything but a slash, one written `{name*}` slashes too. `open`: answered without key and directives.
    """

    method: str
    path: str
    handler: Handler
    format: Format
    open: bool = False
