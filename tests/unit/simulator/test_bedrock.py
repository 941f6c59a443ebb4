"""Bedrock as AWS's own SDK reads it: Converse, its stream, embeddings, credentials, errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import boto3
import jsonschema_rs
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.unit.simulator.conftest import KEY, Json

from onevault.simulator.faults import CATALOGUE
from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Settings

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"toolSpec": {"name": "weather", "description": "d", "inputSchema": {"json": CITY}}}
CLOCK = {"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
TOOLS = {"tools": [WEATHER, CLOCK]}
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
THINKS = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
LONG = "x" * 4000
POINT = {"cachePoint": {"type": "default"}}
HOUR = {"cachePoint": {"type": "default", "ttl": "1h"}}
GUARD = {"guardrailIdentifier": "g1", "guardrailVersion": "DRAFT", "trace": "enabled"}

Boto = Callable[..., Awaitable[Any]]


def client_of(url: str, secret: str = "simulated-secret", token: str | None = None) -> Any:
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIASIMULATED",
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def boto(simulator: EmbeddedSimulator) -> Boto:
    """Calls an operation in a thread; a stream comes back as the list of its events."""

    async def call(operation: str, **more: Any) -> Any:
        def run() -> Any:
            client = client_of(simulator.base_url)
            try:
                answer = getattr(client, operation)(**more)
                if "stream" in answer:
                    answer["stream"] = list(answer["stream"])
                if "body" in answer:
                    answer["body"] = json.loads(answer["body"].read())
                return answer
            finally:
                client.close()

        return await asyncio.to_thread(run)

    return call


def user(*blocks: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": block} if isinstance(block, str) else block for block in blocks]}]


def asking(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"modelId": CLAUDE, "messages": user(text), **more}


def added(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole answer that a stream's events add up to."""
    blocks: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for event in events:
        ((kind, value),) = event.items()
        if kind == "contentBlockStart":
            blocks[value["contentBlockIndex"]] = {"toolUse": {**value["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            block = blocks.setdefault(value["contentBlockIndex"], {})
            _add(block, value["delta"])
        elif kind in ("messageStop", "metadata"):
            answer.update(value)
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    content = [blocks[index] for index in sorted(blocks)]
    return {**answer, "output": {"message": {"role": "assistant", "content": content}}}


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "redactedContent" in delta["reasoningContent"]:
        block["reasoningContent"] = delta["reasoningContent"]
    else:
        reasoning = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {})
        for name, piece in delta["reasoningContent"].items():
            reasoning[name] = reasoning.get(name, "") + piece


@pytest.mark.parametrize(
    "more",
    [
        asking(),
        asking(inferenceConfig={"maxTokens": 3}),
        asking("x [[simulate: output_tokens=50]]", **THINKS),
        asking("x [[simulate: thinking=5; redacted_thinking]]"),
        asking(toolConfig=TOOLS),
        asking("x [[simulate: tools=3; thinking=2]]", toolConfig=TOOLS),
        asking("x [[simulate: refusal]]"),
        asking('x [[simulate: text="naïve 漢字 🙂"]]'),
        asking('x [[simulate: text="one two three"]]', inferenceConfig={"stopSequences": ["two", "three"]}),
        asking("x [[simulate: finish=content_filter]]", guardrailConfig=GUARD),
        asking(performanceConfig={"latency": "optimized"}, serviceTier={"type": "flex"}),
        {"modelId": CLAUDE, "messages": user(LONG, HOUR, "x" * 400, POINT, "rest [[simulate: cached_tokens=200]]")},
    ],
)
async def test_a_stream_adds_up_to_the_whole_answer_of_the_same_request(boto: Boto, more: dict[str, Any]) -> None:
    whole = await boto("converse", **more)
    stream = await boto("converse_stream", **more)
    events = [next(iter(event)) for event in stream["stream"]]
    assert events[0] == "messageStart"
    assert events[-2:] == ["messageStop", "metadata"]
    del whole["ResponseMetadata"]
    assert added(stream["stream"]) == whole


@pytest.mark.parametrize(
    ("more", "tokens", "reason"),
    [
        (asking(), 24, "end_turn"),
        (asking(inferenceConfig={"maxTokens": 24}), 24, "end_turn"),
        (asking(inferenceConfig={"maxTokens": 7}), 7, "max_tokens"),
        (asking("[[simulate: thinking=6; output_tokens=10]]"), 16, "end_turn"),
        (asking(**THINKS), 32, "end_turn"),
        (asking("[[simulate: refusal]]"), 10, "content_filtered"),
        (asking("[[simulate: refusal]]", guardrailConfig=GUARD), 10, "guardrail_intervened"),
        (asking("[[simulate: finish=pause]]"), 24, "end_turn"),
        (asking('[[simulate: text="one two"]]', inferenceConfig={"stopSequences": ["two"]}), 1, "stop_sequence"),
        (asking(toolConfig={"tools": [CLOCK]}), 3, "tool_use"),
        (asking(toolConfig={"tools": [CLOCK]}, inferenceConfig={"maxTokens": 2}), 2, "max_tokens"),
    ],
)
async def test_length_and_stop_reason_are_known_beforehand(
    boto: Boto, more: dict[str, Any], tokens: int, reason: str
) -> None:
    answer = await boto("converse", **more)
    assert (answer["usage"]["outputTokens"], answer["stopReason"]) == (tokens, reason)


@pytest.mark.parametrize(
    ("blocks", "usage", "details"),
    [
        ((LONG, "abcd"), (1001, 0, 0), None),
        ((LONG, POINT, "abcd"), (1, 0, 1000), [("5m", 1000)]),
        ((LONG, HOUR, "x" * 400, POINT, "abcd"), (1, 0, 1100), [("1h", 1000), ("5m", 100)]),
        ((LONG, POINT, "[[simulate: cached_tokens=600]]"), (8, 600, 400), [("5m", 400)]),
        ((LONG, POINT, "[[simulate: cached_tokens=9999]]"), (0, 1008, 0), None),
    ],
)
async def test_cache_points_split_the_input_tokens(
    call: Json, blocks: tuple[Any, ...], usage: tuple[int, ...], details: Any
) -> None:
    _, answer = await call("POST", f"/model/{CLAUDE}/converse", {"messages": user(*blocks)})
    got = answer["usage"]
    assert (got["inputTokens"], got["cacheReadInputTokens"], got["cacheWriteInputTokens"]) == usage
    assert got["totalTokens"] == sum(usage) + 24
    assert [(row["ttl"], row["inputTokens"]) for row in got.get("cacheDetails", ())] == (details or [])


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({}, ["weather"]),
        ({"toolChoice": {"auto": {}}}, ["weather"]),
        ({"toolChoice": {"tool": {"name": "clock"}}}, ["clock"]),
    ],
)
async def test_tools_are_used_as_the_request_says_and_their_results_are_taken(
    boto: Boto, more: dict[str, Any], names: list[str]
) -> None:
    answer = await boto("converse", **asking(toolConfig={**TOOLS, **more}))
    message = answer["output"]["message"]
    uses = [block["toolUse"] for block in message["content"] if "toolUse" in block]
    assert [use["name"] for use in uses] == names
    if names == ["weather"]:
        jsonschema_rs.validate(CITY, uses[0]["input"])
    results = [{"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": "rain"}]}} for use in uses]
    turns = [*user("hello"), message, *user(*results)]
    second = await boto("converse", modelId=CLAUDE, messages=turns, toolConfig=TOOLS)
    assert second["stopReason"] == "end_turn"


async def test_an_output_conforms_to_the_schema_written_as_a_text(call: Json) -> None:
    described = {"name": "city", "schema": json.dumps(CITY)}
    output = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": described}}}
    _, answer = await call("POST", f"/model/{CLAUDE}/converse", {"messages": user("x"), "outputConfig": output})
    jsonschema_rs.validate(CITY, json.loads(answer["output"]["message"]["content"][0]["text"]))


async def test_a_guardrail_that_is_traced_says_what_it_did(boto: Boto) -> None:
    answer = await boto("converse", **asking("[[simulate: refusal]]", guardrailConfig=GUARD))
    assert answer["trace"]["guardrail"]["actionReason"] == "Guardrail blocked."
    assert "g1" in answer["trace"]["guardrail"]["inputAssessment"]


@pytest.mark.parametrize(
    ("body", "size"),
    [({"inputText": "hello"}, 1024), ({"inputText": "hello", "dimensions": 256, "normalize": True}, 256)],
)
async def test_titan_embeds(boto: Boto, body: dict[str, Any], size: int) -> None:
    answer = await boto("invoke_model", modelId="amazon.titan-embed-text-v2:0", body=json.dumps(body))
    assert len(answer["body"]["embedding"]) == size
    assert answer["body"]["embeddingsByType"]["float"] == answer["body"]["embedding"]
    assert answer["body"]["inputTextTokenCount"] == 2
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"] == "2"


@pytest.mark.parametrize(
    ("model", "more", "size", "kind"),
    [
        ("cohere.embed-english-v3", {}, 1024, None),
        ("cohere.embed-english-v3", {"embedding_types": ["int8"]}, 1024, "int8"),
        ("cohere.embed-english-v3", {"embedding_types": ["ubinary"]}, 128, "ubinary"),
        ("us.cohere.embed-v4:0", {}, 1536, "float"),
        ("cohere.embed-v4:0", {"output_dimension": 512}, 512, "float"),
    ],
)
async def test_cohere_embeds(boto: Boto, model: str, more: dict[str, Any], size: int, kind: str | None) -> None:
    body = {"texts": ["hello", "world"], "input_type": "search_document", **more}
    answer = (await boto("invoke_model", modelId=model, body=json.dumps(body)))["body"]
    vectors = answer["embeddings"] if kind is None else answer["embeddings"][kind]
    assert [len(vector) for vector in vectors] == [size, size]
    assert answer["response_type"] == ("embeddings_floats" if kind is None else "embeddings_by_type")


async def test_nova_embeds(boto: Boto) -> None:
    parameters = {"embeddingPurpose": "GENERIC_RETRIEVAL", "text": {"value": "hello"}, "embeddingDimension": 256}
    body = {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": parameters}
    answer = await boto("invoke_model", modelId="amazon.nova-2-multimodal-embeddings-v1:0", body=json.dumps(body))
    assert [len(row["embedding"]) for row in answer["body"]["embeddings"]] == [256]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("amazon.titan-embed-text-v2:0", {}),
        ("amazon.titan-embed-text-v2:0", {"inputText": ""}),
        ("amazon.titan-embed-text-v2:0", {"inputText": "x", "dimensions": 3}),
        ("amazon.titan-embed-text-v1", {"inputText": "x", "dimensions": 256}),
        ("cohere.embed-english-v3", {"texts": ["x"]}),
        ("cohere.embed-english-v3", {"texts": [], "input_type": "search_query"}),
        ("cohere.embed-english-v3", {"texts": ["x"], "input_type": "search_query", "output_dimension": 512}),
        (CLAUDE, {"messages": []}),
    ],
)
async def test_bad_embedding_requests_are_refused(boto: Boto, model: str, body: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        await boto("invoke_model", modelId=model, body=json.dumps(body))
    assert refused.value.response["Error"]["Code"] == "ValidationException"


async def test_count_tokens_agrees_with_the_usage(boto: Boto) -> None:
    messages = user("one two three")
    counted = await boto("count_tokens", modelId=CLAUDE, input={"converse": {"messages": messages}})
    answer = await boto("converse", modelId=CLAUDE, messages=messages)
    assert counted["inputTokens"] == answer["usage"]["inputTokens"] == 4


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-x-v1:0",
        "us.anthropic.claude-x-v1:0",
        "global.anthropic.claude-x-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-x-v1:0",
    ],
)
async def test_a_model_is_known_by_its_profiles_and_its_arn(model: str) -> None:
    async with EmbeddedSimulator(Settings(models=("anthropic.claude-x-v1:0",))) as strict:
        client = client_of(strict.base_url)
        answer = await asyncio.to_thread(client.converse, modelId=model, messages=user("x"))
        assert answer["stopReason"] == "end_turn"
        with pytest.raises(ClientError) as unknown:
            await asyncio.to_thread(client.converse, modelId="us.anthropic.claude-y-v1:0", messages=user("x"))
        assert unknown.value.response["Error"]["Message"] == "The provided model identifier is invalid."
        client.close()


@pytest.mark.parametrize(("secret", "code"), [("simulated-secret", ""), ("wrong", "InvalidSignatureException")])
@pytest.mark.parametrize("token", [None, "session"])
async def test_a_signature_is_looked_at(
    simulator: EmbeddedSimulator, secret: str, code: str, token: str | None
) -> None:
    client = client_of(simulator.base_url, secret, token)
    try:
        if not code:
            await asyncio.to_thread(client.converse, **asking())
            return
        with pytest.raises(ClientError) as refused:
            await asyncio.to_thread(client.converse, **asking())
        assert refused.value.response["Error"]["Code"] == code
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    finally:
        client.close()


@pytest.mark.parametrize(("authorization", "status"), [(f"Bearer {KEY}", 200), ("", 403), ("Basic abc", 403)])
async def test_an_api_key_is_taken_as_a_bearer(call: Json, authorization: str, status: int) -> None:
    path = f"/model/{CLAUDE}/converse"
    assert (await call("POST", path, {"messages": user("x")}, authorization=authorization))[0] == status


NAMED = {
    "permission": "AccessDeniedException",
    "not_found": "ResourceNotFoundException",
    "timeout": "ModelTimeoutException",
    "rate_limit": "ThrottlingException",
    "quota": "ServiceQuotaExceededException",
    "server": "InternalServerException",
    "unavailable": "ServiceUnavailableException",
    "bad_request": "ValidationException",
    "context_length": "ValidationException",
}


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize("name", CATALOGUE)
async def test_every_fault_of_the_catalogue_is_an_error_of_the_sdk(boto: Boto, operation: str, name: str) -> None:
    with pytest.raises(ClientError) as raised:
        await boto(operation, **asking(f"[[simulate: error={name}]]"))
    error = raised.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == CATALOGUE[name].status
    assert error["Error"]["Code"].endswith("Exception")
    assert error["Error"]["Code"] == NAMED.get(name, error["Error"]["Code"])
    assert error["Error"]["Message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{not json", "malformed"),
        ({}, "at least one message"),
        ({"messages": "x"}, "Expected `array`"),
        ({"messages": [{"role": "system", "content": [{"text": "x"}]}]}, "Invalid enum value"),
        ({"messages": user()}, "is empty"),
        ({"messages": user("")}, "is blank"),
        ({"messages": user({"text": "x", "image": {}})}, "exactly one member"),
        ({"messages": user({"ghost": {}})}, "exactly one member"),
        ({"messages": user({"image": {"format": "png", "source": {"bytes": "no!"}}})}, "no base64"),
        ({"messages": user({"image": {"format": "png", "source": {}}})}, "exactly one member"),
        ({"messages": user("x"), "inferenceConfig": {"maxTokens": 0}}, "greater than or equal to 1"),
        ({"messages": user("x"), "inferenceConfig": {"temperature": 2}}, "less than or equal to 1"),
        ({"messages": user("x"), "toolConfig": {"tools": []}}, "length greater than or equal to 1"),
        ({"messages": user("x"), "toolConfig": {"tools": [WEATHER, WEATHER]}}, "twice"),
        ({"messages": user("x"), "toolConfig": {"tools": [{"toolSpec": {"name": "a b"}}]}}, "regular expression"),
        ({"messages": user("x"), "toolConfig": {"tools": [{"toolSpec": {"name": "a"}}]}}, "must be one of"),
        ({"messages": user("x"), "toolConfig": {**TOOLS, "toolChoice": {"tool": {"name": "z"}}}}, "not among"),
        ({"messages": user({"toolResult": {"toolUseId": "a", "content": []}})}, "toolConfig field must be defined"),
        (
            {"messages": user({"toolResult": {"toolUseId": "a", "content": []}}), "toolConfig": TOOLS},
            "exceeds the number of toolUse blocks",
        ),
        (
            {
                "messages": [
                    *user("x"),
                    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "clock", "input": {}}}]},
                    *user("y"),
                ],
                "toolConfig": TOOLS,
            },
            "Expected toolResult blocks at messages.2.content for the following Ids: a",
        ),
        (
            {"messages": user("x"), "outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": "{"}}}}},
            "not a valid JSON schema",
        ),
        ({"messages": user("[[simulate: nonsense]]")}, "Unknown directive"),
    ],
)
async def test_a_bad_request_is_refused_in_awss_words(call: Json, body: Any, words: str) -> None:
    status, answer = await call("POST", f"/model/{CLAUDE}/converse", body)
    assert status == 400
    assert words in answer["message"]


async def test_what_is_not_served_is_refused_in_awss_shape(call: Json) -> None:
    assert (await call("POST", f"/model/{CLAUDE}/unknown"))[1].keys() == {"message"}
    assert (await call("GET", f"/model/{CLAUDE}/converse"))[0] == 405
