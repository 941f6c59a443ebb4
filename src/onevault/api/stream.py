"""Writes one streamed answer: events as they come, the cost before the end, a comment when the provider is silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from onevault.api.asgi import Headers, Send
from onevault.core.codec import AnswerFacts, AnswerWriter
from onevault.core.events import Event, Finished
from onevault.core.faults import Fault
from onevault.core.money import format_usd

_STREAM_HEADERS: Headers = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


class Stream:
    """Open once its headers are written. One send a batch; every send carries whole frames, so a comment fits between."""

    __slots__ = ("_beat", "_beating", "_finished", "_heartbeat_s", "_loop", "_send", "_sent_at", "_writer")

    def __init__(self, send: Send, writer: AnswerWriter, *, heartbeat_s: float) -> None:
        self._send = send
        self._writer = writer
        self._heartbeat_s = heartbeat_s
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._finished: Event = Finished()
        self._beat: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, send: Send, writer: AnswerWriter, headers: Headers, *, status: int, heartbeat_s: float
    ) -> Stream:
        await send({"type": "http.response.start", "status": status, "headers": headers + _STREAM_HEADERS})
        return cls(send, writer, heartbeat_s=heartbeat_s)

    async def relay(self, batches: AsyncIterator[Sequence[Event]]) -> None:
        """Writes events until the provider's answer is complete; its closing frame is kept for `finish`."""
        self._beat = self._loop.call_later(self._heartbeat_s, self._silent)
        try:
            async for events in batches:
                if type(events[-1]) is Finished:
                    self._finished = events[-1]
                    events = events[:-1]
                frames = self._writer.write(events)
                if frames:
                    await self._send({"type": "http.response.body", "body": frames, "more_body": True})
                    self._sent_at = self._loop.time()
        finally:
            self._beat.cancel()

    async def finish(self, facts: AnswerFacts) -> None:
        """Tells the cost, then ends the stream as its dialect does."""
        comment = self._writer.comment(f"x-gateway-cost-usd {format_usd(facts.cost)}")
        end = self._writer.finish(self._finished, facts)
        await self._send({"type": "http.response.body", "body": comment + end})

    def error_frame(self, fault: Fault) -> bytes | None:
        """As the writer would say it; None where it leaves that to the dialect."""
        return self._writer.error_frame(fault)

    async def fail(self, frame: bytes) -> None:
        """Ends a stream that broke with an error event: nothing in it says that the answer is complete."""
        await self._send({"type": "http.response.body", "body": frame})

    def _silent(self) -> None:
        waited = self._loop.time() - self._sent_at
        if waited >= self._heartbeat_s * 0.99:
            self._beating = self._loop.create_task(self._keep_alive())
            waited = 0.0
        self._beat = self._loop.call_later(self._heartbeat_s - waited, self._silent)

    async def _keep_alive(self) -> None:
        self._sent_at = self._loop.time()
        comment = self._writer.comment("keep-alive")
        if comment:
            await self._send({"type": "http.response.body", "body": comment, "more_body": True})
