"""The configuration as people write it: names, units and forms they may use; everything else is refused where it stands.

Nothing here has a default: what is absent is None, and `assemble.py` decides what that means.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal, get_args

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from onevault.config import quantities
from onevault.config.forms import (
    ApiVersion,
    Bytes,
    Capabilities,
    Count,
    Flag,
    Key,
    Keys,
    Names,
    Networks,
    Off,
    PerMinute,
    Place,
    Port,
    Retries,
    Seconds,
    ServiceAccount,
    Strategy,
    Text,
    Thresholds,
    Usd,
    UsdPerMillion,
    UsdPerUnit,
    Workers,
    must_be_absent,
    nothing_is_empty,
    read_models,
    read_place,
    read_timeouts,
    read_word,
)
from onevault.core.codec import OnExhausted, OnInsufficient


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
    qdrant_url: Annotated[
        None, BeforeValidator(partial(must_be_absent, hint="nothing: there is no semantic cache yet"))
    ] = None
    durability: (
        Annotated[
            Literal["group", "always", "os"], BeforeValidator(partial(read_word, words=("group", "always", "os")))
        ]
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

    tiers: Annotated[dict[str, RatesWritten], BeforeValidator(nothing_is_empty)] | None = None


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
    models: Annotated[list[ModelWritten], BeforeValidator(read_models)] | None = None
    prices: Annotated[dict[str, PriceWritten], BeforeValidator(nothing_is_empty)] | None = None
    timeout: Annotated[TimeoutsWritten | None, BeforeValidator(read_timeouts)] = Field(
        default=None, validation_alias=AliasChoices("timeout", "timeouts")
    )
    retries: Retries | None = None
    rate_limit: Annotated[
        None, BeforeValidator(partial(must_be_absent, hint="nothing: limits of keys, users and organizations hold"))
    ] = None
    region: Place | None = Field(default=None, validation_alias=AliasChoices("region", "location"))
    project: Annotated[str, BeforeValidator(partial(read_place, beside=".:"))] | None = None
    account_id: Place | None = None
    gateway_id: Place | None = None
    gateway_token: Key | None = None
    api_version: ApiVersion | None = None
    access_key_id: Key | None = None
    secret_access_key: Key | None = None
    session_token: Key | None = None
    service_account: ServiceAccount | None = None
    drain_on_hangup: Flag | None = None
    weight: Annotated[
        None,
        BeforeValidator(partial(must_be_absent, hint="nothing: providers are tried in the order of fallback_chain")),
    ] = None
    agreements: Annotated[None, BeforeValidator(partial(must_be_absent, hint="nothing: leave it out"))] = None


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
    master_key_previous: Keys | None = None
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
    selection_strategy: Strategy | None = None
    timeout: Seconds | None = None
    retries: Retries | None = None


class CachingWritten(Section):
    """`caching:` – nothing of it is available yet."""

    enabled: Off = None
    exact: Off = None
    semantic: Off = None
    ttl: Annotated[None, BeforeValidator(partial(must_be_absent, hint="nothing: leave it out"))] = None
    similarity_threshold: Annotated[None, BeforeValidator(partial(must_be_absent, hint="nothing: leave it out"))] = None


class MonitoringWritten(Section):
    """`monitoring:`"""

    prometheus: Flag | None = None
    grafana: Off = None
    jaeger: Off = None
    opentelemetry: Off = None
    log_level: (
        Annotated[str, BeforeValidator(partial(read_word, words=("debug", "info", "warning", "error", "critical")))]
        | None
    ) = None
    log_format: Annotated[str, BeforeValidator(partial(read_word, words=("json", "text")))] | None = None
    webhook_networks: Networks | None = None
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
        Annotated[OnInsufficient, BeforeValidator(partial(read_word, words=get_args(OnInsufficient)))] | None
    ) = None
    on_exhausted: Annotated[OnExhausted, BeforeValidator(partial(read_word, words=get_args(OnExhausted)))] | None = None
    thresholds: Thresholds | None = None
    fallback_replicas: Annotated[int, BeforeValidator(partial(quantities.count, at_most=1000))] | None = None


class TenantWritten(Section):
    """An item of `tenants:`"""

    id: Text
    time_zone: Text | None = None


class Written(Section):
    """The whole file."""

    gateway: Annotated[GatewayWritten, BeforeValidator(nothing_is_empty)] = GatewayWritten()
    providers: Annotated[
        dict[str, Annotated[ProviderWritten, BeforeValidator(nothing_is_empty)]], BeforeValidator(nothing_is_empty)
    ] = {}
    security: Annotated[SecurityWritten, BeforeValidator(nothing_is_empty)] = SecurityWritten()
    routing: Annotated[RoutingWritten, BeforeValidator(nothing_is_empty)] = RoutingWritten()
    caching: Annotated[CachingWritten, BeforeValidator(nothing_is_empty)] = CachingWritten()
    monitoring: Annotated[MonitoringWritten, BeforeValidator(nothing_is_empty)] = MonitoringWritten()
    limits: Annotated[LimitsWritten, BeforeValidator(nothing_is_empty)] = LimitsWritten()
    tenants: list[TenantWritten] | None = None
