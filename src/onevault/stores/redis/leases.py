"""Keeps the calls of this process alive in the store, and gives back those of processes that have died."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from onevault.core.faults import Fault
from onevault.core.identity import ScopeId
from onevault.stores.redis.batches import Batches, Lane
from onevault.stores.redis.operations import MOVED, Operation
from onevault.stores.redis.scripts import left_script
from onevault.stores.redis.settings import RedisSettings

_RENEWED_TOGETHER: Final = 256
_GIVEN_BACK_TOGETHER: Final = 1_000
_ROUNDS_MAX: Final = 4
"""How often a call is looked at again because it changed between two looks."""
_PARTS: Final = 3

RUNNING: Final = 1
HELD: Final = 2


class Leases:
    """The calls that this process runs. `ledger` and `rates` begin and end them; `renew` is to be called every third of a lease."""

    def __init__(self, batches: Batches, settings: RedisSettings) -> None:
        self._batches = batches
        self._settings = settings
        self._left = left_script()
        self._alive: dict[str, tuple[Lane, int, float]] = {}
        self._sweeps: set[asyncio.Task[None]] = set()
        self.lost = 0
        """How many calls were found to have lost their lease while they were running: this process was stopped for too long."""
        self.expired = 0
        """How many calls of dead processes were given back by this one."""
        batches.on_expired = self._sweep_soon

    @property
    def alive(self) -> int:
        """How many calls are renewed."""
        return len(self._alive)

    def begin(self, lane: Lane, call_id: str, what: int) -> None:
        """The call counts in the store as RUNNING or as HELD, from now on."""
        _, known, begun_s = self._alive.get(call_id) or (lane, 0, asyncio.get_running_loop().time())
        self._alive[call_id] = lane, known | what, begun_s

    def has(self, call_id: str, what: int) -> bool:
        """Whether the call counts so in the store by this process's doing."""
        known = self._alive.get(call_id)
        return known is not None and bool(known[1] & what)

    def end(self, call_id: str, what: int) -> None:
        """It does no more. An end that was not begun here does nothing."""
        known = self._alive.get(call_id)
        if known is not None:
            rest = known[1] & ~what
            if rest:
                self._alive[call_id] = known[0], rest, known[2]
            else:
                del self._alive[call_id]

    async def run(self) -> None:
        """Renews until it is cancelled. While the store is away nothing can be renewed, and nothing expires unless it comes back
        after a whole lease."""
        while True:
            await asyncio.sleep(self._settings.lease_s / 3)
            try:
                await self.renew()
            except Fault:
                continue

    async def renew(self) -> None:
        """Gives a new lease to every call that has used up a third of its own. Raises Fault STORE_UNAVAILABLE."""
        due_s = asyncio.get_running_loop().time() - self._settings.lease_s / 3
        due: dict[str, tuple[Lane, list[str]]] = {}
        for call_id, (lane, _, begun_s) in self._alive.items():
            if begun_s <= due_s:
                due.setdefault(lane.keys.tenant_id, (lane, []))[1].append(call_id)
        for lane, call_ids in due.values():
            for start in range(0, len(call_ids), _RENEWED_TOGETHER):
                given = tuple(call_ids[start : start + _RENEWED_TOGETHER])
                answer = await self._batches.ask(lane, Operation("renew", "", (), given))
                lost = [call_id for call_id in answer[1] if call_id in self._alive]
                self.lost += len(lost)
                for call_id in lost:
                    # It is not renewed any more, so it is told of once.
                    del self._alive[call_id]

    async def sweep(self, tenant_id: str) -> int:
        """Gives back what calls hold whose lease has run out, as far as there are any; how many those were. Any operation of the
        tenant does so too. Raises Fault STORE_UNAVAILABLE."""
        lane = self._batches.lane(tenant_id)
        before = self.expired
        while True:
            found = self.expired
            await self._batches.ask(lane, Operation("renew", "", (), ()))
            while lane.sweeping:
                await asyncio.wait(tuple(self._sweeps))
            if self.expired == found:
                return self.expired - before

    async def give_back(self, tenant_id: str, place: str) -> int:
        """Gives back what processes of a place that are gone have begun and nobody has ended: how many calls that were. To be done when
        what their journal has is settled; so what is left never went out to a provider. Raises Fault STORE_UNAVAILABLE."""
        lane = self._batches.lane(tenant_id)
        own = (place, self._batches.owner)
        answer = await self._batches.read(self._left, (lane.keys.leases,), (lane.keys.call(""), *own))
        call_ids: list[str] = msgspec.msgpack.decode(answer)
        given_back = 0
        for start in range(0, len(call_ids), _GIVEN_BACK_TOGETHER):
            together = call_ids[start : start + _GIVEN_BACK_TOGETHER]
            given_back += sum(await asyncio.gather(*(self._end(lane, "give_back", each, own) for each in together)))
        return given_back

    async def close(self) -> None:
        for task in self._sweeps:
            task.cancel()
        if self._sweeps:
            await asyncio.wait(self._sweeps)

    def _sweep_soon(self, lane: Lane, call_ids: list[str]) -> None:
        task = asyncio.get_running_loop().create_task(self._sweep(lane, call_ids))
        self._sweeps.add(task)
        task.add_done_callback(self._sweeps.discard)

    async def _sweep(self, lane: Lane, call_ids: list[str]) -> None:
        try:
            ended = await asyncio.gather(
                *(self._end(lane, "expire", call_id) for call_id in call_ids), return_exceptions=True
            )
            self.expired += sum(one is True for one in ended)
        finally:
            self._batches.swept(lane)

    async def _end(self, lane: Lane, name: str, call_id: str, whose: tuple[str, ...] = ()) -> bool:
        """Looks what the call counts in, then takes it out of there, unless it has been renewed or ended meanwhile."""
        keys = lane.keys
        held, running = "", ""
        for _ in range(_ROUNDS_MAX):
            day, month, hold_scopes = _parts_of(held)
            run_scopes = _scopes_of(running)
            scope_keys = keys.of_scopes(hold_scopes + run_scopes)
            given = (call_id, *whose, running, held, len(run_scopes), len(hold_scopes), day, month)
            answer = await self._batches.ask(lane, Operation(name, keys.call(call_id), scope_keys, given))
            if answer[0] != MOVED:
                return bool(answer[1])
            held, running = answer[1], answer[2]
        return False


def hold_named(day: str, month: str, scopes_joined: str) -> str:
    """Which windows a hold counts in, as the store keeps it with the hold."""
    return f"{day}\n{month}\n{scopes_joined}"


def _parts_of(held: str) -> tuple[str, str, tuple[ScopeId, ...]]:
    if not held:
        return "", "", ()
    day, month, scopes = held.split("\n", _PARTS - 1)
    return day, month, _scopes_of(scopes)


def _scopes_of(joined: str) -> tuple[ScopeId, ...]:
    return tuple(ScopeId(scope) for scope in joined.split("\n")) if joined else ()


windows_of_hold: Callable[[str], tuple[str, str, tuple[ScopeId, ...]]] = _parts_of
