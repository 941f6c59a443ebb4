"""Cohere's API in its second version (docs.cohere.com/reference)."""

from __future__ import annotations

from onevault.config.provider_kind import Need, ProviderKind, spoken

KINDS = (
    ProviderKind(
        name="cohere",
        base_url="https://api.cohere.com/v2",
        version_path="/v2",
        cuts=("/v1",),
        codecs=spoken("cohere-chat", "cohere-embeddings", "rerank"),
        needs=(Need(("api_key",), "the key, or ${COHERE_API_KEY}"),),
        variables={"api_key": ("COHERE_API_KEY", "CO_API_KEY"), "base_url": ("CO_API_URL",)},
        made_by="api_key",
        prices_from=("cohere",),
        # openrouter.ai/docs/api-reference/streaming, "Stream Cancellation"
        cancelling_stops_bill="streams",
    ),
)
