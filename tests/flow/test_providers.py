"""Every provider with formats or credentials of its own is reached as configured, in front of a simulator that checks both."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, SimulatorProcess, http


@pytest.fixture(scope="module")
def gateway(every: GatewayProcess) -> GatewayProcess:
    return every


CHATS = [
    ("google/gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:{verb}"),
    (
        "vertex/gemini-2.5-flash",
        "/v1/projects/p1/locations/global/publishers/google/models/gemini-2.5-flash:{verb}",
    ),
    ("azure/gpt-4o-mini", "/openai/v1/chat/completions"),
    ("dated/gpt-4o-mini", "/openai/deployments/gpt-4o-mini/chat/completions"),
    (
        "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse{stream}",
    ),
    ("bearer/amazon.nova-lite-v1:0", "/model/amazon.nova-lite-v1%3A0/converse{stream}"),
    ("cohere/command-a-03-2025", "/v2/chat"),
    ("ollama/llama3.2", "/v1/chat/completions"),
    ("cloudflare/openai/gpt-4o-mini", "/v1/a1/g1/compat/chat/completions"),
    ("groq/gpt-4o-mini", "/v1/chat/completions"),
    ("simulator/sim-small", "/v1/chat/completions"),
]


def ask(
    gateway: GatewayProcess, path: str, *, headers: dict[str, str] | None = None, **body: Any
) -> tuple[int, dict[str, str], Any]:
    return http(gateway.base_url + path, key=gateway.api_key, body=body, headers=headers)


def chat(gateway: GatewayProcess, model: str, **more: Any) -> tuple[int, dict[str, str], Any]:
    messages = [{"role": "user", "content": 'Say it. [[simulate: text="pieces of eight"]]'}]
    return ask(gateway, "/v1/chat/completions", model=model, messages=messages, max_tokens=50, **more)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("model", "path"), CHATS, ids=[model for model, _ in CHATS])
def test_a_chat_reaches_its_provider_where_that_serves_it(
    gateway: GatewayProcess, simulator: SimulatorProcess, model: str, path: str, stream: bool
) -> None:
    simulator.reset()
    status, headers, answer = chat(gateway, model, stream=stream)
    assert status == 200, answer
    assert headers["x-gateway-provider"] == model.partition("/")[0]
    if stream:
        frames = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: {")]
        said = "".join(f["choices"][0]["delta"].get("content") or "" for f in frames if f["choices"])
    else:
        said = answer["choices"][0]["message"]["content"]
    assert said == "pieces of eight"
    verb = "streamGenerateContent" if stream else "generateContent"
    reached = [call["path"] for call in simulator.calls() if call["path"] != "/token"]
    assert reached == [path.format(verb=verb, stream="-stream" if stream else "")]


def test_one_token_serves_every_call_of_a_service_account(gateway: GatewayProcess, simulator: SimulatorProcess) -> None:
    chat(gateway, "vertex/gemini-2.5-flash")
    simulator.reset()
    for _ in range(3):
        assert chat(gateway, "vertex/gemini-2.5-flash")[0] == 200
    assert "/token" not in [call["path"] for call in simulator.calls()]


def test_a_wrong_signature_is_the_gateways_own_problem(gateway: GatewayProcess) -> None:
    status, _, answer = chat(gateway, "forged/amazon.nova-lite-v1:0")
    assert (status, answer["error"]["code"]) == (502, "PROVIDER_ERROR")
    assert "AKIASIMULATED" not in str(answer)


HELLO = [{"role": "user", "content": "hello"}]
OTHERS = [
    ("/v1/embeddings", {"model": "google/gemini-embedding-001", "input": "a"}, "/v1beta/models/gemini-embedding-001"),
    (
        "/v1/embeddings",
        {"model": "vertex/text-embedding-005", "input": "a"},
        "/v1/projects/p1/locations/global/publishers/google/models/text-embedding-005:predict",
    ),
    ("/v1/embeddings", {"model": "bedrock/amazon.titan-embed-text-v2:0", "input": "a"}, "/model/amazon.titan-embed"),
    ("/v1/embeddings", {"model": "cohere/embed-v4.0", "input": "a"}, "/v2/embed"),
    ("/v1/embeddings", {"model": "ollama/nomic-embed-text", "input": "a"}, "/v1/embeddings"),
    (
        "/v1/embeddings",
        {"model": "dated/text-embedding-3-small", "input": "a"},
        "/openai/deployments/text-embedding-3-small/embeddings",
    ),
    ("/v1/responses", {"model": "dated/gpt-4o-mini", "input": "a"}, "/openai/responses"),
    ("/v1/responses", {"model": "azure/gpt-4o-mini", "input": "a"}, "/openai/v1/responses"),
    ("/v1/messages", {"model": "ollama/llama3.2", "messages": HELLO, "max_tokens": 9}, "/api/chat"),
    ("/v1/messages", {"model": "groq/gpt-4o-mini", "messages": HELLO, "max_tokens": 9}, "/v1/chat/completions"),
    ("/v1/messages", {"model": "simulator/sim-small", "messages": HELLO, "max_tokens": 9}, "/v1/messages"),
    (
        "/v1beta/models/sim-small:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
        "/v1beta/models/sim-small:generateContent",
    ),
    (
        "/v1beta/models/gemini-2.5-flash:countTokens",
        {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
        "/v1beta/models/gemini-2.5-flash:countTokens",
    ),
    (
        "/v1/messages/count_tokens",
        {"model": "vertex/gemini-2.5-flash", "messages": HELLO},
        "/v1/projects/p1/locations/global/publishers/google/models/gemini-2.5-flash:countTokens",
    ),
    ("/v1/rerank", {"model": "simulator/rerank-v3.5", "query": "a", "documents": ["b", "c"]}, "/v1/rerank"),
    ("/v1/rerank", {"model": "cohere/rerank-v3.5", "query": "a", "documents": ["b", "c"]}, "/v2/rerank"),
]


@pytest.mark.parametrize(
    ("path", "body", "reached"), OTHERS, ids=[f"{body.get('model', '')}{path}" for path, body, _ in OTHERS]
)
def test_other_calls_reach_their_provider_where_that_serves_them(
    gateway: GatewayProcess, simulator: SimulatorProcess, path: str, body: dict[str, Any], reached: str
) -> None:
    simulator.reset()
    status, _, answer = ask(gateway, path, **body)
    assert status == 200, answer
    (found,) = [call["path"] for call in simulator.calls() if call["path"] != "/token"]
    assert found.startswith(reached)


def test_cloudflare_gets_its_token_the_price_the_metadata_and_the_callers_own_headers(
    gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    simulator.reset()
    metadata = {f"k{number}": "ü" for number in range(7)}
    status, _, answer = ask(
        gateway,
        "/v1/chat/completions",
        model="cloudflare/openai/gpt-4o-mini",
        messages=HELLO,
        metadata=metadata,
        headers={"cf-aig-skip-cache": "true", "cf-aig-authorization": "Bearer of-the-caller"},
    )
    assert status == 200, answer
    (call,) = simulator.calls()
    sent = dict(call["headers"])
    assert sent["cf-aig-authorization"] == "Bearer …6789"  # as much as the simulator keeps of a credential
    assert json.loads(sent["cf-aig-custom-cost"]) == {"per_token_in": 1.5e-07, "per_token_out": 6e-07}
    assert json.loads(sent["cf-aig-metadata"]) == {f"k{number}": "ü" for number in range(5)}
    assert sent["cf-aig-skip-cache"] == "true"
    assert "authorization" not in sent


def test_metadata_that_the_caller_says_in_cloudflares_own_header_is_his(
    gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    simulator.reset()
    status, _, answer = ask(
        gateway,
        "/v1/chat/completions",
        model="cloudflare/openai/gpt-4o-mini",
        messages=HELLO,
        metadata={"team": "a"},
        headers={"cf-aig-metadata": '{"team":"b"}'},
    )
    assert status == 200, answer
    assert dict(simulator.calls()[0]["headers"])["cf-aig-metadata"] == '{"team":"b"}'
