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
    "gpt-3.5-turbo-instruct",
    "text-embedding-3-small",
    "gpt-image-1",
    "gpt-4o-mini-tts",
    "tts-1",
    "whisper-1",
    "gpt-4o-transcribe",
    "omni-moderation-latest",
    "claude-opus-4-5",
    "claude-sonnet-4-6",
    "claude-haiku-4-5",
    "gemini-2.5-flash",
    "gemini-2.5-pro",
    "gemini-2.5-flash-image",
    "gemini-3-pro-preview",
    "gemini-embedding-001",
    "text-embedding-005",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "amazon.nova-lite-v1:0",
    "amazon.titan-embed-text-v2:0",
    "cohere.embed-english-v3",
    "command-a-03-2025",
    "embed-v4.0",
    "rerank-v3.5",
    "llama3.2",
    "sim-image",
    "sim-speech",
    "sim-transcribe",
    "sim-moderation",
    "sim-rerank",
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
    conversations_kept_max: int = 1_000
    conversations_bytes_max: int = 64 << 20
    linger_s: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Settings(Behaviour):
    """`models` empty: every model is known, and `DEFAULT_MODELS` are listed. `keys` empty: every key is accepted.

    A request to Bedrock that is signed must be signed with the pair of AWS keys.

    `directives` false: requests cannot ask for a behaviour, and what looks like a directive is text.
    `record_calls` keeps the last calls for `GET /_simulator/calls`; `record_bodies` keeps their bodies too.
    """

    seed: int = 0
    models: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    aws_access_key: str = "AKIASIMULATED"
    aws_secret_key: str = "simulated-secret"  # noqa: S105  # everyone may know it
    embedding_dimensions: int = 1536
    directives: bool = True
    record_calls: bool = False
    record_bodies: bool = False
    limits: Limits = field(default_factory=Limits)
