"""What a surface knows of a call before the first stage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from onevault.core.codec import Incoming
from onevault.pipeline.drain import Drain


class CallerGone(Exception):
    """The caller closed its connection, and nobody is left to be told anything."""


class Presence:
    """Whether the caller is still there. A call whose caller leaves is cancelled, unless there is a `drain` that takes the running
    attempt over: it then cancels the call later."""

    __slots__ = ("_cancel", "drain", "gone")

    def __init__(self, cancel: Callable[[], object]) -> None:
        self._cancel = cancel
        self.gone = False
        self.drain: Drain | None = None

    def leave(self) -> None:
        """The caller's connection is lost. To be said once."""
        self.gone = True
        if self.drain is None or not self.drain.begin(self._cancel):
            self._cancel()

    def attempt_ended(self) -> None:
        """Nothing is left that could be drained."""
        if self.drain is not None:
            self.drain.end()
            self.drain = None


@dataclass(frozen=True, slots=True)
class CallerRequest:
    """A request as it came in. `read` takes in its body and checks it, once the caller is known and admitted."""

    call_id: str
    started_ns: int
    credential: str | None
    read: Callable[[], Awaitable[Incoming]]
    address: str = ""
    user_agent: str = ""
    passed_headers: tuple[tuple[str, str], ...] = ()
    """Headers of the caller that its provider may want (`anthropic-beta`), names in lower case."""
    presence: Presence = field(default_factory=lambda: Presence(lambda: None))

    @property
    def asks_for_context(self) -> bool:
        """Whether a passed header may switch on a longer context than the model is known to have."""
        return any(name.endswith("-beta") and "context" in value for name, value in self.passed_headers)
