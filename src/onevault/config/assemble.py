"""Makes settings of what was written: fills in what is absent, and finds what no single value shows to be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from onevault.config import keys, oidc
from onevault.config.entries import providers
from onevault.config.forms import NOT_AVAILABLE
from onevault.config.kinds import SIMULATOR
from onevault.config.problems import Problem, did_you_mean
from onevault.config.schema import (
    NOTHING,
    GatewaySettings,
    LimitSettings,
    MonitoringSettings,
    ProviderSettings,
    RoutingSettings,
    SecuritySettings,
    Settings,
    TenantSettings,
)
from onevault.config.secret import Secret
from onevault.config.written import (
    GatewayWritten,
    RoutingWritten,
    SecurityWritten,
    TenantWritten,
    Written,
)
from onevault.core.money import Nanos
from onevault.core.notices import DEFAULT_THRESHOLDS
from onevault.core.windows import is_place

DEFAULT_DATA_DIR: Final = Path("onevault-data")
EMBEDDED_DATABASE: Final = ("sqlite", "sqlite:", "sqlite://")
DATABASE_SCHEMES: Final = ("postgresql", "postgres")
AUTO: Final = "auto"


def assembled(written: Written, *, source: Path | None) -> tuple[Settings, list[Problem]]:
    """The settings, and every problem across fields; with problems the settings must not be used."""
    problems: list[Problem] = []
    entries = providers(written, problems)
    if not entries and not any(problem.path.startswith("providers") for problem in problems):
        entries = (ProviderSettings(name=SIMULATOR, kind=SIMULATOR),)
    settings = Settings(
        providers=entries,
        gateway=_gateway(written.gateway, problems),
        security=_security(written.security, problems),
        routing=_routing(written.routing, written, entries, problems=problems),
        monitoring=MonitoringSettings(
            **_said(
                written.monitoring,
                *("prometheus", "log_level", "log_format", "webhook_tries"),
                webhook_timeout_s="webhook_timeout",
                webhook_retry_first_s="webhook_retry_first",
            ),
            webhook_networks=tuple(written.monitoring.webhook_networks or ()),
        ),
        limits=_limits(written),
        tenant=_tenant(written.tenants, problems),
        source=source,
    )
    return settings, problems


def _said(section: object, *names: str, **renamed: str) -> dict[str, Any]:
    """The fields of a section that are not absent, under the names that settings give them (`settings_name=written_name`)."""
    pairs = [(name, name) for name in names] + list(renamed.items())
    return {new: value for new, old in pairs if (value := getattr(section, old)) is not None}


def _gateway(written: GatewayWritten, problems: list[Problem]) -> GatewaySettings:
    _check_database(written.database_url, problems)
    _check_outgoing(written, problems)
    _check_redis(written, problems)
    return GatewaySettings(
        data_dir=Path(written.data_dir).expanduser() if written.data_dir else DEFAULT_DATA_DIR,
        **_said(
            written,
            "version",
            "environment",
            "host",
            "port",
            "workers",
            "durability",
            "calls_in_flight_max",
            "hangup_drains_max",
            body_bytes_max="body_size_max",
            header_bytes_max="header_size_max",
            header_timeout_s="header_timeout",
            body_timeout_s="body_timeout",
            idle_timeout_s="idle_timeout",
            heartbeat_s="heartbeat",
            drain_timeout_s="drain_timeout",
            hangup_drain_timeout_s="hangup_drain_timeout",
            hangup_drain_bytes_max="hangup_drain_size_max",
        ),
        database_url=_database(written.database_url),
        redis_url=Secret(written.redis_url) if written.redis_url else None,
        outgoing_proxy=Secret(written.outgoing_proxy) if written.outgoing_proxy else None,
        outgoing_ca_file=_file(written.outgoing_ca_file),
        outgoing_certificate_file=_file(written.outgoing_certificate_file),
        outgoing_key_file=_file(written.outgoing_key_file),
    )


def _file(written: str | None) -> Path | None:
    return Path(written).expanduser() if written else None


def _check_outgoing(written: GatewayWritten, problems: list[Problem]) -> None:
    """What the URL says never leaves in a message, as it may hold a password."""
    if written.outgoing_proxy is not None:
        try:
            parts = urlsplit(written.outgoing_proxy)
            is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_fine = False
        if not is_fine:
            problems.append(Problem("gateway.outgoing_proxy", "not the URL of a proxy", "http://host:port"))
    if written.outgoing_key_file is not None and written.outgoing_certificate_file is None:
        expected = "the certificate that belongs to gateway.outgoing_key_file"
        problems.append(Problem("gateway.outgoing_certificate_file", "missing", expected))


def _check_redis(written: GatewayWritten, problems: list[Problem]) -> None:
    """As with a proxy's, what the URL says never leaves in a message."""
    if written.redis_url is not None:
        try:
            parts = urlsplit(written.redis_url)
            is_server = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and (parts.port or 1) > 0
            is_fine = is_server or (parts.scheme == "unix" and bool(parts.path))
        except ValueError:
            is_fine = False
        if not is_fine:
            expected = "redis://host:port/0, rediss://… for TLS, or unix:///path/to/socket"
            problems.append(Problem("gateway.redis_url", "not the URL of a Redis or Valkey", expected))
    elif (written.workers or 1) > 1:
        message = "each would keep a ledger of its own, and together they could spend every budget several times over"
        problems.append(Problem("gateway.workers", message, "1, or gateway.redis_url for a ledger that they share"))


def _database(url: str | None) -> Secret | None:
    return None if url is None or url.lower() in EMBEDDED_DATABASE else Secret(url)


def _check_database(url: str | None, problems: list[Problem]) -> None:
    """The vault is SQLite in the data directory, or on a PostgreSQL server. What the URL says never leaves in a message."""
    if url is None or url.lower() in EMBEDDED_DATABASE:
        return
    scheme = url.partition(":")[0].lower()
    try:
        parts = urlsplit(url)
        is_fine = scheme in DATABASE_SCHEMES and len(parts.path) > 1 and (parts.port or 1) > 0
    except ValueError:
        is_fine = False
    if not is_fine:
        message = "not the URL of a database that can be used"
        if scheme == "sqlite":
            message = f"{NOT_AVAILABLE}: a vault outside the data directory"
        expected = "postgresql://user:password@host:5432/database, or nothing for SQLite in `gateway.data_dir`"
        problems.append(Problem("gateway.database_url", message, expected))


def _security(written: SecurityWritten, problems: list[Problem]) -> SecuritySettings:
    if written.admin_key is not None and (reason := keys.weak_admin_key(written.admin_key.reveal())):
        problems.append(Problem("security.admin_key", f"refused: {reason}", keys.ADMIN_KEY_EXPECTED))
    if written.master_key is not None and (reason := keys.bad_master_key(written.master_key.reveal())):
        problems.append(Problem("security.master_key", f"refused: {reason}", keys.MASTER_KEY_EXPECTED))
    previous = tuple(written.master_key_previous or ())
    for index, key in enumerate(previous):
        if reason := keys.bad_master_key(key.reveal()):
            path = f"security.master_key_previous[{index}]"
            problems.append(Problem(path, f"refused: {reason}", keys.MASTER_KEY_EXPECTED))
    return SecuritySettings(
        admin_key=written.admin_key,
        master_key=written.master_key,
        master_key_previous=previous,
        snapshot_max_age_s=(
            SecuritySettings().snapshot_max_age_s if written.snapshot_max_age is None else written.snapshot_max_age
        ),
        oidc=oidc.issuers(written.oidc, problems),
    )


def _routing(
    written: RoutingWritten, whole: Written, entries: tuple[ProviderSettings, ...], *, problems: list[Problem]
) -> RoutingSettings:
    enabled = [entry.name for entry in entries]
    known = {*whole.providers, *enabled}
    default = written.default_provider
    if default is not None and default not in known:
        problems.append(Problem("routing.default_provider", "no such provider", did_you_mean(default, known)))
    elif default is not None and default not in enabled:
        problems.append(Problem("routing.default_provider", "this provider is not enabled", did_you_mean("", enabled)))
    chain: list[str] = []
    for index, name in enumerate(written.fallback_chain or ()):
        path = f"routing.fallback_chain[{index}]"
        if name not in known:
            problems.append(Problem(path, f"no provider is called {name!r}", did_you_mean(name, known)))
        elif name in (written.fallback_chain or ())[:index]:
            problems.append(Problem(path, f"{name!r} stands here twice", "each provider once"))
        elif name in enabled:
            chain.append(name)
    return RoutingSettings(
        default_provider=default,
        default_model=written.default_model,
        fallback_chain=tuple(chain),
        aliases=_aliases(written.aliases or {}, problems),
    )


def _aliases(written: dict[str, str], problems: list[Problem]) -> dict[str, str]:
    """Every alias with the model that it finally means."""
    followed: dict[str, str] = {}
    for alias in written:
        if alias == AUTO or not alias.strip():
            problems.append(Problem(f"routing.aliases.{alias}", "this name has a meaning of its own", "another name"))
            continue
        seen = [alias]
        while (target := written[seen[-1]]) in written and target not in seen:
            seen.append(target)
        if target in written:
            problems.append(
                Problem(
                    f"routing.aliases.{alias}",
                    "leads in a circle: " + " → ".join([*seen, target]),
                    "a model in the end",
                )
            )
            continue
        followed[alias] = target
    return followed or dict(NOTHING)


def _limits(written: Written) -> LimitSettings:
    limits = written.limits
    return LimitSettings(
        output_tokens_max=limits.max_tokens_per_request,
        key_requests_per_minute=limits.max_requests_per_minute,
        key_concurrent_requests=limits.max_concurrent_requests,
        user_daily_requests=limits.max_requests_per_day,
        user_monthly_requests=limits.max_requests_per_month,
        user_monthly_budget=None if limits.max_cost_per_month is None else Nanos(limits.max_cost_per_month),
        organization_daily_budget=None if limits.max_cost_per_day is None else Nanos(limits.max_cost_per_day),
        on_insufficient=limits.on_insufficient or "reject",
        on_exhausted=limits.on_exhausted or "cut",
        fallback_replicas=limits.fallback_replicas or 1,
        thresholds=DEFAULT_THRESHOLDS if limits.thresholds is None else tuple(limits.thresholds),
    )


def _tenant(written: list[TenantWritten] | None, problems: list[Problem]) -> TenantSettings:
    if not written:
        return TenantSettings()
    if len(written) > 1:
        problems.append(Problem("tenants[1]", f"{NOT_AVAILABLE}: more than one tenant", "one tenant"))
    time_zone = written[0].time_zone or "UTC"
    try:
        ZoneInfo(time_zone)
        known = is_place(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = False
    if not known:
        problems.append(
            Problem("tenants[0].time_zone", f"no such time zone: {time_zone!r}", 'an IANA name: "Europe/Berlin"')
        )
        time_zone = "UTC"
    return TenantSettings(tenant_id=written[0].id, time_zone=time_zone)
