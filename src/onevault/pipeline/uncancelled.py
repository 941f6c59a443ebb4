"""Finishes what must be finished though its caller has been cancelled."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def uncancelled(work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work` to its end; a cancellation that arrives meanwhile is raised after it.

    Work that never waits (the embedded stores) is run on the spot. Only work that does wait gets a task of its own: a task
    costs more than such a store's whole answer.
    """
    try:
        waiting_for = work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    task = asyncio.ensure_future(resumed(work, waiting_for))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        task.result()
        raise


async def resumed(work: Coroutine[Any, Any, T], waiting_for: Any) -> T:
    """Awaits the rest of a coroutine that has been started and waits for `waiting_for`."""
    return await _resume(work, waiting_for)


@types.coroutine
def _resume(work: Coroutine[Any, Any, T], waiting_for: Any) -> Generator[Any, Any, T]:
    """Goes on with a coroutine that has been started and waits for `waiting_for`."""
    while True:
        try:
            sent = yield waiting_for
        except BaseException as raised:  # noqa: BLE001  # whatever the loop throws in belongs to the work
            step = _step(work.throw, raised)
        else:
            step = _step(work.send, sent)
        if step[0]:
            return step[1]  # type: ignore[no-any-return]
        waiting_for = step[1]


def _step(advance: Any, value: Any) -> tuple[bool, Any]:
    try:
        return False, advance(value)
    except StopIteration as done:
        return True, done.value
