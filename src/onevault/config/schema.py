"""What a valid configuration is: frozen, complete, every unit in a name, every amount of money in nanos.

`Settings` is what the rest of the gateway is built from; what people write (YAML, environment) is in `written.py`, and
`load.py` turns one into the other or says everything that is wrong. Nothing here is optional unless None has a meaning
of its own, so nobody fills in defaults later.

    Settings
      gateway     version, environment, host, port, workers, data_dir, durability, body_bytes_max, header_bytes_max,
                  header_timeout_s, body_timeout_s, idle_timeout_s, heartbeat_s, drain_timeout_s, calls_in_flight_max,
                  database_url, redis_url, hangup_drains_max, hangup_drain_timeout_s, hangup_drain_bytes_max,
                  outgoing_proxy, outgoing_ca_file, outgoing_certificate_file, outgoing_key_file
      providers   enabled entries only, in the order of the file: name, kind, api_key, base_url, models, prices, timeouts,
                  retries_max, and what some kinds need: region, project, account_id, gateway_id, api_version,
                  gateway_token, aws, service_account, stored_key; drain_on_hangup
      security    admin_key, master_key, master_key_previous, snapshot_max_age, oidc
      routing     default_provider, default_model, fallback_chain, aliases
      monitoring  prometheus, log_level, log_format
      limits      output_tokens_max, key_requests_per_minute, key_concurrent_requests, user_daily_requests,
                  user_monthly_requests, user_monthly_budget, organization_daily_budget, on_insufficient, on_exhausted,
                  fallback_replicas
      tenant      tenant_id, time_zone
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from onevault.config.secret import Secret
from onevault.core.codec import OnExhausted, OnInsufficient
from onevault.core.money import Nanos
from onevault.core.notices import DEFAULT_THRESHOLDS
from onevault.core.operations import Capability
from onevault.core.prices import Price
from onevault.core.sending import Timeouts
from onevault.core.sign_in import ClaimRules

MIB: Final = 1 << 20
KIB: Final = 1 << 10

Durability = Literal["group", "always", "os"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]
LogFormat = Literal["json", "text"]
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The process itself: where it listens, where it keeps its files, what it takes in at most.

    `durability` says when a journal record counts as written: `group` (fsync'ed in groups), `always` (before every
    answer), `os` (survives the process, not the machine). `version` is the operator's own label of the file.
    """

    version: str = ""
    environment: str = "development"
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    """Processes that serve calls on this host. More than one share a ledger in Redis."""
    data_dir: Path = Path("onevault-data")
    durability: Durability = "group"
    body_bytes_max: int = 32 * MIB
    header_bytes_max: int = 64 * KIB
    header_timeout_s: float = 30.0
    """How long a request's head may take to arrive."""
    body_timeout_s: float = 30.0
    """How long a request's body may take to arrive."""
    idle_timeout_s: float = 75.0
    """How long a client's idle connection is kept."""
    heartbeat_s: float = 15.0
    """After how much silence of a provider a stream's caller gets a keep-alive comment."""
    drain_timeout_s: float = 30.0
    calls_in_flight_max: int = 10_000
    hangup_drains_max: int = 1_000
    """How many answers are read on at once after their callers hung up, at providers that bill all of them anyway."""
    hangup_drain_timeout_s: float = 120.0
    """For how long each of them is."""
    hangup_drain_bytes_max: int = 16 * MIB
    """And how much of its generated text."""
    database_url: Secret | None = None
    """The PostgreSQL server that has the vault; its URL may hold a password. None: SQLite in the data directory."""
    redis_url: Secret | None = None
    """Where the ledger is that several processes share; its URL may hold a password. None: in this process's memory."""
    outgoing_proxy: Secret | None = None
    """Through which proxy providers are reached; its URL may hold a password."""
    outgoing_ca_file: Path | None = None
    """PEM certificates trusted beside the system's."""
    outgoing_certificate_file: Path | None = None
    outgoing_key_file: Path | None = None
    """The client certificate shown to providers that ask for one, and its key."""

    @property
    def vault_url(self) -> str:
        """Where the vault is, for whoever opens it; "" for the data directory."""
        return self.database_url.reveal() if self.database_url else ""


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A model that an entry lists. None: what is known of the model's family holds; that of `base`, where it is given.

    `capabilities` are stated to be there and `lacks` not to be, whatever is known of the family.
    """

    name: str
    aliases: tuple[str, ...] = ()
    base: str | None = None
    capabilities: frozenset[Capability] = frozenset()
    lacks: frozenset[Capability] = frozenset()
    context_tokens_max: int | None = None
    output_tokens_max: int | None = None


class AwsKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What signs requests to AWS. `session_token` comes with keys that expire."""

    access_key_id: Secret
    secret_access_key: Secret
    session_token: Secret | None = None


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Google's key for a program. `private_key` is an RSA key in PEM; `token_uri` is https, or on this machine."""

    client_email: str
    private_key: Secret
    token_uri: str
    private_key_id: str = ""
    project: str | None = None


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One enabled entry. `kind` names a row of `config/providers/`. `base_url` has no trailing slash and None where the
    kind's own holds (for the simulator: the one that runs inside). `models` empty: every model that the kind is known to
    have. `prices` are those configured, by model name; they replace the price data whole."""

    name: str
    kind: str
    api_key: Secret | None = None
    base_url: str | None = None
    models: tuple[ModelSettings, ...] = ()
    prices: Mapping[str, Price] = msgspec.field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    retries_max: int = 2
    region: str | None = None
    project: str | None = None
    account_id: str | None = None
    gateway_id: str | None = None
    api_version: str | None = None
    gateway_token: Secret | None = None
    aws: AwsKeys | None = None
    service_account: ServiceAccount | None = None
    stored_key: str | None = None
    """The name of the tenant's provider key in the vault that stands for the credential here."""
    drain_on_hangup: bool | None = None
    """Whether answers are read to their end for their usage though the caller hung up; None: as is known of the kind."""


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An identity provider whose signed tokens are taken. `issuer` is compared letter by letter with what tokens say; `jwks_uri`
    None: as its discovery document says."""

    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    jwks_uri: str | None = None
    rules: ClaimRules = ClaimRules()


class SecuritySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`admin_key` None: generated at the first start and kept in the data directory with mode 0600; so is `master_key`, which
    decodes to 32 bytes and wraps the data keys. What was wrapped with one of `master_key_previous` still opens."""

    admin_key: Secret | None = None
    master_key: Secret | None = None
    oidc: tuple[OidcSettings, ...] = ()
    master_key_previous: tuple[Secret, ...] = ()
    snapshot_max_age_s: float = 86_400.0
    """How old the signed snapshot of the directory may be that stands in for a vault which is away."""


class RoutingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`default_provider` and `fallback_chain` name entries (a disabled one is left out); `aliases` map a name that callers use
    to a model (`provider/model` or a bare name), already followed to their end."""

    default_provider: str | None = None
    default_model: str | None = None
    fallback_chain: tuple[str, ...] = ()
    aliases: Mapping[str, str] = NOTHING


class MonitoringSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`prometheus` serves `/metrics`. `webhook_networks` are those beside the public internet that webhooks may lead to.
    A delivery to one is tried `webhook_tries` times, each for `webhook_timeout_s` at most, the second time after about
    `webhook_retry_first_s` and then after four times as long each time."""

    prometheus: bool = True
    log_level: LogLevel = "info"
    log_format: LogFormat = "json"
    webhook_networks: tuple[str, ...] = ()
    webhook_timeout_s: float = 10.0
    webhook_retry_first_s: float = 5.0
    webhook_tries: int = 9


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds where nobody set a limit of its own. None: no limit. Budgets in nanos.

    `output_tokens_max` caps every call's output. `key_*` hold for keys, `user_*` for users, `organization_*` for the
    organization that the gateway creates at its first start. `on_insufficient` says what becomes of a chat that could cost more than
    is left: `reject` refuses it, `clamp` lowers its output limit to what the money left pays for. `on_exhausted` says what becomes of
    a stream whose provider went beyond the limit that its hold was made for: `cut` ends it, `top_up` enlarges the hold while it can.
    """

    output_tokens_max: int | None = None
    key_requests_per_minute: int | None = None
    key_concurrent_requests: int | None = None
    user_daily_requests: int | None = None
    user_monthly_requests: int | None = None
    user_monthly_budget: Nanos | None = None
    organization_daily_budget: Nanos | None = None
    on_insufficient: OnInsufficient = "reject"
    on_exhausted: OnExhausted = "cut"
    thresholds: tuple[int, ...] = DEFAULT_THRESHOLDS
    """At which per cent of a limit events are told, where the organization says nothing else."""
    fallback_replicas: int = 1
    """How many hosts run this gateway with the same ledger: each grants its part of an organization's `fallback_daily_limit`."""


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The isolation unit that this installation serves. `time_zone` (IANA) is where its first organization's days begin."""

    tenant_id: str = "default"
    time_zone: str = "UTC"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A whole valid configuration. `source` is the file it came from, None where there was none."""

    providers: tuple[ProviderSettings, ...]
    gateway: GatewaySettings = GatewaySettings()
    security: SecuritySettings = SecuritySettings()
    routing: RoutingSettings = RoutingSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    limits: LimitSettings = LimitSettings()
    tenant: TenantSettings = TenantSettings()
    source: Path | None = None
    secret_files: tuple[Path, ...] = ()
    """The files that secrets were read from: when one changes, so does the configuration."""
