"""What a configuration says of models, limits and the way to providers, in the form that the pipeline asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from onevault.config.schema import Settings
from onevault.core.transport import Transport
from onevault.pipeline.drain import DrainBounds
from onevault.policy.limits import DefaultLimits
from onevault.upstream.aiohttp_transport import AiohttpTransport
from onevault.upstream.catalog import ConfiguredCatalog
from onevault.upstream.http1 import LeanTransport
from onevault.upstream.transport_settings import TransportSettings


def catalog_of(settings: Settings) -> ConfiguredCatalog:
    """The catalog with the prices in force today."""
    return ConfiguredCatalog(settings, today=datetime.now(UTC).date())


def default_limits(settings: Settings) -> DefaultLimits:
    """The limits of keys and users that have none of their own."""
    limits = settings.limits
    return DefaultLimits(
        key_requests_per_minute=limits.key_requests_per_minute,
        key_concurrent_requests=limits.key_concurrent_requests,
        user_daily_requests=limits.user_daily_requests,
        user_monthly_requests=limits.user_monthly_requests,
        user_monthly_budget=limits.user_monthly_budget,
    )


def drain_bounds(settings: Settings) -> DrainBounds:
    """How much is read on for callers who have hung up."""
    gateway = settings.gateway
    return DrainBounds(gateway.hangup_drains_max, gateway.hangup_drain_timeout_s, gateway.hangup_drain_bytes_max)


def transport_of(settings: Settings) -> Transport:
    """The lean transport; the reference one where a proxy is to be used. Raises OSError for files that cannot be read."""
    gateway = settings.gateway
    wanted = TransportSettings(
        ca_file=_path(gateway.outgoing_ca_file),
        client_certificate_file=_path(gateway.outgoing_certificate_file),
        client_key_file=_path(gateway.outgoing_key_file),
        proxy_url=gateway.outgoing_proxy.reveal() if gateway.outgoing_proxy else None,
    )
    return AiohttpTransport(wanted) if wanted.proxy_url else LeanTransport(wanted)


def webhook_transport_of(settings: Settings) -> TransportSettings:
    """Whom webhooks trust: as providers are trusted, but with no certificate of the gateway's own, which is not for tenants' servers."""
    return TransportSettings(ca_file=_path(settings.gateway.outgoing_ca_file))


def _path(file: Path | None) -> str | None:
    return str(file) if file else None
