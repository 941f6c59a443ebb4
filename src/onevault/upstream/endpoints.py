"""Makes of each configured entry the endpoint that the sender reaches it at."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from onevault import __version__
from onevault.config.schema import ProviderSettings, Settings
from onevault.core.transport import Origin
from onevault.upstream.client import Endpoint, Header
from onevault.upstream.providers import KINDS, ProviderKind

_ALWAYS: tuple[Header, ...] = (
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
    ("user-agent", f"onevault/{__version__}"),
)
_PORTS = {"http": 80, "https": 443}


def endpoints(settings: Settings, *, simulator_url: str | None) -> Mapping[str, Endpoint]:
    """The endpoints by entry. `simulator_url` is where the simulator runs that `serve` starts, for entries of its kind
    without an address of their own; None where none runs, and then such an entry has no endpoint."""
    found: dict[str, Endpoint] = {}
    for entry in settings.providers:
        kind = KINDS[entry.kind]
        base_url = entry.base_url or kind.base_url or simulator_url
        if base_url is not None:
            found[entry.name] = _endpoint(entry, kind, base_url)
    return found


def needs_simulator(settings: Settings) -> bool:
    """Whether an entry expects the simulator to run inside the gateway."""
    return any(entry.base_url is None and KINDS[entry.kind].base_url is None for entry in settings.providers)


def _endpoint(entry: ProviderSettings, kind: ProviderKind, base_url: str) -> Endpoint:
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    if not path.endswith(kind.version_path):
        path += kind.version_path
    return Endpoint(
        provider=entry.name,
        origin=Origin(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]),
        path_prefix=path,
        headers=(*_ALWAYS, *_credential(entry, kind)),
        dialects=kind.codecs,
        passes_headers=kind.passes_headers,
    )


def _credential(entry: ProviderSettings, kind: ProviderKind) -> tuple[Header, ...]:
    if entry.api_key is not None:
        key = entry.api_key.reveal()
    elif kind.for_tests:
        key = "simulated"  # the simulator wants a key, as providers do, and takes any
    else:
        return ()
    return (("x-api-key", key),) if kind.credential == "x_api_key" else (("authorization", f"Bearer {key}"),)
