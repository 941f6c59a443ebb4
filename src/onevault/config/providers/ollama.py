"""Ollama (github.com/ollama/ollama, docs/api.md): its own API, and OpenAI's beside it."""

from __future__ import annotations

from onevault.config.provider_kind import ProviderKind, spoken

KINDS = (
    ProviderKind(
        name="ollama",
        base_url="http://localhost:11434",
        cuts=("/v1", "/api"),
        prefixes={"openai-chat": "/v1", "openai-embeddings": "/v1"},
        codecs=spoken("ollama-chat", "openai-chat", "ollama-embeddings", "openai-embeddings"),
        variables={"api_key": ("OLLAMA_API_KEY",), "base_url": ("OLLAMA_BASE_URL",)},
        made_by="base_url",
        cancelling_stops_bill="always",  # a server of one's own sends no bill
    ),
)
