"""What a simulator is started with: how every call behaves that does not ask otherwise, whom it knows, what it records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from onevault.simulator.behaviour import Behaviour

DEFAULT_MODELS: Final = (
    "gpt-5",
    "gpt-5-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "text-embedding-3-small",
    "claude-opus-4-5",
    "claude-sonnet-4-6",
    "claude-haiku-4-5",
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the simulator takes in and keeps at most."""

    body_bytes_max: int = 64 << 20
    header_bytes_max: int = 256 << 10
    pipelined_requests_max: int = 64
    write_buffer_bytes_max: int = 1 << 20
    calls_kept_max: int = 10_000
    ids_counted_max: int = 10_000
    linger_s: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Settings(Behaviour):
    """`models` empty: every model is known, and `DEFAULT_MODELS` are listed. `keys` empty: every key is accepted.

    `directives` false: requests cannot ask for a behaviour, and what looks like a directive is text.
    `record_calls` keeps the last calls for `GET /_simulator/calls`; `record_bodies` keeps their bodies too.
    """

    seed: int = 0
    models: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    embedding_dimensions: int = 1536
    directives: bool = True
    record_calls: bool = False
    record_bodies: bool = False
    limits: Limits = field(default_factory=Limits)
