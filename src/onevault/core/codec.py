"""The two sides of a dialect: how a caller's request is read and answered, and how a provider's is written and decoded.

All of it is pure. Ingress is what `api/` calls, egress is what `upstream/` calls; the pipeline sees only `Incoming`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from onevault.core.chat import ChatRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.events import Event
from onevault.core.faults import Fault
from onevault.core.money import ZERO, Nanos
from onevault.core.operations import Capability, Dialect, Operation
from onevault.core.usage import NO_USAGE, Usage

Canonical = ChatRequest | EmbeddingsRequest
"""What a request of one dialect becomes for a target of another; each codec takes the kind that its operation has."""

NO_NEEDS: frozenset[Capability] = frozenset()


class Routing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's wishes on where the call goes (the `routing` extension)."""

    providers: tuple[str, ...] = ()
    preferred_models: tuple[str, ...] = ()
    strategy: str | None = None
    fallback: bool = True
    region: str | None = None


OnInsufficient = Literal["reject", "clamp"]
"""What becomes of a call whose worst case costs more than is left: it is refused, or its output limit is lowered to what is paid for."""


OnExhausted = Literal["cut", "top_up"]
"""What becomes of a stream that uses up what is held for it: it is ended there, or goes on while its hold can be enlarged."""


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's own money limits (the `budget` extension), in US dollars as written. `on_…` None: as configured."""

    max_cost_per_request: float | None = None
    max_cost_per_day: float | None = None
    on_insufficient: OnInsufficient | None = None
    on_exhausted: OnExhausted | None = None


class Extensions(msgspec.Struct, frozen=True):
    """What a caller tells the gateway itself; removed before a provider sees the request. `metadata` is what came as a
    header, recorded beside the body's own. `strict`: whatever would be dropped is a fault instead. `names_models`: the body names
    further models among which its provider may choose (OpenRouter's `models`)."""

    routing: Routing = Routing()
    budget: Budget = Budget()
    metadata: dict[str, str] = {}
    strict: bool = False
    names_models: bool = False


class InputSize(msgspec.Struct, frozen=True, gc=False):
    """What the input can cost at most and probably does: an upper bound in tokens that no tokenizer exceeds, and an estimate.

    Beside tokens, what some models charge by: characters to speak, milliseconds to hear (at most), images to make, searches
    to do (at most).
    """

    tokens_at_most: int
    tokens_estimated: int
    characters: int = 0
    audio_ms_at_most: int = 0
    images: int = 0
    searches_at_most: int = 0
    audio_ms_estimated: int = 0
    charged_apart: str = ""
    """A tool of the provider's that it charges for beside tokens and searches, whose fee nothing here tells ("": none)."""
    """Probably; 0: as at most."""


class RequestLine(msgspec.Struct, frozen=True):
    """What of a request's head a dialect may have to read beside the body. `path` is decoded and has no query."""

    path: str = ""
    query: Mapping[str, str] = {}
    content_type: str = "application/json"
    method: str = "POST"
    raw_path: str = ""
    """As it was written, percent signs and all."""
    raw_query: str = ""
    headers: list[tuple[bytes, bytes]] | tuple[()] = ()
    """Names in lower case."""


PLAIN = RequestLine()


class WireRequest(msgspec.Struct, frozen=True):
    """What a codec wrote for a provider. `path` (with its query) is relative to the API's versioned base URL (`…/v1`);
    `dropped` names tuning hints left out. `content_type` of the body, where it is not JSON."""

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    content_type: str = "application/json"
    method: str = "POST"


class AnswerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway knows of a call when its answer is complete and paid, for dialects that tell it in the body."""

    request_id: str = ""
    provider: str = ""
    model: str = ""
    cost: Nanos = ZERO
    cached: bool = False
    usage: Usage = NO_USAGE
    route_reason: str = ""


NO_FACTS = AnswerFacts()


class Incoming(Protocol):
    """A caller's request, read and valid."""

    @property
    def body(self) -> bytes:
        """The caller's own bytes."""

    @property
    def dialect(self) -> Dialect: ...
    @property
    def operation(self) -> Operation: ...
    @property
    def model(self) -> str | None:
        """As the caller wrote it; None if absent."""

    @property
    def stream(self) -> bool: ...
    @property
    def output_tokens_asked(self) -> int | None:
        """The caller's limit on output tokens of one choice; None if unsaid."""

    @property
    def choices(self) -> int: ...
    @property
    def size(self) -> InputSize: ...
    @property
    def extensions(self) -> Extensions: ...
    @property
    def needs(self) -> frozenset[Capability]:
        """What a model must be able to, or it cannot serve this request."""

    @property
    def service_tier(self) -> str | None:
        """The provider's tier that the caller asked for, in the dialect's word (`flex`, `priority`, `batch`); None if unsaid."""

    @property
    def metadata(self) -> Mapping[str, str]: ...
    @property
    def end_user(self) -> str | None: ...

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        """For a target of the same dialect: the caller's own bytes, but for the model, the extensions taken out, the output
        limit where it is given (it replaces or adds the caller's), in a stream the ask for usage, and thinking of earlier
        turns that another provider signed, which is left out and named `thinking` in `dropped`."""

    def canonical(self) -> Canonical:
        """For a target of another dialect. Raises Fault UNSUPPORTED_PARAMETER for meaning it cannot carry, with the path."""

    def with_header_extensions(self, extensions: Extensions) -> Incoming:
        """The same request with extensions that came as headers (they yield to those in the body)."""


class Decoder(Protocol):
    """Turns a provider's bytes into events. Any split of the bytes gives the same events, joined the same way.

    Both verbs raise Fault: PROVIDER_ERROR for bytes that are not the dialect, for an answer that ends early (`close` without
    the dialect's terminator seen) and for error frames inside a stream, with the kind that the frame means. What was sound of
    the bytes given to `feed` is in the fault's `read_before`.
    """

    def feed(self, data: bytes) -> list[Event]: ...
    def close(self) -> list[Event]: ...


class Codec(Protocol):
    """How one operation is spoken to providers of one dialect."""

    @property
    def dialect(self) -> Dialect: ...
    @property
    def wire_paths(self) -> tuple[str, ...]:
        """The paths (without query) that its requests have, as in `WireRequest.path`; a `{model}` in them is any text."""

    def encode(self, request: Canonical, *, output_tokens_max: int, adaptive_thinking: bool = True) -> WireRequest:
        """A canonical request in this dialect. `output_tokens_max` is the model's or policy's limit, used where the dialect
        demands one and the caller gave none; `adaptive_thinking` tells whether the model decides itself how much to think.
        Raises Fault UNSUPPORTED_PARAMETER."""

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        """A decoder of one answer. With `passing` (the caller's request in this same dialect), content comes as `Passed`."""

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        """What an error answer means. Keeps `retry-after`; never raises."""


class AnswerWriter(Protocol):
    """Writes one answer in the caller's dialect. The content types are None where the provider's own is passed on."""

    @property
    def whole_type(self) -> str | None: ...
    @property
    def stream_type(self) -> str | None: ...
    def comment(self, text: str) -> bytes:
        """Bytes between two frames of a stream that its clients skip; b"" where the dialect has no such thing."""

    def error_frame(self, fault: Fault) -> bytes | None:
        """A fault after the first byte, where this stream's form has a way of its own to say it; None: as the dialect's events do."""

    def write(self, events: Sequence[Event]) -> bytes:
        """Frames of a stream for these events (b"" where they need none yet). Not for `Finished`."""

    def finish(self, finished: Event, facts: AnswerFacts = NO_FACTS) -> bytes:
        """The closing frames of a stream, written after the cost is known and told."""

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        """The body of an answer that is not streamed: the fold over all its events."""


class Ingress(Protocol):
    """How callers of one dialect are read and answered."""

    @property
    def dialect(self) -> Dialect: ...
    @property
    def paths(self) -> tuple[str, ...]:
        """Where its callers POST to. One part of a path may be `{model}`, which matches any text, slashes too."""

    @property
    def takes(self) -> str | None:
        """The content type of its requests: `application/json` or `multipart/form-data`; None: any."""

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        """Raises Fault INVALID_REQUEST with the path of the field at fault."""

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter: ...

    def error_body(self, fault: Fault, *, request_id: str) -> bytes:
        """A fault as this dialect's error document."""

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        """A fault after the first byte of a stream, as an event of this dialect; nothing may follow it."""
