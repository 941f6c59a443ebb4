"""What configuration must know of the kinds of provider: which exist, what each needs, and what to suggest for the others."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import msgspec


class KindNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry of one kind must and may say. The variables are those that the provider's own SDKs read."""

    needs_key: bool
    needs_base_url: bool
    key_variable: str | None = None
    base_url_variable: str | None = None


KINDS: Final = MappingProxyType(
    {
        "openai": KindNeeds(
            needs_key=True, needs_base_url=False, key_variable="OPENAI_API_KEY", base_url_variable="OPENAI_BASE_URL"
        ),
        "anthropic": KindNeeds(
            needs_key=True,
            needs_base_url=False,
            key_variable="ANTHROPIC_API_KEY",
            base_url_variable="ANTHROPIC_BASE_URL",
        ),
        "openai_compatible": KindNeeds(needs_key=False, needs_base_url=True),
        "simulator": KindNeeds(needs_key=False, needs_base_url=False),
    }
)
"""By name; the rows of `upstream/providers.py` have the same names."""

SIMULATOR: Final = "simulator"

COMPATIBLE: Final = MappingProxyType(
    {
        "cerebras": "https://api.cerebras.ai/v1",
        "deepseek": "https://api.deepseek.com/v1",
        "fireworks": "https://api.fireworks.ai/inference/v1",
        "google": "https://generativelanguage.googleapis.com/v1beta/openai",
        "groq": "https://api.groq.com/openai/v1",
        "huggingface": "https://router.huggingface.co/v1",
        "llamacpp": "http://localhost:8080/v1",
        "lmstudio": "http://localhost:1234/v1",
        "mistral": "https://api.mistral.ai/v1",
        "ollama": "http://localhost:11434/v1",
        "openrouter": "https://openrouter.ai/api/v1",
        "perplexity": "https://api.perplexity.ai",
        "together": "https://api.together.xyz/v1",
        "vllm": "http://localhost:8000/v1",
        "xai": "https://api.x.ai/v1",
    }
)
"""Companies and servers without a kind of their own that speak OpenAI's dialect at this address: what to suggest."""

UNAVAILABLE: Final = frozenset({"azure", "bedrock", "cloudflare", "cohere", "vertex"})
"""Known by name, and not reachable with any kind of this version."""
