"""Turns a sound answer into the broken one that a behaviour asks for; pure bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Final

from onevault.simulator.behaviour import Behaviour
from onevault.simulator.faults import CATALOGUE
from onevault.simulator.format import Format
from onevault.simulator.reply import Reply

SOUND_EVENTS: Final = 3
_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"
)


def spoil(reply: Reply, behaviour: Behaviour, format_: Format) -> Reply:
    """Breaks what is not JSON or not there; broken framing is the delivery's part. The status stays."""
    match behaviour.malformed:
        case "empty":
            return replace(reply, body=b"", events=None)
        case "html":
            return replace(reply, body=_PAGE, events=None, content_type=b"text/html; charset=utf-8")
        case "body" | "frame" if reply.events is None:
            return replace(reply, body=reply.body[: max(1, len(reply.body) // 2)])
        case "status_in_stream" if reply.events is None:
            return replace(reply, body=format_.error(CATALOGUE["server"], "req_simulated"))
        case "body" | "frame" | "status_in_stream" if reply.events is not None:
            return replace(reply, events=_spoiled(reply.events, behaviour.malformed, reply))
        case _:
            return reply


def soundness(events: Iterator[bytes]) -> tuple[Iterator[bytes], int]:
    """The same events, and how many of them are sent before one breaks: a few, or all but the last of a short stream."""
    first = list(islice(events, SOUND_EVENTS + 1))
    return chain(first, events), max(0, len(first) - 1)


def _spoiled(events: Iterator[bytes], how: str, reply: Reply) -> Iterator[bytes]:
    """After the sound events: `frame` sends half of one as if it were whole and goes on, the others end there."""
    events, sound = soundness(events)
    for number, event in enumerate(events):
        if number != sound:
            yield event
        elif how == "frame":
            yield reply.broken(event)
        else:
            if ending := reply.error_event if how == "status_in_stream" else event[: len(event) // 2]:
                yield ending
            return
