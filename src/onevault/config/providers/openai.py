"""OpenAI, and servers that speak as it does without being known by name."""

from __future__ import annotations

from onevault.config.provider_kind import Need, ProviderKind, spoken

ALL = (
    "openai-chat",
    "openai-responses",
    "openai-completions",
    "openai-embeddings",
    "openai-images",
    "openai-image-edits",
    "openai-speech",
    "openai-transcriptions",
    "openai-moderations",
)
"""platform.openai.com/docs/api-reference"""

KINDS = (
    ProviderKind(
        name="openai",
        base_url="https://api.openai.com/v1",
        codecs=spoken(*ALL),
        passes_headers=frozenset({"openai-beta", "openai-organization", "openai-project"}),
        needs=(Need(("api_key",), "the key, or ${OPENAI_API_KEY}"),),
        variables={"api_key": ("OPENAI_API_KEY",), "base_url": ("OPENAI_BASE_URL",)},
        made_by="api_key",
        prices_from=("openai",),
        listed_first=("gpt-4o-mini", "text-embedding-3-small", "omni-moderation-latest"),
        # openrouter.ai/docs/api-reference/streaming, "Stream Cancellation"
        cancelling_stops_bill="streams",
        # platform.openai.com/docs/api-reference/chat/create, `service_tier`: by default as the project is set
        unsaid_tiers=("priority",),
    ),
    # Of a server that is not known only the chat endpoint is taken for granted: what callers say in another of OpenAI's dialects
    # is translated to it. For the other operations there is but one dialect, so the server itself says what it lacks.
    ProviderKind(
        name="openai_compatible",
        codecs=spoken(
            "openai-chat",
            "openai-embeddings",
            "openai-images",
            "openai-image-edits",
            "openai-speech",
            "openai-transcriptions",
            "openai-moderations",
            "rerank",
        ),
        needs=(Need(("base_url",), "the address of the API of this openai_compatible server, usually ending in /v1"),),
    ),
)
