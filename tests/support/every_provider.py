"""A configuration with an entry of every kind of provider, all at one simulator, and which of its models can do what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SIGNED = {"access_key_id": "AKIASIMULATED", "secret_access_key": "simulated-secret"}
PRICE = {"input": 0.15, "output": 0.6}


@dataclass(frozen=True, kw_only=True)
class Provider:
    """An entry by its name, and the models of it that are asked; "": it has none for this."""

    name: str
    chat: str
    sees: str = ""
    thinks: str = ""

    def model(self, what: str = "chat") -> str:
        return f"{self.name}/{getattr(self, what) or self.chat}"


CLAUDE_AT_AWS = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider(name="openai", chat="gpt-4o-mini", sees="gpt-4o-mini", thinks="gpt-5"),
        Provider(name="anthropic", chat="claude-haiku-4-5", sees="claude-haiku-4-5", thinks="claude-haiku-4-5"),
        Provider(name="google", chat="gemini-2.5-flash", sees="gemini-2.5-flash", thinks="gemini-2.5-flash"),
        Provider(name="vertex", chat="gemini-2.5-flash", sees="gemini-2.5-flash", thinks="gemini-2.5-flash"),
        Provider(name="azure", chat="gpt-4o-mini", sees="gpt-4o-mini"),
        Provider(name="dated", chat="gpt-4o-mini", sees="gpt-4o-mini"),
        Provider(name="bedrock", chat=CLAUDE_AT_AWS, sees=CLAUDE_AT_AWS, thinks=CLAUDE_AT_AWS),
        Provider(name="bearer", chat="amazon.nova-lite-v1:0", sees="amazon.nova-lite-v1:0"),
        Provider(
            name="cohere",
            chat="command-a-03-2025",
            sees="command-a-vision-07-2025",
            thinks="command-a-reasoning-08-2025",
        ),
        Provider(name="ollama", chat="llama3.2", sees="llama3.2-vision", thinks="qwen3"),
        Provider(name="mistral", chat="mistral-small-latest", sees="pixtral-large-latest"),
        Provider(name="huggingface", chat="meta-llama/Llama-3.3-70B-Instruct"),
        Provider(name="cloudflare", chat="openai/gpt-4o-mini", sees="openai/gpt-4o-mini"),
        Provider(name="groq", chat="llama-3.3-70b-versatile", sees="meta-llama/llama-4-scout-17b-16e-instruct"),
        Provider(name="mine", chat="some-model", sees="some-model"),
        Provider(name="simulator", chat="sim-small", sees="sim-small", thinks="sim-small"),
    )
}


def entries(url: str, account_file: Path) -> dict[str, dict[str, Any]]:
    """The `providers` of the configuration; `url` is the simulator's."""
    key = {"api_key": "k-0123456789"}
    free = {"input": 0, "output": 0}
    return {
        "openai": key | {"base_url": f"{url}/v1"},
        "anthropic": key | {"base_url": url},
        "google": key | {"base_url": f"{url}/v1beta"},
        "vertex": {"base_url": url, "region": "global", "project": "p1", "service_account": str(account_file)}
        | {"prices": {"text-embedding-005": PRICE}},
        "azure": key | {"base_url": url},
        "dated": key | {"type": "azure", "base_url": url, "api_version": "2024-10-21"},
        "bedrock": SIGNED | {"region": "us-east-1", "base_url": url},
        "forged": SIGNED | {"type": "bedrock", "region": "us-east-1", "base_url": url, "secret_access_key": "another"},
        "bearer": key | {"type": "bedrock", "region": "us-east-1", "base_url": url},
        "cohere": key
        | {
            "base_url": url,
            "prices": dict.fromkeys(("command-a-vision-07-2025", "command-a-reasoning-08-2025"), PRICE),
        },
        "ollama": key | {"base_url": url, "prices": dict.fromkeys(("llama3.2", "llama3.2-vision", "qwen3"), free)},
        "mistral": key | {"base_url": url},
        "huggingface": key | {"base_url": url, "prices": {"meta-llama/Llama-3.3-70B-Instruct": PRICE}},
        "cloudflare": {
            "account_id": "a1",
            "gateway_id": "g1",
            "gateway_token": "t-0123456789",
            "base_url": f"{url}/v1/a1/g1",
            "models": [{"name": "openai/gpt-4o-mini", "prices": PRICE}],
        },
        "groq": key | {"base_url": f"{url}/v1"},
        "together": key | {"base_url": url},
        "mine": key | {"type": "openai_compatible", "base_url": f"{url}/v1", "prices": {"some-model": PRICE}},
        "simulator": {"base_url": url},
    }


def service_account(directory: Path, url: str) -> Path:
    """A file as Google gives it, of an account whose tokens the simulator hands out."""
    key = generate_private_key(65537, 2048)
    account = {
        "type": "service_account",
        "client_email": "gateway@example.iam.gserviceaccount.com",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "token_uri": f"{url}/token",
    }
    file = directory / "account.json"
    file.write_text(json.dumps(account))
    return file


def configuration(directory: Path, url: str) -> str:
    """The whole file, as YAML. Nothing is tried twice, so that a provider's error is told at once, and silence is short."""
    return yaml.safe_dump(
        {
            "gateway": {"heartbeat": "200ms"},
            "providers": entries(url, service_account(directory, url)),
            "routing": {"retries": 0},
        },
        sort_keys=False,
    )
