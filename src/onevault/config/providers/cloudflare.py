"""Cloudflare AI Gateway in front of other providers (developers.cloudflare.com/ai-gateway): models are `provider/model` there."""

from __future__ import annotations

from onevault.config.provider_kind import Need, ProviderKind, spoken

KINDS = (
    ProviderKind(
        name="cloudflare",
        base_url="https://gateway.ai.cloudflare.com/v1/{account_id}/{gateway_id}",
        version_path="/compat",
        credential="cloudflare",
        codecs=spoken("openai-chat"),
        passes_headers=frozenset(
            {
                "cf-aig-backoff",
                "cf-aig-byok-alias",
                "cf-aig-cache-key",
                "cf-aig-cache-ttl",
                "cf-aig-collect-log",
                "cf-aig-event-id",
                "cf-aig-max-attempts",
                "cf-aig-metadata",
                "cf-aig-request-timeout",
                "cf-aig-retry-delay",
                "cf-aig-skip-cache",
            }
        ),
        metadata_header="cf-aig-metadata",
        cost_header="cf-aig-custom-cost",
        needs=(
            Need(("account_id",), "the Cloudflare account's id, or ${AI_GATEWAY_ACCOUNT_ID}"),
            Need(("gateway_id",), "the gateway's name, or ${AI_GATEWAY_ID}"),
            Need(("gateway_token", "api_key"), "the gateway's token, or ${AI_GATEWAY_TOKEN}"),
        ),
        takes=frozenset({"api_key", "gateway_token", "account_id", "gateway_id"}),
        variables={
            "account_id": ("AI_GATEWAY_ACCOUNT_ID",),
            "gateway_id": ("AI_GATEWAY_ID",),
            "gateway_token": ("AI_GATEWAY_TOKEN",),
        },
        made_by="gateway_token",
        also_called=("cloudflare_ai_gateway", "ai_gateway"),
    ),
)
