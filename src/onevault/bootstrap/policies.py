"""What a configuration says of models and limits, in the form that the pipeline asks for."""

from __future__ import annotations

from datetime import UTC, datetime

from onevault.config.schema import Settings
from onevault.policy.access import DefaultLimits
from onevault.upstream.catalog import ConfiguredCatalog


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
