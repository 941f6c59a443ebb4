"""Says in plain lines what a configuration comes to, for `onevault check-config`; never a secret."""

from __future__ import annotations

from urllib.parse import urlsplit

from onevault.config.kinds import SIMULATOR
from onevault.config.schema import ProviderSettings, Settings
from onevault.core.money import Nanos, format_usd


def describe(settings: Settings) -> list[str]:
    """What holds, one line each."""
    gateway, routing = settings.gateway, settings.routing
    return [
        f"configuration: {settings.source or 'no file, the environment alone'}",
        f"listens on: http://{gateway.host}:{gateway.port} ({gateway.environment})",
        f"data: {gateway.data_dir} (durability: {gateway.durability})",
        f"admin key: {'given' if settings.security.admin_key else 'generated at the first start'}",
        *(_provider(entry) for entry in settings.providers),
        f"default: {routing.default_model or routing.default_provider or settings.providers[0].name}",
        f"fallback: {' → '.join(routing.fallback_chain) or 'the order of the providers'}",
        *(f"alias {alias}: {model}" for alias, model in routing.aliases.items()),
        *_limits(settings),
        f"monitoring: /metrics {'on' if settings.monitoring.prometheus else 'off'}, log level {settings.monitoring.log_level}",
    ]


def _provider(entry: ProviderSettings) -> str:
    if entry.kind == SIMULATOR and entry.base_url is None:
        where = "built in"
    elif entry.base_url is None:
        where = "at its own address"
    else:
        parts = urlsplit(entry.base_url)
        where = f"at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    models = f"{len(entry.models)} models" if entry.models else "all models it is known to have"
    key = "with a key" if _has_credential(entry) else "without a key"
    timeouts = entry.timeouts
    return (
        f"provider {entry.name} ({entry.kind}): {where}, {key}, {models}, "
        f"{timeouts.total_s:g} s in all, {entry.retries_max} retries"
    )


def _has_credential(entry: ProviderSettings) -> bool:
    return any((entry.api_key, entry.gateway_token, entry.aws, entry.service_account))


def _limits(settings: Settings) -> list[str]:
    limits = settings.limits
    counts = {
        "output tokens of a request": limits.output_tokens_max,
        "requests per minute of a key": limits.key_requests_per_minute,
        "concurrent requests of a key": limits.key_concurrent_requests,
        "requests per day of a user": limits.user_daily_requests,
        "requests per month of a user": limits.user_monthly_requests,
    }
    amounts = {
        "a user per month": limits.user_monthly_budget,
        "the first organization per day": limits.organization_daily_budget,
    }
    clamped = (
        ["a chat that the budget does not cover: its output limit is lowered"]
        if limits.on_insufficient == "clamp"
        else []
    )
    topped_up = (
        ["a stream that uses its hold up: the hold is enlarged while the budget allows it"]
        if limits.on_exhausted == "top_up"
        else []
    )
    return (
        clamped
        + topped_up
        + [f"limit, {what}: {value}" for what, value in counts.items() if value is not None]
        + [f"budget, {what}: ${format_usd(Nanos(value))}" for what, value in amounts.items() if value is not None]
    )
