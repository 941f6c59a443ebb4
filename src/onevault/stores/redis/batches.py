"""Gathers the operations of all calls in flight into one scripted call per turn of the event loop, and tells each its answer.

The store decides a batch at once and in order. Operations that may be refused fail when the store does not answer; settlements and
leavings are owed, and are sent again until it does: repeating them changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.stores.redis.connection import RedisConnection, Unreachable
from onevault.stores.redis.keys import KEYS_OF_SCOPE, TenantKeys
from onevault.stores.redis.operations import OK, REFUSED, Answer, Operation
from onevault.stores.redis.scripts import Script, batch_script
from onevault.stores.redis.settings import RedisSettings

_AWAY: Final = "The store that counts limits and budgets does not answer; nothing was counted. Try again in a moment."
_CLOSING_LOOK_S: Final = 0.01
_EMPTY: Final = b"EMPTY"
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[list[str], list[list[Any]]]).decode

OWED: Final[Answer] = [OK]
"""Answered for an operation that the store will be told of later."""

_NOT_SENT: Final = Unreachable("too many operations wait for the store", is_known_undone=True)

Sweep = Callable[["Lane", list[str]], None]


class Lane:
    """What one tenant's operations wait in: a batch must not touch two hash slots."""

    __slots__ = ("is_busy", "is_retrying", "is_scheduled", "keys", "owed", "refused", "sweeping", "waiting")

    def __init__(self, tenant_id: str) -> None:
        self.keys = TenantKeys(tenant_id)
        self.waiting: deque[Operation] = deque()
        self.owed: deque[Operation] = deque()
        self.refused: list[Operation] = []
        self.is_busy = self.is_scheduled = self.is_retrying = self.sweeping = False


class Batches:
    """The operations of this process. `on_expired` is told of calls whose lease has run out; it answers with `swept`.

    `on_empty` is told (once per batch) that the store has lost its data and has to be filled before it counts again.
    """

    def __init__(self, connection: RedisConnection, settings: RedisSettings, *, owner: str = "") -> None:
        """`owner` is what the store knows this process by: `PLACE#` and what tells it from others of that place."""
        self._connection = connection
        self.owner = owner
        self.settings = settings
        self._script = batch_script(settings)
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._owed = 0
        self.on_expired: Sweep | None = None
        self.on_empty: Callable[[str], None] | None = None
        self.last_failure = ""
        """Why the store was last found not to answer, for the log; not for callers."""

    @property
    def owed(self) -> int:
        """How many settlements and leavings did not get through, and have not been taken since. One that is on its way again counts."""
        return self._owed

    def lane(self, tenant_id: str) -> Lane:
        lane = self._lanes.get(tenant_id)
        if lane is None:
            lane = self._lanes[tenant_id] = Lane(tenant_id)
        return lane

    async def ask(self, lane: Lane, operation: Operation) -> Answer:
        """The store's answer. Raises Fault STORE_UNAVAILABLE; an owed operation answers OWED instead, while there is room."""
        self.put(lane, operation)
        future = operation.future
        try:
            return await future
        except asyncio.CancelledError:
            # Cancelled while the answer was on its way through the event loop: the caller has not learnt of it.
            has_answer = future.done() and not future.cancelled() and future.exception() is None
            if has_answer and operation.undo is not None and future.result()[0] == OK:
                self.put(lane, operation.undo())
            raise

    async def read(self, script: Script, keys: Sequence[str], given: Sequence[bytes | str | int]) -> bytes:
        """The answer of a script that changes nothing, beside the batches. Raises Fault STORE_UNAVAILABLE."""
        try:
            return await self._connection.run(script, keys, given, timeout_s=self.settings.restore_step_timeout_s)
        except Unreachable as error:
            raise self.away() from error

    def put(self, lane: Lane, operation: Operation) -> None:
        """Sends an operation with the next batch; its future has the answer."""
        if self._is_closed or len(lane.waiting) >= self.settings.operations_waiting_max:
            self._undone(lane, operation, _NOT_SENT)
            return
        lane.waiting.append(operation)
        if not lane.is_scheduled:
            lane.is_scheduled = True
            asyncio.get_running_loop().call_soon(self._send_waiting, lane)

    def away(self) -> Fault:
        """What callers are told when nothing could be counted."""
        return Fault(FaultKind.STORE_UNAVAILABLE, _AWAY, retry_after_s=self.settings.retry_after_s)

    def swept(self, lane: Lane) -> None:
        """Expired calls have been given back: what was refused meanwhile is tried again."""
        lane.sweeping = False
        refused, lane.refused = lane.refused, []
        for operation in refused:
            self.put(lane, operation)

    async def close(self) -> None:
        """Sends what is owed, for as long as settings allow; what is left is in the journal."""
        looks_max = int(self.settings.close_timeout_s / _CLOSING_LOOK_S)
        for _ in range(looks_max):
            if not self._tasks and not any(lane.waiting or lane.owed for lane in self._lanes.values()):
                break
            await asyncio.sleep(_CLOSING_LOOK_S)
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _send_waiting(self, lane: Lane) -> None:
        lane.is_scheduled = False
        if lane.waiting and not lane.is_busy:
            self._send(lane, _taken(lane.waiting, self.settings.operations_per_batch_max))

    def _send(self, lane: Lane, operations: list[Operation]) -> None:
        """One batch is on its way at a time, so the store sees operations in their order; the others gather for the next."""
        lane.is_busy = True
        task = asyncio.get_running_loop().create_task(self._run(lane, operations))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: Lane, operations: list[Operation]) -> None:
        keys, minutes_after, bodies = _packed(lane.keys, operations)
        try:
            answer = await self._connection.run(self._script, keys, (_encode(bodies), minutes_after, self.owner))
        except Unreachable as error:
            self._failed(lane, operations, error)
        except asyncio.CancelledError:
            self._failed(lane, operations, Unreachable("closed", is_known_undone=False))
            raise
        else:
            if answer == _EMPTY:
                self._failed(lane, operations, Unreachable("the store has lost its data", is_known_undone=True))
                if self.on_empty is not None:
                    self.on_empty(lane.keys.tenant_id)
            else:
                expired, answers = _decode(answer)
                self._answered(lane, operations, expired, answers)
        finally:
            lane.is_busy = False
            if lane.waiting and not lane.is_scheduled:
                # After those whom the answers woke have said what they want next.
                lane.is_scheduled = True
                asyncio.get_running_loop().call_soon(self._send_waiting, lane)

    def _answered(
        self, lane: Lane, operations: list[Operation], expired: list[str], answers: Iterable[list[Any]]
    ) -> None:
        for operation, answer in zip(operations, answers, strict=True):
            if answer[0] == REFUSED and (expired or lane.sweeping) and self._may_try_again(operation):
                lane.refused.append(operation)
            else:
                self._done(lane, operation, answer)
        if expired and not lane.sweeping and self.on_expired is not None:
            lane.sweeping = True
            self.on_expired(lane, expired)
        # The store is back: what is owed goes with the next batches.
        lane.waiting.extend(_taken(lane.owed, self.settings.operations_per_batch_max))

    def _may_try_again(self, operation: Operation) -> bool:
        operation.sweeps += 1
        return self.on_expired is not None and operation.sweeps <= self.settings.sweeps_per_operation_max

    def _done(self, lane: Lane, operation: Operation, answer: Answer) -> None:
        future = operation.future
        if operation.has_failed:
            self._owed -= 1
        if not future.done():
            future.set_result(answer)
        elif operation.undo is not None and answer[0] == OK and future.cancelled():
            # Its caller has gone and will never give back what it was just given.
            self.put(lane, operation.undo())
        if operation.after is not None:
            operation.after()

    def _failed(self, lane: Lane, operations: list[Operation], reason: Unreachable) -> None:
        self.last_failure = str(reason)
        waiting = list(lane.waiting)
        lane.waiting.clear()
        for operation in operations:
            self._undone(lane, operation, reason)
        for operation in waiting:
            # They have waited for the time of a whole command; the next to come find out whether the store is back.
            self._undone(lane, operation, _NOT_SENT)
        if lane.owed and not lane.is_retrying and not self._is_closed:
            lane.is_retrying = True
            asyncio.get_running_loop().call_later(self.settings.owed_retry_s, self._retry_owed, lane)

    def _undone(self, lane: Lane, operation: Operation, reason: Unreachable) -> None:
        has_room = len(lane.owed) < self.settings.owed_max
        if operation.is_owed and has_room:
            self._owe(lane, operation)
            if not operation.future.done():
                operation.future.set_result(OWED)
            return
        self._owed -= operation.has_failed
        if operation.undo is not None and not reason.is_known_undone and has_room:
            self._owe(lane, operation.undo())
        if not operation.future.done():
            fault = self.away()
            fault.__cause__ = reason
            operation.future.set_exception(fault)

    def _owe(self, lane: Lane, operation: Operation) -> None:
        self._owed += not operation.has_failed
        operation.has_failed = True
        lane.owed.append(operation)

    def _retry_owed(self, lane: Lane) -> None:
        """Sends one batch of what is owed, unless another is on its way that will show whether the store is back."""
        lane.is_retrying = False
        if lane.owed and not lane.is_busy and not self._is_closed:
            self._send(lane, _taken(lane.owed, self.settings.operations_per_batch_max))


def _taken(operations: deque[Operation], most: int) -> list[Operation]:
    if len(operations) <= most:
        taken = list(operations)
        operations.clear()
        return taken
    return [operations.popleft() for _ in range(most)]


def _packed(tenant: TenantKeys, operations: list[Operation]) -> tuple[list[str], int, list[tuple[Any, ...]]]:
    """The keys that operations touch, each once; after how many of them those of minutes begin; and the operations with their
    keys as places (from 1) among both kinds."""
    keys = [tenant.leases, tenant.ready]
    minutes: list[str] = []
    places: dict[str, int] = {"": 0}
    of_tuples: dict[int, list[int]] = {}
    bodies: list[tuple[Any, ...]] = []
    for operation in operations:
        scope_keys = operation.scope_keys
        found = of_tuples.get(id(scope_keys))
        if found is None:
            found = of_tuples[id(scope_keys)] = []
            for number, key in enumerate(scope_keys):
                place = places.get(key)
                if place is None:
                    among = minutes if number % KEYS_OF_SCOPE else keys
                    among.append(key)
                    place = places[key] = len(among)
                found.append(place)
        call_key = operation.call_key
        call_place = places.get(call_key)
        if call_place is None:
            keys.append(call_key)
            call_place = places[call_key] = len(keys)
        bodies.append((operation.name, call_place, found, operation.given))
    return keys + minutes, len(keys), bodies
