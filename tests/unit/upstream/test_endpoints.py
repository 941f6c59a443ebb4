"""Where each provider's requests go, and with what: the exact addresses and headers."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from onevault.config.document import parsed
from onevault.config.load import settings_from
from onevault.core.codec import WireRequest
from onevault.core.transport import Origin, Transport
from onevault.upstream.auth.aws_sigv4 import AwsSigner
from onevault.upstream.auth.gcp import GcpSigner
from onevault.upstream.endpoint import Endpoint, in_its_names, path_at
from onevault.upstream.endpoints import Signing, endpoints, needs_simulator
from onevault.upstream.http1 import LeanTransport
from onevault.upstream.transport_settings import TransportSettings


class Stopped:
    """A clock that stands still."""

    def wall_ns(self) -> int:
        return 1_790_000_000 * 10**9

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps here")


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture
def account(key: RSAPrivateKey) -> dict[str, str]:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "project_id": "of-the-account",
        "private_key_id": "k1",
        "private_key": pem,
        "client_email": "gateway@example.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def endpoint(text: str, **environment: str) -> Endpoint:
    built = settings_from(parsed(f"providers: {{{text}}}")[0], environment)
    transport: Transport = LeanTransport(TransportSettings())
    (found,) = endpoints(built, simulator_url="http://127.0.0.1:5", signing=Signing(transport, Stopped())).values()
    return found


def url(found: Endpoint, dialect: str, path: str, model: str = "m") -> str:
    origin = found.origin
    default = {"http": 80, "https": 443}[origin.scheme]
    port = "" if origin.port == default else f":{origin.port}"
    return f"{origin.scheme}://{origin.host}{port}{path_at(found, WireRequest(path, b''), dialect, model)}"


AZURE = "azure: {api_key: k-1234, base_url: 'https://r.openai.azure.com/'"
CLOUDFLARE = "cloudflare: {account_id: a1, gateway_id: g1, gateway_token: t-1234"
BEDROCK = "bedrock: {access_key_id: AKIA1, secret_access_key: s, region: eu-west-1}"

ADDRESSES = [
    ("openai: {api_key: k-1234}", "openai-chat", "/chat/completions", "https://api.openai.com/v1/chat/completions"),
    ("openai: {api_key: k-1234, base_url: 'http://h/v9'}", "openai-images", "/images/generations", "http://h/v9/images/generations"),
    ("openai: {api_key: k-1234, base_url: 'http://h'}", "openai-images", "/images/generations", "http://h/v1/images/generations"),
    ("groq: {api_key: k-1234, base_url: 'http://h/'}", "openai-chat", "/chat/completions", "http://h/openai/v1/chat/completions"),
    ("deepseek: {api_key: k-1234, base_url: 'http://h'}", "openai-chat", "/chat/completions", "http://h/chat/completions"),
    ("vllm: {base_url: 'http://h:8000'}", "anthropic-messages", "/messages", "http://h:8000/v1/messages"),
    ("x: {type: openai_compatible, base_url: 'http://h'}", "openai-chat", "/chat/completions", "http://h/chat/completions"),
    ("x: {type: openai_compatible, base_url: 'http://h/a/'}", "openai-chat", "/chat/completions", "http://h/a/chat/completions"),
    ("anthropic: {api_key: k-1234}", "anthropic-messages", "/messages", "https://api.anthropic.com/v1/messages"),
    ("anthropic: {api_key: k-1234, base_url: 'http://h:9/a'}", "anthropic-messages", "/messages", "http://h:9/a/v1/messages"),
    ("anthropic: {api_key: k-1234, base_url: 'http://h/v1/'}", "anthropic-messages", "/messages", "http://h/v1/messages"),
    (
        "google: {api_key: k-1234}",
        "gemini",
        "/models/g:streamGenerateContent?alt=sse",
        "https://generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent?alt=sse",
    ),
    ("google: {api_key: k-1234, base_url: 'http://h/v1beta/openai'}", "gemini", "/models/g:countTokens", "http://h/v1beta/models/g:countTokens"),
    ("google: {api_key: k-1234, base_url: 'http://h'}", "gemini", "/models/g:countTokens", "http://h/v1beta/models/g:countTokens"),
    ("google: {api_key: k-1234, base_url: 'http://h/v1alpha'}", "gemini", "/models/g:countTokens", "http://h/v1alpha/models/g:countTokens"),
    (f"{AZURE}}}", "openai-chat", "/chat/completions", "https://r.openai.azure.com/openai/v1/chat/completions"),
    (f"{AZURE}}}", "openai-responses", "/responses", "https://r.openai.azure.com/openai/v1/responses"),
    (f"{AZURE}, api_version: v1}}", "openai-chat", "/chat/completions", "https://r.openai.azure.com/openai/v1/chat/completions"),
    (
        f"{AZURE}, api_version: preview}}",
        "openai-images",
        "/images/generations",
        "https://r.openai.azure.com/openai/v1/images/generations?api-version=preview",
    ),
    (
        f"{AZURE}, api_version: 2024-10-21}}",
        "openai-chat",
        "/chat/completions",
        "https://r.openai.azure.com/openai/deployments/my%20model%2F1/chat/completions?api-version=2024-10-21",
    ),
    (
        f"{AZURE}, api_version: 2025-04-01-preview}}",
        "openai-transcriptions",
        "/audio/transcriptions",
        "https://r.openai.azure.com/openai/deployments/my%20model%2F1/audio/transcriptions?api-version=2025-04-01-preview",
    ),
    (
        f"{AZURE}, api_version: 2025-04-01-preview}}",
        "openai-responses",
        "/responses",
        "https://r.openai.azure.com/openai/responses?api-version=2025-04-01-preview",
    ),
    (
        "azure: {api_key: k-1234, base_url: 'https://h/openai/v1/', api_version: '2024-10-21'}",
        "openai-embeddings",
        "/embeddings",
        "https://h/openai/deployments/my%20model%2F1/embeddings?api-version=2024-10-21",
    ),
    (BEDROCK, "bedrock-converse", "/model/a%3A0/converse", "https://bedrock-runtime.eu-west-1.amazonaws.com/model/a%3A0/converse"),
    ("bedrock: {api_key: b-1234, region: us-gov-west-1, base_url: 'http://h:1'}", "bedrock-converse", "/model/a/converse", "http://h:1/model/a/converse"),
    ("cohere: {api_key: k-1234}", "cohere-chat", "/chat", "https://api.cohere.com/v2/chat"),
    ("cohere: {api_key: k-1234, base_url: 'http://h'}", "rerank", "/rerank", "http://h/v2/rerank"),
    ("cohere: {api_key: k-1234, base_url: 'http://h/v1'}", "cohere-embeddings", "/embed", "http://h/v2/embed"),
    ("huggingface: {api_key: k-1234}", "openai-chat", "/chat/completions", "https://router.huggingface.co/v1/chat/completions"),
    ("ollama: {}", "ollama-chat", "/api/chat", "http://localhost:11434/api/chat"),
    ("ollama: {}", "openai-chat", "/chat/completions", "http://localhost:11434/v1/chat/completions"),
    ("ollama: {url: 'http://gpu:1/v1'}", "ollama-embeddings", "/api/embed", "http://gpu:1/api/embed"),
    ("ollama: {url: 'http://gpu:1/api'}", "openai-embeddings", "/embeddings", "http://gpu:1/v1/embeddings"),
    (f"{CLOUDFLARE}}}", "openai-chat", "/chat/completions", "https://gateway.ai.cloudflare.com/v1/a1/g1/compat/chat/completions"),
    ("groq: {api_key: k-1234}", "openai-responses", "/responses", "https://api.groq.com/openai/v1/responses"),
    ("deepseek: {api_key: k-1234}", "openai-chat", "/chat/completions", "https://api.deepseek.com/chat/completions"),
    ("vllm: {}", "anthropic-messages", "/messages", "http://localhost:8000/v1/messages"),
    ("simulator: {}", "openai-chat", "/chat/completions", "http://127.0.0.1:5/v1/chat/completions"),
    ("simulator: {base_url: 'http://s:1/v1'}", "gemini", "/models/g:generateContent", "http://s:1/v1beta/models/g:generateContent"),
    ("simulator: {base_url: 'http://s:1'}", "bedrock-converse", "/model/a/converse", "http://s:1/model/a/converse"),
    ("simulator: {base_url: 'http://s:1'}", "cohere-chat", "/chat", "http://s:1/v2/chat"),
    ("simulator: {base_url: 'http://s:1'}", "ollama-chat", "/api/chat", "http://s:1/api/chat"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "dialect", "path", "expected"), ADDRESSES, ids=[row[3] for row in ADDRESSES])
def test_a_request_goes_to_this_very_address(text: str, dialect: str, path: str, expected: str) -> None:
    assert url(endpoint(text), dialect, path, "my model/1") == expected


_NAMES = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "cf-aig-authorization")


@pytest.mark.parametrize(
    ("text", "credential"),
    [
        ("openai: {api_key: k-1234}", {"authorization": "Bearer k-1234"}),
        ("anthropic: {api_key: k-1234}", {"x-api-key": "k-1234"}),
        ("google: {api_key: k-1234}", {"x-goog-api-key": "k-1234"}),
        (f"{AZURE}}}", {"api-key": "k-1234"}),
        ("bedrock: {api_key: b-1234, region: r}", {"authorization": "Bearer b-1234"}),
        (BEDROCK, {}),
        ("cohere: {api_key: k-1234}", {"authorization": "Bearer k-1234"}),
        ("ollama: {}", {}),
        ("ollama: {api_key: k-1234}", {"authorization": "Bearer k-1234"}),
        (f"{CLOUDFLARE}}}", {"cf-aig-authorization": "Bearer t-1234"}),
        (f"{CLOUDFLARE}, api_key: k-1234}}", {"cf-aig-authorization": "Bearer t-1234", "authorization": "Bearer k-1234"}),
        ("x: {type: openai_compatible, base_url: 'http://h/v9'}", {}),
        (
            "simulator: {}",
            {"authorization": "Bearer simulated", "x-api-key": "simulated", "x-goog-api-key": "simulated"},
        ),
    ],
)  # fmt: skip
def test_a_request_carries_this_credential_and_no_other(text: str, credential: dict[str, str]) -> None:
    assert {name: value for name, value in endpoint(text).headers if name in _NAMES} == credential


def test_origins_may_be_addresses_and_have_ports() -> None:
    assert endpoint("openai: {api_key: k-1234, base_url: 'http://[::1]:9/a'}").origin == Origin("http", "::1", 9)
    assert endpoint("openai: {api_key: k-1234, base_url: 'https://h'}").origin == Origin("https", "h", 443)


def test_the_simulator_is_wanted_only_where_an_entry_has_no_other_address() -> None:
    both = {"OPENAI_API_KEY": "k1-real", "ANTHROPIC_API_KEY": "k2-real"}
    assert needs_simulator(settings_from({}, {}))
    assert not needs_simulator(settings_from({}, both))
    assert not needs_simulator(settings_from({"providers": {"simulator": {"base_url": "http://s"}}}, {}))
    assert endpoints(settings_from({}, {}), simulator_url=None) == {}


# ---- signers --------------------------------------------------------------------------------------------------------


async def test_keys_of_aws_sign_each_request_for_the_entrys_region_and_never_show() -> None:
    found = endpoint(BEDROCK[:-1] + ", session_token: session-1}")
    assert isinstance(found.signer, AwsSigner)
    signed = dict(await found.signer.headers("POST", found.origin, "/model/a/converse", b"{}"))
    assert "AKIA1/20260921/eu-west-1/bedrock/aws4_request" in signed["authorization"]
    assert signed["x-amz-security-token"] == "session-1"
    assert "session-1" not in found.signer.without_secrets("AKIA1 session-1")


def test_a_bearer_key_of_bedrock_goes_before_keys_that_sign() -> None:
    found = endpoint(BEDROCK[:-1] + ", api_key: b-1234}")
    assert found.signer is None
    assert ("authorization", "Bearer b-1234") in found.headers


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_is_reached_in_its_location(account: dict[str, str], region: str, host: str) -> None:
    found = endpoint(f"vertex: {{region: {region}, service_account: {json.dumps(account)}}}")
    assert url(found, "gemini", "/models/g:generateContent") == (
        f"https://{host}/v1/projects/of-the-account/locations/{region}/publishers/google/models/g:generateContent"
    )
    assert isinstance(found.signer, GcpSigner)
    assert not [header for header in found.headers if header[0] in _NAMES]


@pytest.mark.parametrize("base_url", ["http://h:1", "http://h:1/v1", "http://h:1/v1beta1/"])
def test_vertex_may_be_elsewhere(account: dict[str, str], base_url: str) -> None:
    text = f"vertex: {{region: global, project: 'p:1', base_url: '{base_url}', service_account: {json.dumps(account)}}}"
    assert endpoint(text).path_prefix == "/v1/projects/p:1/locations/global/publishers/google"


@pytest.mark.parametrize("form", ["mapping", "json", "file"])
def test_a_service_account_is_written_as_a_mapping_a_text_or_a_file(
    account: dict[str, str], form: str, tmp_path: Path
) -> None:
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account))
    said: Any = {"mapping": account, "json": json.dumps(account), "file": str(file)}[form]
    (entry,) = settings_from({"providers": {"vertex": {"region": "global", "service_account": said}}}, {}).providers
    assert entry.service_account is not None
    assert entry.service_account.private_key.reveal() == account["private_key"]
    assert (entry.project, entry.service_account.private_key_id) == ("of-the-account", "k1")
    assert base64.b64encode(account["private_key"].encode()[:40]).decode()[:20] not in repr(entry)
    assert "PRIVATE KEY" not in repr(entry)


def test_googles_customary_variables_complete_an_entry_of_vertex(account: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account))
    environment = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(file),
        "GOOGLE_CLOUD_PROJECT": "of-the-environment",
        "GOOGLE_CLOUD_LOCATION": "us",
    }
    assert endpoint("vertex: {}", **environment).path_prefix == (
        "/v1/projects/of-the-environment/locations/us/publishers/google"
    )
    own = f"vertex: {{service_account: {json.dumps(account)}}}"
    assert "of-the-account" in endpoint(own, **environment).path_prefix


# ---- Cloudflare -----------------------------------------------------------------------------------------------------


def test_cloudflare_is_told_configured_prices_in_dollars_per_token() -> None:
    found = endpoint(
        f"{CLOUDFLARE}, models: [{{name: openai/gpt-5, prices: {{input: 1.25, output: 10}}}}, a], "
        "prices: {b: {input: 0.000000001, output: 0}}}"
    )
    assert found.model_headers == {
        "openai/gpt-5": (("cf-aig-custom-cost", '{"per_token_in":0.00000125,"per_token_out":0.00001}'),),
        "b": (("cf-aig-custom-cost", '{"per_token_in":0.000000000000001,"per_token_out":0}'),),
    }
    assert found.metadata_header == "cf-aig-metadata"
    assert "cf-aig-metadata" in found.passes_headers


def test_others_are_not_told_prices() -> None:
    assert endpoint("simulator: {prices: {m: {input: 1, output: 2}}}").model_headers == {}


def test_mistral_is_told_in_its_own_names_and_nothing_that_it_refuses() -> None:
    names = endpoint("mistral: {api_key: k, models: [mistral-large-latest]}").field_names
    asked = (
        b'{"model":"m","max_completion_tokens":9,"seed":7,"user":"u","stream_options":{"include_usage":true},'
        b'"service_tier":null,"top_p":0.50}'
    )
    told = in_its_names(WireRequest("/chat/completions", asked, dropped=("top_k",)), names)
    assert told.body == b'{"model":"m","top_p":0.50,"max_tokens":9,"random_seed":7}'
    assert told.dropped == ("top_k", "user")
    untouched = WireRequest("/chat/completions", b'{"model": "m"}')
    assert in_its_names(untouched, names) is untouched
