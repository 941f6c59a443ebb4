"""Anthropic (docs.anthropic.com/en/api)."""

from __future__ import annotations

from onevault.config.provider_kind import Need, ProviderKind, spoken

KINDS = (
    ProviderKind(
        name="anthropic",
        base_url="https://api.anthropic.com/v1",
        version_path="/v1",
        credential="x-api-key",
        codecs=spoken("anthropic-messages", "anthropic-count-tokens"),
        passes_headers=frozenset({"anthropic-beta"}),
        needs=(Need(("api_key",), "the key, or ${ANTHROPIC_API_KEY}"),),
        variables={"api_key": ("ANTHROPIC_API_KEY",), "base_url": ("ANTHROPIC_BASE_URL",)},
        made_by="api_key",
        also_called=("claude",),
        prices_from=("anthropic",),
        listed_first=("claude-haiku-4-5",),
        # openrouter.ai/docs/api-reference/streaming, "Stream Cancellation"
        cancelling_stops_bill="streams",
        # docs.anthropic.com/en/api/service-tiers and /data-residency: by default `auto`, and where the workspace is set to
        unsaid_tiers=("priority", "us", "priority+us"),
    ),
)
