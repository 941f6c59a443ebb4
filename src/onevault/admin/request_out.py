"""What the admin API answers about one past call: its cost, its route and every attempt."""

from __future__ import annotations

from pydantic import Field

from onevault.admin.outputs import Output, time_text
from onevault.core.money import usd_for_json
from onevault.core.records import AttemptRecord, Settled

_NS_PER_MS = 1_000_000


class AttemptOut(Output):
    provider: str
    deployment: str
    model: str
    started_at: str
    latency_ms: int
    first_event_ms: int | None
    status: int | None = Field(description="The provider's HTTP status; null where none came.")
    fault: str | None
    provider_text: str | None = Field(description="What the provider said about its failure, redacted.")


class ExcludedOut(Output):
    target: str
    reason: str


class RequestUsageOut(Output):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    input_image_tokens: int
    output_image_tokens: int
    input_video_tokens: int
    characters: int = Field(description="Characters spoken.")
    audio_ms: int = Field(description="Milliseconds of audio heard.")
    images: int = Field(description="Images made.")
    searches: int = Field(description="Searches done by the provider.")
    service_tier: str | None = Field(description="As the provider reports it; null for its standard.")
    source: str = Field(description="provider, estimated or worst_case.")


class ExplainOut(Output):
    route_reason: str
    attempts: list[AttemptOut]
    excluded: list[ExcludedOut]


class RequestOut(Output):
    """A past call. No prompt and no answer: those are kept nowhere."""

    object: str = "request"
    id: str
    tenant_id: str
    org_id: str
    user_id: str
    key_id: str
    started_at: str
    settled_at: str
    latency_ms: int
    outcome: str = Field(description="SUCCESS, ERROR, TIMEOUT or CANCELLED.")
    fault: str | None
    fault_message: str | None
    request_type: str
    dialect: str
    stream: bool
    model_asked: str
    provider: str
    model: str
    provider_key_id: str | None = Field(
        description="The organization's own provider key that it was made with; null: the gateway's."
    )
    price_version: str
    cost_usd: float
    cost_nanos: int
    held_usd: float
    held_nanos: int
    usage: RequestUsageOut
    request_ip: str
    user_agent: str
    end_user: str
    metadata: dict[str, str]
    explain: ExplainOut


def request_out(settled: Settled) -> RequestOut:
    usage = settled.usage
    return RequestOut(
        id=settled.call_id,
        tenant_id=settled.caller.tenant_id,
        org_id=settled.caller.org_id,
        user_id=settled.caller.user_id,
        key_id=settled.caller.key_id,
        started_at=time_text(settled.started_ns // _NS_PER_MS),
        settled_at=time_text(settled.at_ns // _NS_PER_MS),
        latency_ms=settled.latency_ms,
        outcome=settled.outcome.value,
        fault=settled.fault or None,
        fault_message=settled.fault_message or None,
        request_type=settled.request_type,
        dialect=settled.dialect,
        stream=settled.stream,
        model_asked=settled.model_asked,
        provider=settled.provider,
        model=settled.model,
        provider_key_id=settled.provider_key or None,
        price_version=settled.price_version,
        cost_usd=usd_for_json(settled.cost),
        cost_nanos=settled.cost,
        held_usd=usd_for_json(settled.amount_held),
        held_nanos=settled.amount_held,
        usage=RequestUsageOut(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.total_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens + usage.cache_write_1h_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            input_audio_tokens=usage.input_audio_tokens,
            output_audio_tokens=usage.output_audio_tokens,
            input_image_tokens=usage.input_image_tokens,
            output_image_tokens=usage.output_image_tokens,
            input_video_tokens=usage.input_video_tokens,
            characters=usage.characters,
            audio_ms=usage.audio_ms,
            images=usage.images,
            searches=usage.searches,
            service_tier=usage.tier or None,
            source=settled.usage_source.value,
        ),
        request_ip=settled.request_ip,
        user_agent=settled.user_agent,
        end_user=settled.end_user,
        metadata=settled.metadata,
        explain=ExplainOut(
            route_reason=settled.route_reason,
            attempts=[_attempt_out(attempt) for attempt in settled.attempts],
            excluded=[ExcludedOut(target=target, reason=reason) for target, reason in settled.excluded],
        ),
    )


def _attempt_out(attempt: AttemptRecord) -> AttemptOut:
    return AttemptOut(
        provider=attempt.provider,
        deployment=attempt.deployment,
        model=attempt.model,
        started_at=time_text(attempt.started_ns // _NS_PER_MS),
        latency_ms=attempt.latency_ms,
        first_event_ms=attempt.first_event_ms,
        status=attempt.status,
        fault=attempt.fault or None,
        provider_text=attempt.provider_text or None,
    )
