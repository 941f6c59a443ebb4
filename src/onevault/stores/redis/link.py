"""One connection to a store, on which one command is under way at a time: writes it, and gives its answer as soon as it is whole.

redis-py has made the connection (TLS, credentials, database) and hands over its transport. Its own way of reading, through a stream,
a parser that awaits it and a timeout of each, costs as much as all the rest of a batch.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hiredis import Reader
from redis.asyncio.connection import AbstractConnection


class CommandTimeout(Exception):
    """No answer came in time; the connection is closed, as it may still come."""


class Link(asyncio.Protocol):
    """`is_open` until the store or `close` has closed it."""

    __slots__ = ("_answer", "_answers", "_kept", "_loop", "_reader", "_timer", "_transport", "_wanted", "is_open")

    def __init__(self, connection: AbstractConnection) -> None:
        """Takes over a connection that is ready for commands."""
        # There is no public way to it. The writer is kept, as it closes what it writes to when it is forgotten.
        opened: Any = connection
        self._kept = opened._writer
        opened._reader = opened._writer = None
        self._transport = cast("asyncio.Transport", self._kept.transport)
        self._transport.set_protocol(self)
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(replyError=Exception)
        self._answer: asyncio.Future[Any] | None = None
        self._answers: list[Any] = []
        self._wanted = 1
        self._timer: asyncio.TimerHandle | None = None
        self.is_open = not self._transport.is_closing()

    def ask(self, packed: bytes, timeout_s: float, *, commands: int = 1) -> asyncio.Future[Any]:
        """A command's answer, or of several that are written at once a list of all; errors of the store's are Exceptions with their text.

        The future raises ConnectionResetError where the connection is lost, and CommandTimeout. Whoever stops waiting for it must
        `close`: the answer of one command is never taken for that of the next."""
        self._answer = answer = self._loop.create_future()
        self._wanted = commands
        if self.is_open:
            self._transport.write(packed)
            self._timer = self._loop.call_later(timeout_s, self._too_late)
        else:
            answer.set_exception(ConnectionResetError("the store had closed the connection"))
        return answer

    def close(self) -> None:
        """At once. A second call does nothing."""
        self.is_open = False
        self._transport.abort()
        self._end(ConnectionResetError("closed"))

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            reply = self._reader.gets()
        except Exception as error:  # noqa: BLE001  # hiredis raises its own and more: what is no reply is no store
            self._end(ConnectionResetError(f"not what a store says: {error}"))
            self.close()
            return
        if reply is False:
            return
        if self._wanted == 1:
            self._end(reply)
            return
        while reply is not False:
            self._answers.append(reply)
            reply = self._reader.gets()
        if len(self._answers) >= self._wanted:
            answers, self._answers = self._answers, []
            self._end(answers)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._end(ConnectionResetError(str(exc or "the store closed the connection")))

    def _too_late(self) -> None:
        self._end(CommandTimeout("the store did not answer in time"))
        self.close()

    def _end(self, reply: Any) -> None:
        answer, timer = self._answer, self._timer
        self._answer = self._timer = None
        if timer is not None:
            timer.cancel()
        if answer is not None and not answer.done():
            if isinstance(reply, (ConnectionResetError, CommandTimeout)):
                answer.set_exception(reply)
            else:
                answer.set_result(reply)
