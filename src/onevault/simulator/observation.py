"""What the simulator tells of itself: that it runs, which calls it saw, its counters."""

from __future__ import annotations

from typing import Final

import msgspec

from onevault.simulator.openai_format import OPENAI
from onevault.simulator.reply import Reply
from onevault.simulator.turn import Route, Turn

_OK: Final = b'{"status":"ok"}'


def _health(turn: Turn) -> Reply:
    return Reply(200, _OK)


def _calls(turn: Turn) -> Reply:
    return Reply(200, msgspec.json.encode(turn.state.log.calls()))


def _forget(turn: Turn) -> Reply:
    turn.state.log.reset()
    return Reply(200, _OK)


def _stats(turn: Turn) -> Reply:
    return Reply(200, msgspec.json.encode(turn.state.log.counters()))


ROUTES: Final = (
    Route("GET", "/health", _health, OPENAI, open=True),
    Route("GET", "/_simulator/calls", _calls, OPENAI, open=True),
    Route("DELETE", "/_simulator/calls", _forget, OPENAI, open=True),
    Route("GET", "/_simulator/stats", _stats, OPENAI, open=True),
)
