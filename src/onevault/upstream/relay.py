"""Reads requests to providers' own paths: which provider, and what they will cost where the path is one that the gateway knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, unquote_plus

import msgspec

from onevault.core.codec import PLAIN, AnswerWriter, Extensions, Incoming, Ingress, InputSize, RequestLine
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Dialect, Operation
from onevault.core.relay import RelayedIncoming
from onevault.dialects.registry import CODECS, INGRESS
from onevault.dialects.wire.passing import PassingWriter
from onevault.upstream.endpoint import Endpoint, Header

RELAY_PATH: Final = "/passthrough/"
_OPENAI: Final = "openai-chat"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NOT_RELAYED: Final = frozenset(
    {
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cf-aig-authorization",
        "cookie",
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "trailer",
        "te",
        "expect",
        "proxy-authorization",
        "proxy-connection",
        "accept-encoding",
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
    }
)
"""The caller's credential, what frames his message, what tells where he is, and what makes a free reading something else."""

_NOT_RELAYED_IN_QUERY: Final = frozenset({"key", "$httpMethod", "$httpHeaders"})
"""Google's ways to say in the query what the head says (its closure library, `goog.net.rpc.HttpCors`)."""

_VERSION_AT_START: Final = re.compile(r"/v(\d+)[a-z]*\d*(?=/)")
_VERSION_AT_END: Final = re.compile(r"/v(\d+)[a-z]*\d*$")
_HEADERS_MAX: Final = 64


class _Named(msgspec.Struct, frozen=True):
    model: str | None = None


_MODEL_IN = msgspec.json.Decoder(_Named).decode


class Relay:
    """Implements `Ingress` for the passthrough surface. `endpoints` gives those in force.

    What a request to an unknown path says of a model proves nothing: such a path may name another itself, and what it does has no
    price. So it is about no model, and is refused where only some are allowed or a budget applies."""

    dialect: Dialect = "passthrough"
    paths: tuple[str, ...] = ()
    takes: str | None = None

    def __init__(self, endpoints: Callable[[], Mapping[str, Endpoint]]) -> None:
        self._endpoints = endpoints

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        """Raises Fault NOT_FOUND for a provider that is not configured, INVALID_REQUEST for a path that leaves its place."""
        provider, path = _named(line.raw_path)
        endpoint = self._endpoints().get(provider)
        if endpoint is None:
            raise Fault(FaultKind.NOT_FOUND, "No provider of this name is configured.", param="provider")
        path, below_version = _placed(endpoint.path_prefix, path)
        found = _meaning(endpoint, unquote(below_version)) if line.method == "POST" else None
        query = _without_key(line.raw_query)
        operation, dialect, model = found or (
            Operation.PASSTHROUGH_READ if line.method in _READING else Operation.PASSTHROUGH,
            self.dialect,
            "",
        )
        understood = _understood(dialect, body, line)
        if found is not None:
            model = model or (understood.model if understood is not None else None) or _model_in(body)
        return RelayedIncoming(
            body=body,
            method=line.method,
            path=f"{path}?{query}" if query else path,
            content_type=line.content_type,
            headers=_relayed(line.headers),
            model=f"{provider}/{model}",
            dialect=dialect,
            operation=operation,
            size=understood.size if understood is not None else InputSize(len(body), len(body) // 4 + 1),
            understood=understood,
            unbounded=_unbounded(dialect) if found is not None and understood is None else "",
            output_tokens_asked=understood.output_tokens_asked if understood is not None else None,
            choices=understood.choices if understood is not None else 1,
            service_tier=understood.service_tier if understood is not None else None,
            end_user=understood.end_user if understood is not None else None,
            extensions=Extensions(names_models=understood is not None and understood.extensions.names_models),
        )

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return RelayWriter()

    def error_body(self, fault: Fault, *, request_id: str) -> bytes:
        return INGRESS[_OPENAI].error_body(fault, request_id=request_id)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        return b""  # the stream breaks off as the provider's did


class RelayWriter(PassingWriter):
    """Adds nothing to the provider's bytes."""

    whole_type = None
    stream_type = None

    def comment(self, text: str) -> bytes:
        return b""


def _named(raw_path: str) -> tuple[str, str]:
    """The provider and the path at it, as it was written. Raises Fault INVALID_REQUEST."""
    provider, slash, rest = raw_path.removeprefix(RELAY_PATH).partition("/")
    path = slash + rest
    steps = unquote(path).replace("\\", "/").split("/")
    if not provider or not rest or ".." in steps or "." in steps or "//" in path:
        raise Fault(FaultKind.INVALID_REQUEST, "The path must be /passthrough/{provider}/{path}.", param="path")
    return unquote(provider), path


def _placed(prefix: str, path: str) -> tuple[str, str]:
    """A path at the provider, given with all of the base URL's own path, without it, or with another version of the API; and what
    of it comes after a version of the same major number."""
    if path.startswith(f"{prefix}/"):
        return path, path.removeprefix(prefix)
    version = _VERSION_AT_END.search(prefix)
    root = prefix[: version.start()] if version else prefix
    tail = path.removeprefix(root) if path.startswith(f"{root}/") else path
    other = _VERSION_AT_START.match(tail)
    if version and other:
        return root + tail, tail[other.end() :] if other[1] == version[1] else tail
    if version and root and tail is not path:
        return path, tail
    return prefix + path, path


def _meaning(endpoint: Endpoint, path: str) -> tuple[Operation, Dialect, str] | None:
    """Which operation in which dialect a provider's path is, and the model that it names. None: the gateway does not know it."""
    for operation, dialects in endpoint.dialects.items():
        for dialect in dialects:
            codec = CODECS.get(dialect)
            for pattern in codec.wire_paths if codec is not None else ():
                found = _pattern(endpoint.prefixes.get(dialect, "") + pattern).fullmatch(path)
                if found is not None:
                    return operation, dialect, found.groupdict().get("model") or ""
    return None


@lru_cache(maxsize=512)
def _pattern(path: str) -> re.Pattern[str]:
    pattern = _VERSION_AT_START.sub(r"/v\1[a-z]*\\d*", re.escape(path))
    pattern = pattern.replace(re.escape("{model}"), "(?P<model>.+?)", 1)
    return re.compile(pattern.replace(re.escape("{model}"), ".+?"))


def _understood(dialect: Dialect, body: bytes, line: RequestLine) -> Incoming | None:
    ingress: Ingress | None = INGRESS.get(dialect)
    if ingress is None:
        return None
    try:
        return ingress.read(body, line)
    except Fault:
        return None  # the provider will say what is wrong with it


def _unbounded(dialect: Dialect) -> str:
    """Why it cannot be known what a request may cost at most that was not understood: it may ask for any number of answers, and
    name media by their addresses."""
    if dialect in INGRESS:
        return f"it cannot be read as a request of {dialect}"
    return f"requests of {dialect} are not read here; use one of the gateway's own paths"


def _model_in(body: bytes) -> str:
    try:
        return (_MODEL_IN(body).model or "")[:200]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _without_key(raw_query: str) -> str:
    """The query as it was written, but for the caller's credential and other methods, however their names are spelled."""
    if not raw_query:
        return ""
    fields = raw_query.split("&")
    return "&".join(field for field in fields if unquote_plus(field.partition("=")[0]) not in _NOT_RELAYED_IN_QUERY)


def _relayed(headers: list[tuple[bytes, bytes]] | tuple[()]) -> tuple[Header, ...]:
    kept: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name in _NOT_RELAYED or name.startswith("x-gateway-") or not (value.isascii() and value.isprintable()):
            continue
        if len(kept) < _HEADERS_MAX:
            kept[name] = value
    return tuple(kept.items())
