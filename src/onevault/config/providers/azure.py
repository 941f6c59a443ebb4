"""Azure OpenAI, in both of its styles: the v1 API, and paths of deployments with a dated `api-version`
(learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle)."""

from __future__ import annotations

from onevault.config.provider_kind import Need, ProviderKind, spoken

_DEPLOYED = (
    "openai-chat",
    "openai-completions",
    "openai-embeddings",
    "openai-images",
    "openai-image-edits",
    "openai-speech",
    "openai-transcriptions",
)
"""What has the deployment in its path; the responses API takes it from the body only."""

KINDS = (
    ProviderKind(
        name="azure",
        version_path="/openai/v1",
        cuts=("/openai/v1", "/openai"),
        dated_prefixes=dict.fromkeys(_DEPLOYED, "/openai/deployments/{model}") | {"openai-responses": "/openai"},
        credential="api-key",
        codecs=spoken("openai-chat", "openai-responses", *_DEPLOYED[1:]),
        passes_headers=frozenset({"openai-beta"}),
        needs=(
            Need(("api_key",), "the key, or ${AZURE_OPENAI_API_KEY}"),
            Need(("base_url",), "the resource's address (https://NAME.openai.azure.com), or ${AZURE_OPENAI_ENDPOINT}"),
        ),
        takes=frozenset({"api_key", "api_version"}),
        variables={
            "api_key": ("AZURE_OPENAI_API_KEY",),
            "base_url": ("AZURE_OPENAI_ENDPOINT",),
            "api_version": ("OPENAI_API_VERSION",),
        },
        made_by="api_key",
        also_called=("azure_openai", "azureopenai"),
        prices_from=("azure", "openai"),
        # learn.microsoft.com/azure/ai-foundry/foundry-models/how-to/use-foundry-models-claude: at `/anthropic/v1/messages` alone
        priced_elsewhere=("claude-",),
        # openrouter.ai/docs/api-reference/streaming, "Stream Cancellation"
        cancelling_stops_bill="streams",
        # platform.openai.com/docs/api-reference/chat/create, `service_tier`: by default as the project is set
        unsaid_tiers=("priority",),
    ),
)
