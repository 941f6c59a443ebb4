"""How many tokens a scope has spoken for in the last 60 seconds: held ones at first, the real ones once they are known."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from onevault.core.identity import Limit, ScopeId
from onevault.core.ports import RateStanding
from onevault.core.windows import NS_PER_S
from onevault.stores.memory.swept import Swept

MINUTE_NS: Final = 60 * NS_PER_S
SLICE_NS: Final = NS_PER_S // 10
"""Calls closer together than this are counted together and leave together, with the last of them: never early, at most a
tenth of a second late. So a scope needs at most 600 slices however many calls it makes."""
CLOCK_STEP_NS: Final = 120 * NS_PER_S
"""A time that much older than the newest one means that the clock was set back; anything less, that the call took its time
to get here (its time is when it began), and it counts as if it came now."""


class TokenSlice:
    """Tokens of calls that began at about the same time. `minute` None: they have left the window."""

    __slots__ = ("first_ns", "last_ns", "minute", "tokens")

    def __init__(self, minute: TokenMinute, at_ns: int) -> None:
        self.minute: TokenMinute | None = minute
        self.first_ns = self.last_ns = at_ns
        self.tokens = 0

    def change(self, tokens: int) -> None:
        """Adds tokens, or takes them away; without effect on the window that they have left."""
        self.tokens += tokens
        if self.minute is not None:
            self.minute.tokens += tokens


class TokenMinute:
    """The sliding minute of one scope: `tokens` is its sum as of the last `advance`, `asked_ns` when it was last asked for."""

    __slots__ = ("asked_ns", "slices", "tokens")

    def __init__(self) -> None:
        self.slices: deque[TokenSlice] = deque()
        self.tokens = 0
        self.asked_ns = 0

    def advance(self, at_ns: int) -> int:
        """Lets go of what is older than a minute; the time that counts (never before the newest slice) is returned."""
        slices = self.slices
        if not slices:
            return at_ns
        ahead_ns = slices[-1].last_ns - at_ns
        if ahead_ns > 0:
            if ahead_ns <= CLOCK_STEP_NS:
                at_ns += ahead_ns
            else:
                for piece in slices:
                    piece.first_ns -= ahead_ns
                    piece.last_ns -= ahead_ns
        gone_ns = at_ns - MINUTE_NS
        while slices and slices[0].last_ns <= gone_ns:
            left = slices.popleft()
            left.minute = None
            self.tokens -= left.tokens
        return at_ns

    def slice_at(self, at_ns: int) -> TokenSlice:
        """The slice that a call at this time (as `advance` returned it) counts in."""
        if self.slices:
            newest = self.slices[-1]
            if at_ns - newest.first_ns < SLICE_NS:
                newest.last_ns = at_ns
                return newest
        added = TokenSlice(self, at_ns)
        self.slices.append(added)
        return added

    def fits_in_s(self, tokens: int, maximum: int, at_ns: int) -> float | None:
        """How long until so many tokens fit, as things stand; None if they never do."""
        excess = self.tokens + tokens - maximum
        if tokens > maximum:
            return None
        for piece in self.slices:
            excess -= piece.tokens
            if excess <= 0:
                return (piece.last_ns + MINUTE_NS - at_ns) / NS_PER_S
        return None


class TokenMinutes:
    """The sliding minutes of all scopes that have a limit of tokens per minute; idle ones are forgotten."""

    __slots__ = ("_minutes",)

    def __init__(self) -> None:
        self._minutes: Swept[ScopeId, TokenMinute] = Swept(_is_idle)

    def of(self, scope: ScopeId, at_ns: int) -> TokenMinute:
        """The minute of a scope, to be used within the minute (an idle one may be forgotten later)."""
        minute = self._minutes.get(scope) or self._minutes.add(scope, TokenMinute(), at_ns)
        minute.asked_ns = at_ns
        return minute

    def standing(self, limits: Sequence[Limit], now_ns: int) -> RateStanding | None:
        """The tightest of limits of tokens per minute. `reset_s` is when the oldest tokens leave, 0 if there are none."""
        tightest: RateStanding | None = None
        for limit in limits:
            remaining, reset_s = limit.maximum, 0.0
            minute = self._minutes.get(limit.scope)
            if minute is not None:
                # A settlement that comes late is no clock that was set back.
                newest_ns = minute.slices[-1].last_ns if minute.slices else now_ns
                at_ns = newest_ns if newest_ns - now_ns > CLOCK_STEP_NS else minute.advance(now_ns)
                remaining = max(0, remaining - minute.tokens)
                if minute.slices:
                    reset_s = (minute.slices[0].last_ns + MINUTE_NS - at_ns) / NS_PER_S
            if tightest is None or remaining < tightest.remaining:
                tightest = RateStanding(limit.maximum, remaining, reset_s)
        return tightest

    def __len__(self) -> int:
        return len(self._minutes)


def _is_idle(minute: TokenMinute, now_ns: int) -> bool:
    if abs(now_ns - minute.asked_ns) <= MINUTE_NS:
        return False
    minute.advance(now_ns)
    return not minute.slices
