"""The configuration as people write it: names, units and forms they may use; everything else is refused where it stands.

Nothing here has a default: what is absent is None, and `assemble.py` decides what that means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from functools import partial
from ipaddress import ip_network
from typing import Annotated, Literal, get_args

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from onevault.config import quantities
from onevault.config.quantities import Refused
from onevault.config.secret import Secret
from onevault.core.codec import OnExhausted, OnInsufficient
from onevault.core.notices import PER_CENT_MAX, THRESHOLDS_MAX
from onevault.core.operations import Capability

NOT_AVAILABLE = "not available in this version"
WORKERS_MAX = 64


def _off(written: object) -> None:
    """A feature that this version does not have: switching it off is fine, asking for it is not."""
    if written is not None and quantities.flag(written):
        raise Refused(NOT_AVAILABLE, "false, or nothing")


def _absent(written: object, *, hint: str) -> None:
    if written is not None:
        raise Refused(NOT_AVAILABLE, hint)


def _secret(written: object) -> Secret:
    if isinstance(written, Secret):
        return written
    if not isinstance(written, str) or not written.strip():
        raise Refused(
            "a key that is empty or not a text", "the key, or ${NAME} of the environment variable that holds it"
        )
    key = written.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Refused("a key with spaces or characters that no key has", "the key as the provider gave it")
    return Secret(key)


def _secrets(written: object) -> list[Secret]:
    if isinstance(written, str):
        written = [text for text in written.split(",") if text.strip()]
    if not isinstance(written, list):
        raise Refused("not a list of keys", "a list: [first, second], or the keys with commas between them")
    return [_secret(each) for each in written]


def _place(written: object, *, beside: str = "") -> str:
    """A name that becomes part of an address: letters, digits and what may stand `beside` them."""
    said = quantities.text(written)
    if re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9_{beside}-]{{0,99}}", said) is None:
        also = ", ".join(f"`{character}`" for character in f"_{beside}")
        raise Refused("not a name of that kind", f"letters, digits, {also} and `-`; 100 at most")
    return said


def _api_version(written: object) -> str:
    """YAML takes an unquoted date for one."""
    said = written.isoformat() if isinstance(written, date) else quantities.text(written)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?|v1|preview", said) is None:
        raise Refused("not a version of this API", "a date (2024-10-21, 2025-04-01-preview), or nothing for the v1 API")
    return said


def _service_account(written: object) -> Secret:
    """JSON, or the path of a file: text either way until an entry that needs it is made of it."""
    if isinstance(written, Mapping):
        try:
            return Secret(json.dumps(written))
        except (TypeError, ValueError):
            raise Refused("not the JSON of a service account's key", "it as Google gives it") from None
    if not isinstance(written, str) or not written.strip():
        raise Refused("neither a mapping nor a text", "a service account's key: its JSON, or the path of its file")
    return Secret(written.strip())


def _word(written: object, *, words: tuple[str, ...]) -> str:
    """One of some words; True and False are what YAML makes of `on` and `off`."""
    said = written.strip().lower() if isinstance(written, str) else ""
    if said not in words:
        raise Refused("not a known value", "one of: " + ", ".join(words))
    return said


STRATEGIES_TO_COME = ("cost_optimized", "latency_optimized", "quality_first", "balanced", "load_balanced")


def _strategy(written: object) -> str:
    if isinstance(written, str) and written.strip() in STRATEGIES_TO_COME:
        raise Refused(NOT_AVAILABLE, '"ordered": the order of fallback_chain, then of the providers in the file')
    return _word(written, words=("ordered",))


def _names(written: object) -> list[str]:
    if isinstance(written, str):
        written = [name for name in written.split(",") if name.strip()]
    if not isinstance(written, list):
        raise Refused("not a list of names", "a list: [first, second]")
    return [quantities.text(name) for name in written]


def _networks(written: object) -> list[str]:
    names = _names(written)
    for name in names:
        try:
            ip_network(name)
        except ValueError:
            raise Refused("not a list of networks", "a list: [10.1.0.0/16, 127.0.0.0/8]") from None
    return names


def _thresholds(written: object) -> list[int]:
    if not isinstance(written, list) or len(written) > THRESHOLDS_MAX:
        raise Refused("not a list of percentages", f"a list of at most {THRESHOLDS_MAX}: [50, 80, 100]")
    return sorted({quantities.count(each, at_most=PER_CENT_MAX) for each in written})


def _capabilities(written: object) -> list[Capability]:
    known = tuple(capability.value for capability in Capability)
    return [Capability(_word(name, words=known)) for name in _names(written)]


def _model(written: object) -> object:
    return {"name": written} if isinstance(written, str | int | float) else written


def _models(written: object) -> object:
    if isinstance(written, str):
        written = _names(written)
    return [_model(entry) for entry in written] if isinstance(written, list) else written


def _timeouts(written: object) -> object:
    return written if isinstance(written, dict) or written is None else {"total": written}


def _nothing_is_empty(written: object) -> object:
    return {} if written is None else written


Flag = Annotated[bool, BeforeValidator(quantities.flag)]
Text = Annotated[str, BeforeValidator(quantities.text)]
Names = Annotated[list[str], BeforeValidator(_names)]
Seconds = Annotated[float, BeforeValidator(quantities.duration_s)]
Bytes = Annotated[int, BeforeValidator(quantities.size_bytes)]
Count = Annotated[int, BeforeValidator(quantities.count)]
Retries = Annotated[int, BeforeValidator(partial(quantities.count, at_least=0, at_most=10))]
Port = Annotated[int, BeforeValidator(partial(quantities.count, at_least=0, at_most=65_535))]
Workers = Annotated[int, BeforeValidator(partial(quantities.count, at_most=WORKERS_MAX))]
PerMinute = Annotated[int, BeforeValidator(quantities.per_minute)]
Usd = Annotated[int, BeforeValidator(quantities.usd)]
Capabilities = Annotated[list[Capability], BeforeValidator(_capabilities)]
UsdPerUnit = Annotated[int, BeforeValidator(quantities.usd_per_unit)]
UsdPerMillion = Annotated[int, BeforeValidator(quantities.usd_per_million)]
Key = Annotated[Secret, BeforeValidator(_secret)]
Place = Annotated[str, BeforeValidator(_place)]
Off = Annotated[None, BeforeValidator(_off)]


class Section(BaseModel):
    """A mapping of the file whose keys are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class GatewayWritten(Section):
    """`gateway:`"""

    version: Text | None = None
    environment: Text | None = None
    host: Text | None = None
    port: Port | None = None
    workers: Workers | None = None
    data_dir: Text | None = None
    database_url: Text | None = None
    redis_url: Text | None = None
    qdrant_url: Annotated[None, BeforeValidator(partial(_absent, hint="nothing: there is no semantic cache yet"))] = (
        None
    )
    durability: (
        Annotated[Literal["group", "always", "os"], BeforeValidator(partial(_word, words=("group", "always", "os")))]
        | None
    ) = None
    body_size_max: Bytes | None = None
    header_size_max: Bytes | None = None
    header_timeout: Seconds | None = None
    body_timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    heartbeat: Seconds | None = None
    drain_timeout: Seconds | None = None
    calls_in_flight_max: Count | None = None
    hangup_drains_max: Annotated[int, BeforeValidator(partial(quantities.count, at_least=0))] | None = None
    hangup_drain_timeout: Seconds | None = None
    hangup_drain_size_max: Bytes | None = None
    outgoing_proxy: Text | None = None
    outgoing_ca_file: Text | None = None
    outgoing_certificate_file: Text | None = None
    outgoing_key_file: Text | None = None


class RatesWritten(Section):
    """US dollars per million tokens or characters, per minute, and each; 0 says that it is free."""

    input: UsdPerMillion | None = None
    output: UsdPerMillion | None = None
    cached_input: UsdPerMillion | None = None
    cache_write: UsdPerMillion | None = None
    cache_write_1h: UsdPerMillion | None = None
    reasoning: UsdPerMillion | None = None
    input_audio: UsdPerMillion | None = None
    cached_audio: UsdPerMillion | None = None
    output_audio: UsdPerMillion | None = None
    input_image: UsdPerMillion | None = None
    output_image: UsdPerMillion | None = None
    input_video: UsdPerMillion | None = None
    characters: UsdPerMillion | None = None
    minute: UsdPerUnit | None = None
    request: UsdPerUnit | None = None
    image: UsdPerUnit | None = None
    search: UsdPerUnit | None = None


class PriceWritten(RatesWritten):
    """The rates at the standard tier of service, and under `tiers` what is different at others."""

    tiers: Annotated[dict[str, RatesWritten], BeforeValidator(_nothing_is_empty)] | None = None


class ModelWritten(Section):
    """An item of `providers.NAME.models`: a name, or a mapping that says more."""

    name: Text
    aliases: Names | None = Field(default=None, validation_alias=AliasChoices("aliases", "alias"))
    base: Text | None = None
    context_length: Count | None = None
    max_output_tokens: Count | None = None
    capabilities: Capabilities | None = None
    lacks: Capabilities | None = None
    prices: PriceWritten | None = None


class TimeoutsWritten(Section):
    """`providers.NAME.timeout`: one duration for the whole call, or one for each step."""

    connect: Seconds | None = None
    first_event: Seconds | None = None
    stall: Seconds | None = None
    total: Seconds | None = None


class ProviderWritten(Section):
    """`providers.NAME:`"""

    enabled: Flag = True
    type: Text | None = None
    api_key: Key | None = None
    base_url: Text | None = Field(default=None, validation_alias=AliasChoices("base_url", "url"))
    models: Annotated[list[ModelWritten], BeforeValidator(_models)] | None = None
    prices: Annotated[dict[str, PriceWritten], BeforeValidator(_nothing_is_empty)] | None = None
    timeout: Annotated[TimeoutsWritten | None, BeforeValidator(_timeouts)] = Field(
        default=None, validation_alias=AliasChoices("timeout", "timeouts")
    )
    retries: Retries | None = None
    rate_limit: Annotated[
        None, BeforeValidator(partial(_absent, hint="nothing: limits of keys, users and organizations hold"))
    ] = None
    region: Place | None = Field(default=None, validation_alias=AliasChoices("region", "location"))
    project: Annotated[str, BeforeValidator(partial(_place, beside=".:"))] | None = None
    account_id: Place | None = None
    gateway_id: Place | None = None
    gateway_token: Key | None = None
    api_version: Annotated[str, BeforeValidator(_api_version)] | None = None
    access_key_id: Key | None = None
    secret_access_key: Key | None = None
    session_token: Key | None = None
    service_account: Annotated[Secret, BeforeValidator(_service_account)] | None = None
    drain_on_hangup: Flag | None = None
    weight: Annotated[
        None, BeforeValidator(partial(_absent, hint="nothing: providers are tried in the order of fallback_chain"))
    ] = None
    agreements: Annotated[None, BeforeValidator(partial(_absent, hint="nothing: leave it out"))] = None


class OidcWritten(Section):
    """An item of `security.oidc`"""

    issuer: Text
    audience: Names
    algorithms: Names | None = None
    jwks_uri: Text | None = None
    claims: dict[str, Text] | None = None
    organization: Text | None = None
    organizations: dict[str, Text] | None = None
    roles: dict[str, Text] | None = None
    organization_roles: dict[str, Text] | None = None
    create_users: Flag | None = None


class SecurityWritten(Section):
    """`security:`"""

    admin_key: Key | None = None
    master_key: Key | None = None
    oidc: list[OidcWritten] | None = None
    master_key_previous: Annotated[list[Secret], BeforeValidator(_secrets)] | None = None
    snapshot_max_age: Seconds | None = None
    pii_detection: Off = None
    prompt_filtering: Off = None
    audit_logging: Off = None
    encryption: Off = None


class RoutingWritten(Section):
    """`routing:`"""

    default_provider: Text | None = None
    default_model: Text | None = None
    fallback_chain: Names | None = None
    aliases: dict[str, Text] | None = None
    selection_strategy: Annotated[str, BeforeValidator(_strategy)] | None = None
    timeout: Seconds | None = None
    retries: Retries | None = None


class CachingWritten(Section):
    """`caching:` – nothing of it is available yet."""

    enabled: Off = None
    exact: Off = None
    semantic: Off = None
    ttl: Annotated[None, BeforeValidator(partial(_absent, hint="nothing: leave it out"))] = None
    similarity_threshold: Annotated[None, BeforeValidator(partial(_absent, hint="nothing: leave it out"))] = None


class MonitoringWritten(Section):
    """`monitoring:`"""

    prometheus: Flag | None = None
    grafana: Off = None
    jaeger: Off = None
    opentelemetry: Off = None
    log_level: (
        Annotated[str, BeforeValidator(partial(_word, words=("debug", "info", "warning", "error", "critical")))] | None
    ) = None
    log_format: Annotated[str, BeforeValidator(partial(_word, words=("json", "text")))] | None = None
    webhook_networks: Annotated[list[str], BeforeValidator(_networks)] | None = None
    webhook_timeout: Annotated[float, BeforeValidator(partial(quantities.duration_s, at_most_s=30.0))] | None = None
    webhook_retry_first: Seconds | None = None
    webhook_tries: Annotated[int, BeforeValidator(partial(quantities.count, at_most=20))] | None = None


class LimitsWritten(Section):
    """`limits:`"""

    max_tokens_per_request: Count | None = None
    max_requests_per_minute: PerMinute | None = None
    max_concurrent_requests: Count | None = None
    max_requests_per_day: Count | None = None
    max_requests_per_month: Count | None = None
    max_cost_per_day: Usd | None = None
    max_cost_per_month: Usd | None = None
    on_insufficient: (
        Annotated[OnInsufficient, BeforeValidator(partial(_word, words=get_args(OnInsufficient)))] | None
    ) = None
    on_exhausted: Annotated[OnExhausted, BeforeValidator(partial(_word, words=get_args(OnExhausted)))] | None = None
    thresholds: Annotated[list[int], BeforeValidator(_thresholds)] | None = None
    fallback_replicas: Annotated[int, BeforeValidator(partial(quantities.count, at_most=1000))] | None = None


class TenantWritten(Section):
    """An item of `tenants:`"""

    id: Text
    time_zone: Text | None = None


class Written(Section):
    """The whole file."""

    gateway: Annotated[GatewayWritten, BeforeValidator(_nothing_is_empty)] = GatewayWritten()
    providers: Annotated[
        dict[str, Annotated[ProviderWritten, BeforeValidator(_nothing_is_empty)]], BeforeValidator(_nothing_is_empty)
    ] = {}
    security: Annotated[SecurityWritten, BeforeValidator(_nothing_is_empty)] = SecurityWritten()
    routing: Annotated[RoutingWritten, BeforeValidator(_nothing_is_empty)] = RoutingWritten()
    caching: Annotated[CachingWritten, BeforeValidator(_nothing_is_empty)] = CachingWritten()
    monitoring: Annotated[MonitoringWritten, BeforeValidator(_nothing_is_empty)] = MonitoringWritten()
    limits: Annotated[LimitsWritten, BeforeValidator(_nothing_is_empty)] = LimitsWritten()
    tenants: list[TenantWritten] | None = None
