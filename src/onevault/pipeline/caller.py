"""What a surface knows of a call before the first stage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from onevault.core.codec import Incoming


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

    @property
    def asks_for_context(self) -> bool:
        """Whether a passed header may switch on a longer context than the model is known to have."""
        return any(name.endswith("-beta") and "context" in value for name, value in self.passed_headers)
