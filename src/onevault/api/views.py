"""What usage and past calls look like as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from onevault.core.identity import Metric, Principal, Window
from onevault.core.money import Nanos, usd_for_json
from onevault.core.ports import Figures, ModelUsage
from onevault.core.records import Settled
from onevault.core.sending import ModelFacts
from onevault.core.usage import UsageSource


def usage_view(principal: Principal, figures: Mapping[str, Figures], by_model: Sequence[ModelUsage]) -> dict[str, Any]:
    """The running month and day of the caller's key, user and organization; the organization's only as far as a limit shows it.
    `models` are the user's, as the vault has them by now."""
    user = figures["user"]
    return {
        "object": "usage",
        "month": user.month,
        "day": user.day,
        "key": _scope_view(figures["key"], principal, "key"),
        "user": _scope_view(user, principal, "user"),
        "organization": {"limits": _limits_view(figures["org"], principal, "org")},
        "models": [
            {
                "provider": used.provider,
                "model": used.model,
                "request_count": used.requests,
                "input_tokens": used.input_tokens,
                "output_tokens": used.output_tokens,
                "cost_usd": usd_for_json(used.cost),
                "cost_nanos": used.cost,
            }
            for used in by_model
        ],
    }


def _scope_view(figures: Figures, principal: Principal, kind: str) -> dict[str, Any]:
    return {
        "month_usage_usd": usd_for_json(figures.spent_month),
        "month_usage_nanos": figures.spent_month,
        "day_usage_usd": usd_for_json(figures.spent_day),
        "day_usage_nanos": figures.spent_day,
        "held_usd": usd_for_json(figures.held),
        "request_count": figures.requests_month,
        "day_request_count": figures.requests_day,
        "month_tokens": figures.tokens_month,
        "limits": _limits_view(figures, principal, kind),
    }


def _limits_view(figures: Figures, principal: Principal, kind: str) -> list[dict[str, Any]]:
    return [
        {
            "window": limit.window.value,
            "limit_usd": usd_for_json(Nanos(limit.maximum)),
            "remaining_usd": usd_for_json(
                Nanos(limit.maximum) if limit.window is Window.NOW else figures.left(limit.window, limit.maximum)
            ),
        }
        for limit in principal.limits
        if limit.metric is Metric.MONEY and limit.scope.startswith(f"{kind}:")
    ]


def request_view(settled: Settled) -> dict[str, Any]:
    """One past call: what it was, what it cost by which price, and under `explain` why it went where it went."""
    usage = settled.usage
    return {
        "id": settled.call_id,
        "object": "request",
        "created_at": _moment(settled.started_ns),
        "ended_at": _moment(settled.at_ns),
        "type": settled.request_type,
        "dialect": settled.dialect,
        "stream": settled.stream,
        "status": settled.outcome.value,
        "fault": {"code": settled.fault, "message": settled.fault_message} if settled.fault else None,
        "model_asked": settled.model_asked,
        "provider": settled.provider or None,
        "model": settled.model or None,
        "provider_key_id": settled.provider_key or None,
        "cost_usd": usd_for_json(settled.cost),
        "cost_nanos": settled.cost,
        "held_usd": usd_for_json(settled.amount_held),
        "price_version": settled.price_version or None,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "input_audio_tokens": usage.input_audio_tokens,
            "output_audio_tokens": usage.output_audio_tokens,
            "input_image_tokens": usage.input_image_tokens,
            "output_image_tokens": usage.output_image_tokens,
            "input_video_tokens": usage.input_video_tokens,
            "characters": usage.characters,
            "audio_ms": usage.audio_ms,
            "images": usage.images,
            "searches": usage.searches,
            "service_tier": usage.tier or None,
            "source": settled.usage_source.value if settled.held else UsageSource.PROVIDER.value,
        },
        "latency_ms": settled.latency_ms,
        "end_user": settled.end_user or None,
        "metadata": settled.metadata,
        "explain": {
            "route_reason": settled.route_reason,
            "attempts": [
                {
                    "provider": attempt.provider,
                    "deployment": attempt.deployment,
                    "model": attempt.model,
                    "started_at": _moment(attempt.started_ns),
                    "latency_ms": attempt.latency_ms,
                    "first_event_ms": attempt.first_event_ms,
                    "status": attempt.status,
                    "fault": attempt.fault or None,
                    "provider_text": attempt.provider_text or None,
                }
                for attempt in settled.attempts
            ],
            "excluded": [{"deployment": deployment, "reason": reason} for deployment, reason in settled.excluded],
        },
    }


def health_view(models: Sequence[ModelFacts], *, draining: bool, version: str, now_ns: int) -> dict[str, Any]:
    """Whether calls are taken now, and how many models of which provider the caller may use."""
    each = {(facts.provider, facts.model): None for facts in models}
    return {
        "status": "draining" if draining else "healthy",
        "version": version,
        "timestamp": _moment(now_ns),
        "providers": [
            {"name": name, "models": count} for name, count in Counter(provider for provider, _ in each).items()
        ],
    }


def _moment(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
