"""A request to a provider's own path, whose bytes pass untouched both ways; only what they cost is read off them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from onevault.core.codec import NO_NEEDS, Canonical, Extensions, Incoming, InputSize, WireRequest
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Capability, Dialect, Operation


class RelayedIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """Implements `Incoming` for `ANY /passthrough/{provider}/{path}`.

    `path` (with its query) is what the provider is sent, `model` is `provider/model` as the catalog knows it, `headers` are the
    caller's without credentials. `understood` is the same request read as the dialect that its path belongs to, where that
    could be done; None: its input is bounded by its length, and its output by the model. `unbounded` says why no more can be known
    of what it may cost ("": it can).
    """

    body: bytes
    method: str
    path: str
    content_type: str
    headers: tuple[tuple[str, str], ...]
    model: str
    dialect: Dialect
    operation: Operation
    size: InputSize
    understood: Incoming | None = None
    unbounded: str = ""
    output_tokens_asked: int | None = None
    choices: int = 1
    service_tier: str | None = None
    end_user: str | None = None
    metadata: Mapping[str, str] = {}
    extensions: Extensions = Extensions()
    needs: frozenset[Capability] = NO_NEEDS
    stream: bool = True

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        return WireRequest(self.path, self.body, self.headers, content_type=self.content_type, method=self.method)

    def canonical(self) -> Canonical:
        raise Fault(FaultKind.UNSUPPORTED_PARAMETER, "A relayed request is not translated.")

    def with_header_extensions(self, extensions: Extensions) -> RelayedIncoming:
        return msgspec.structs.replace(self, extensions=extensions)
