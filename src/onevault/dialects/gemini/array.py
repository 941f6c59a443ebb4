"""Reads what a stream in the form of one JSON array owes, member by member as they come."""

from __future__ import annotations

import re

from onevault.core.events import Event, Finished, Passed
from onevault.dialects.gemini.passing import AnswerWatch
from onevault.dialects.wire.provider_faults import cut_short, malformed

MEMBER_BYTES_MAX = 32 << 20
_MARK = re.compile(rb'["\\{}\[\]]')
_IN_TEXT = re.compile(rb'["\\]')


class MemberCutter:
    """Cuts an array into its members, which are objects, wherever its bytes are split. Says nothing about what they contain."""

    __slots__ = ("_at", "_buffer", "_depth", "_in_text", "_start", "closed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = self._start = self._depth = 0
        self._in_text = False
        self.closed = False

    def feed(self, data: bytes) -> list[bytes]:
        """The members that are complete now. Raises Fault PROVIDER_ERROR for one without end."""
        self._buffer += data
        members: list[bytes] = []
        while (found := (_IN_TEXT if self._in_text else _MARK).search(self._buffer, self._at)) is not None:
            mark, self._at = self._buffer[found.start()], found.end()
            if mark == 0x5C:  # whatever the backslash escapes is no mark
                if self._at == len(self._buffer):
                    self._at = found.start()
                    break
                self._at += 1
            elif mark == 0x22:
                self._in_text = not self._in_text
            elif mark in b"{[":
                self._depth += 1
                if self._depth == 2:
                    self._start = found.start()
            else:
                self._depth -= 1
                if self._depth == 1:
                    members.append(bytes(self._buffer[self._start : self._at]))
                self.closed = self._depth <= 0
        else:
            self._at = len(self._buffer)
        self._forget()
        return members

    def _forget(self) -> None:
        done = self._start if self._depth > 1 else self._at
        del self._buffer[:done]
        self._at -= done
        self._start = 0
        if len(self._buffer) > MEMBER_BYTES_MAX:
            raise malformed("an answer that is not in its dialect", bytes(self._buffer[:1000]))


class PassingArray:
    """Passes an array that is streamed, and reports its usage."""

    __slots__ = ("_cutter", "_watch")

    def __init__(self) -> None:
        self._cutter = MemberCutter()
        self._watch = AnswerWatch()

    def feed(self, data: bytes) -> list[Event]:
        seen: list[Event] = []
        output_bytes = sum(self._watch.see(member, seen) for member in self._cutter.feed(data))
        return [Passed(data, output_bytes), *seen]

    def close(self) -> list[Event]:
        if not self._cutter.closed or not self._watch.complete:
            raise cut_short()
        return [Finished()]
