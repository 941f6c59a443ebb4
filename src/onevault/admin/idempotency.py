"""Makes a repeated POST answer what the first one did, instead of doing it twice, in whichever process it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from onevault.admin.outputs import Output
from onevault.core.faults import Fault, FaultKind
from onevault.core.ports import Answers, Clock

GIVEN_UP_MS = 60_000
"""A first attempt whose process died leaves no answer; after this it may be made again."""

A = TypeVar("A", bound=Output)


class _Kept(msgspec.Struct):
    """An answer as it is kept: a fault's kind, or the name of the model; then what is needed to give it again."""

    fault: str = ""
    message: str = ""
    param: str | None = None
    model: str = ""
    value: msgspec.Raw = msgspec.Raw(b"null")


class Idempotency:
    """Answers by `Idempotency-Key`, kept where all processes find them, for a day.

    Requests of one process with one key wait for each other, so a repetition that overtakes the first one finds its answer; in
    another process it is told to come again. A fault is not kept: what failed may be tried again with the same key.
    """

    def __init__(self, clock: Clock, answers: Answers) -> None:
        self._clock = clock
        self._answers = answers
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def once(
        self,
        key: str | None,
        fingerprint: str,
        act: Callable[[], Awaitable[A]],
        *,
        by: str,
        keep: Callable[[A], A | Fault] = lambda answer: answer,
    ) -> A:
        """Acts and keeps `keep(answer)`; a repetition gets that, raised if it is a Fault. `fingerprint` says what is asked,
        `by` who asks: nobody is answered with what another was.

        Raises Fault CONFLICT where the key was used to ask for something else, or is just being answered elsewhere.
        """
        if key is None:
            return await act()
        digest, asked = sha256(f"{by} {key}".encode()).digest(), sha256(fingerprint.encode()).digest()
        lock = self._locks.setdefault(digest, asyncio.Lock())
        async with lock:
            now_ms = self._clock.wall_ns() // 1_000_000
            known = await self._answers.begin(digest, asked, now_ms=now_ms, gives_up_ms=GIVEN_UP_MS)
            if known is None:
                try:
                    answer = await act()
                except Exception:
                    await self._answers.forget(digest)
                    raise
                await self._answers.keep(digest, _kept(keep(answer)))
                return answer
        if known.fingerprint != asked:
            message = "This Idempotency-Key was used for a different request; use a new one."
            raise Fault(FaultKind.CONFLICT, message, param="Idempotency-Key")
        if known.answer is None:
            message = "The first request with this Idempotency-Key is still being carried out; send this one again in a moment."
            raise Fault(FaultKind.CONFLICT, message, param="Idempotency-Key")
        given: A = _given(known.answer)
        return given


def _kept(answer: Output | Fault) -> bytes:
    if isinstance(answer, Fault):
        return msgspec.json.encode(_Kept(fault=answer.kind.value, message=answer.message, param=answer.param))
    value = msgspec.Raw(answer.model_dump_json(by_alias=True).encode())
    return msgspec.json.encode(_Kept(model=type(answer).__name__, value=value))


def _given(raw: bytes) -> Any:
    """The answer again. Raises the fault that was kept in its place."""
    kept = msgspec.json.decode(raw, type=_Kept)
    if kept.fault:
        raise Fault(FaultKind(kept.fault), kept.message, param=kept.param)
    model = next((each for each in _models(Output) if each.__name__ == kept.model), None)
    if model is None:
        message = "This was done already, by another version of the gateway; read what there is."
        raise Fault(FaultKind.CONFLICT, message, param="Idempotency-Key")
    return model.model_validate_json(bytes(kept.value))


def _models(base: type[Output]) -> Iterator[type[Output]]:
    for each in base.__subclasses__():
        yield each
        yield from _models(each)
