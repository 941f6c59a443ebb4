"""Makes of each configured entry the endpoint that the sender reaches it at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, assert_never
from urllib.parse import quote, urlsplit

import msgspec

from onevault import __version__
from onevault.config.credential import Credential
from onevault.config.kinds import KINDS
from onevault.config.provider_kind import PLACES, ProviderKind
from onevault.config.schema import ProviderSettings, Settings
from onevault.core.money import NANOS_PER_USD
from onevault.core.ports import Clock
from onevault.core.prices import PER_MILLION, Price
from onevault.core.transport import Origin, Transport
from onevault.upstream.auth.aws_sigv4 import AwsCredentials, AwsSigner
from onevault.upstream.auth.gcp import GcpSigner
from onevault.upstream.endpoint import Endpoint, Header, Signer

_ALWAYS: tuple[Header, ...] = (
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
    ("user-agent", f"onevault/{__version__}"),
)
_PORTS = {"http": 80, "https": 443}
_VERSION: Final = re.compile(r"/v\d+[a-z]*\d*$")
_STANDARD_API: Final = "v1"


class Signing(msgspec.Struct, frozen=True):
    """What credentials with a lifetime need: the way to who gives them, and the time."""

    transport: Transport
    clock: Clock


def endpoints(
    settings: Settings, *, simulator_url: str | None, signing: Signing | None = None
) -> Mapping[str, Endpoint]:
    """The endpoints by entry. `simulator_url` is where the simulator runs that `serve` starts, for entries of its kind
    without an address of their own; None where none runs, and then such an entry has no endpoint. Without `signing` they are
    only good for looking where they are."""
    found: dict[str, Endpoint] = {}
    for entry in settings.providers:
        kind = KINDS[entry.kind]
        base_url = entry.base_url or (simulator_url if kind.for_tests else _own_base_url(entry, kind))
        if base_url is not None:
            found[entry.name] = _endpoint(entry, kind, base_url, signing=signing)
    return found


def endpoint_with(
    settings: Settings, name: str, credential: Credential, *, simulator_url: str | None, signing: Signing
) -> Endpoint | None:
    """The endpoint of one entry with a credential in place of its own; None where there is no such entry."""
    for entry in settings.providers:
        if entry.name == name:
            changed = msgspec.structs.replace(settings, providers=(credential.applied(entry),))
            return endpoints(changed, simulator_url=simulator_url, signing=signing).get(name)
    return None


def needs_simulator(settings: Settings) -> bool:
    """Whether an entry expects the simulator to run inside the gateway."""
    return any(entry.base_url is None and KINDS[entry.kind].for_tests for entry in settings.providers)


def _own_base_url(entry: ProviderSettings, kind: ProviderKind) -> str | None:
    base_url = kind.base_url_in.get(entry.region or "", kind.base_url)
    return _placed(base_url, entry) if base_url is not None else None


def _own_path(entry: ProviderSettings, kind: ProviderKind) -> str:
    """Where the provider's own API begins, for an address that says only who."""
    return urlsplit(_own_base_url(entry, kind) or "").path.rstrip("/")


def _placed(text: str, entry: ProviderSettings) -> str:
    """With what the entry says where its kind has `{region}` and the like."""
    for place in PLACES:
        if (said := getattr(entry, place)) is not None:
            text = text.replace(f"{{{place}}}", quote(said, safe=":"))
    return text


def _endpoint(entry: ProviderSettings, kind: ProviderKind, base_url: str, *, signing: Signing | None) -> Endpoint:
    parts = urlsplit(base_url)
    version = entry.api_version or _STANDARD_API
    dated = version[0].isdigit()
    return Endpoint(
        provider=entry.name,
        origin=Origin(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]),
        path_prefix=_path(
            parts.path.rstrip("/") or _own_path(entry, kind), kind, "" if dated else _placed(kind.version_path, entry)
        ),
        headers=(*_ALWAYS, *_credential(entry, kind)),
        dialects=kind.codecs,
        passes_headers=kind.passes_headers,
        prefixes=kind.dated_prefixes if dated else kind.prefixes,
        query=f"api-version={version}" if version != _STANDARD_API else "",
        signer=_signer(entry, kind, signing),
        model_headers=_costs(entry.prices, kind),
        metadata_header=kind.metadata_header,
        field_names=kind.field_names,
        stored_key=entry.stored_key or "",
    )


def _path(path: str, kind: ProviderKind, version_path: str) -> str:
    """A base URL's path, brought to where the paths of the dialects begin."""
    path = path.removesuffix(next((cut for cut in kind.cuts if path.endswith(cut)), ""))
    if path.endswith(version_path) or (_VERSION.fullmatch(version_path) and _VERSION.search(path)):
        return path
    return path + version_path


def _credential(entry: ProviderSettings, kind: ProviderKind) -> tuple[Header, ...]:
    """The headers of a credential that stays the same."""
    key = entry.api_key.reveal() if entry.api_key is not None else ""
    if not key and kind.for_tests:
        key = "simulated"  # the simulator wants a key, as providers do, and takes any
    match kind.credential:
        case "bearer" | "aws" | "cloudflare":
            bearer: tuple[Header, ...] = (("authorization", f"Bearer {key}"),) if key else ()
            if entry.gateway_token is not None:
                bearer += (("cf-aig-authorization", f"Bearer {entry.gateway_token.reveal()}"),)
            return bearer
        case "x-api-key" | "x-goog-api-key" | "api-key":
            return ((kind.credential, key),) if key else ()
        case "every":
            return (("authorization", f"Bearer {key}"), ("x-api-key", key), ("x-goog-api-key", key)) if key else ()
        case "gcp":
            return ()
        case _:
            assert_never(kind.credential)


def _signer(entry: ProviderSettings, kind: ProviderKind, signing: Signing | None) -> Signer | None:
    """Who makes the headers of a credential that is made anew; a bearer key goes before keys that sign."""
    if signing is None:
        return None
    if entry.service_account is not None:
        return GcpSigner(entry.service_account, signing.transport, signing.clock)
    if entry.aws is not None and entry.api_key is None:
        session = entry.aws.session_token
        credentials = AwsCredentials(
            entry.aws.access_key_id.reveal(),
            entry.aws.secret_access_key.reveal(),
            session.reveal() if session is not None else None,
        )
        return AwsSigner(credentials, signing.clock, region=entry.region or "")
    return None


def _costs(prices: Mapping[str, Price], kind: ProviderKind) -> Mapping[str, tuple[Header, ...]]:
    """What a provider that keeps accounts of its own is told of configured prices, by model."""
    if not kind.cost_header:
        return {}
    return {
        model: (
            (
                kind.cost_header,
                f'{{"per_token_in":{_usd(price.rates.input)},"per_token_out":{_usd(price.rates.output)}}}',
            ),
        )
        for model, price in prices.items()
    }


def _usd(nanos_per_million: int) -> str:
    """Dollars per token, exact and without an exponent."""
    return f"{Decimal(nanos_per_million) / (NANOS_PER_USD * PER_MILLION):f}"
