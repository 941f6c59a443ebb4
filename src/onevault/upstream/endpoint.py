"""How a configured provider is reached: its address, its credential, and the HTTP request that a call becomes there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Final, Protocol
from urllib.parse import quote

import msgspec

from onevault.core.codec import WireRequest
from onevault.core.operations import Dialect, Operation
from onevault.core.relay import RelayedIncoming
from onevault.core.sending import Dispatch
from onevault.core.transport import HttpRequest, Origin

METADATA_ENTRIES_MAX: Final = 5
"""As many as Cloudflare keeps (developers.cloudflare.com/ai-gateway/observability/custom-metadata)."""

CREDENTIALS: Final = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "cf-aig-authorization")
"""The headers by which providers know the gateway."""

Header = tuple[str, str]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Signer(Protocol):
    """A credential that each request must be given anew: it signs the request, or has a lifetime."""

    async def headers(self, method: str, origin: Origin, path: str, body: bytes) -> tuple[Header, ...]:
        """What to add to this very request; `path` with its query, as it is sent. Raises Fault PROVIDER_ERROR or
        PROVIDER_TIMEOUT when no credential is to be had."""

    def without_secrets(self, text: str) -> str:
        """A provider may quote what it was sent."""


class Endpoint(msgspec.Struct, frozen=True):
    """How one configured provider is reached: where, with which credential, in which dialects, and which of the caller's
    headers it wants.

    `path_prefix` is the base URL's path, up to and with the API's version, without a trailing slash. `prefixes` says what
    comes between it and a dialect's own path, where it is not nothing; a `{model}` in it is the target's model, quoted.
    `query` (`api-version=…`) is added to every path. `model_headers` are sent with calls of a model, by its name.
    `metadata_header` is where a call's metadata goes as JSON, unless the caller says that header itself. `field_names` are those
    that it has for fields of OpenAI's chat, "" for those that it refuses, None for those that it does not need besides.
    """

    provider: str
    origin: Origin
    path_prefix: str
    headers: tuple[Header, ...]
    dialects: Mapping[Operation, tuple[Dialect, ...]]
    passes_headers: frozenset[str]
    prefixes: Mapping[Dialect, str] = {}
    query: str = ""
    signer: Signer | None = None
    model_headers: Mapping[str, tuple[Header, ...]] = {}
    metadata_header: str = ""
    stored_key: str = ""
    """The name of the key in the vault that it is called with; "": its headers and its signer are all."""
    field_names: Mapping[str, str | None] = {}


def in_its_names(wire: WireRequest, names: Mapping[str, str | None]) -> WireRequest:
    """The same request in a provider's own `names` of fields; what it has no name for is left out and named in `dropped`."""
    fields = _FIELDS.decode(wire.body)
    if names.keys().isdisjoint(fields):
        return wire
    dropped = wire.dropped
    for name in [name for name in fields if name in names]:
        value, written = fields.pop(name), names[name]
        if written:
            fields.setdefault(written, value)
        elif written is not None and bytes(value) != b"null":
            dropped = (*dropped, name)
    return msgspec.structs.replace(wire, body=msgspec.json.encode(fields), dropped=dropped)


def http_request(endpoint: Endpoint, wire: WireRequest, path: str, dispatch: Dispatch) -> HttpRequest:
    """What is sent for one attempt; `path` as `path_at` gives it."""
    headers = endpoint.headers
    if wire.content_type != "application/json":
        headers = tuple(header for header in headers if header[0] != "content-type")
        if wire.content_type:
            headers += (("content-type", wire.content_type),)
    if wire.headers:
        headers += wire.headers
    if dispatch.headers:
        headers += tuple(header for header in dispatch.headers if header[0] in endpoint.passes_headers)
    if endpoint.model_headers:
        headers += endpoint.model_headers.get(dispatch.target.model, ())
    if endpoint.metadata_header:
        headers += _metadata(endpoint.metadata_header, headers, dispatch)
    timeouts = dispatch.target.timeouts
    return HttpRequest(
        wire.method,
        endpoint.origin,
        path,
        headers,
        wire.body,
        connect_s=timeouts.connect_s,
        first_byte_s=timeouts.first_event_s,
        stall_s=timeouts.stall_s,
        total_s=timeouts.total_s,
        on_sent=dispatch.on_reached,
    )


def relayed_request(endpoint: Endpoint, incoming: RelayedIncoming, dispatch: Dispatch) -> HttpRequest:
    """The caller's own headers, before which only the provider's credential goes."""
    wire = incoming.rewritten(dispatch.target.model, output_tokens_max=None)
    said = dict(endpoint.headers) | dict(wire.headers)
    said |= {name: value for name, value in endpoint.headers if name in CREDENTIALS}
    bare = msgspec.structs.replace(endpoint, headers=tuple(said.items()))
    return http_request(bare, msgspec.structs.replace(wire, headers=()), wire.path, dispatch)


def path_at(endpoint: Endpoint, wire: WireRequest, dialect: Dialect, model: str) -> str:
    """Where a codec's request goes at this provider, with its query."""
    path = wire.path
    if endpoint.prefixes:
        between = endpoint.prefixes.get(dialect, "")
        path = (between.replace("{model}", quote(model, safe="")) if "{" in between else between) + path
    if endpoint.query:
        path += ("&" if "?" in path else "?") + endpoint.query
    return endpoint.path_prefix + path


def _metadata(name: str, said: tuple[Header, ...], dispatch: Dispatch) -> tuple[Header, ...]:
    """The call's metadata, its first entries, in a header that the caller does not say himself."""
    known = {**dispatch.incoming.extensions.metadata, **dispatch.incoming.metadata}
    if not known or any(header[0] == name for header in said):
        return ()
    first = dict(islice(known.items(), METADATA_ENTRIES_MAX))
    return ((name, json.dumps(first, separators=(",", ":"))),)


def without_credential(text: str, endpoint: Endpoint) -> str:
    """A provider may quote the key that it was sent."""
    for name, value in endpoint.headers:
        if name in CREDENTIALS:
            text = text.replace(value.removeprefix("Bearer "), "[redacted]")
    return endpoint.signer.without_secrets(text) if endpoint.signer is not None else text
