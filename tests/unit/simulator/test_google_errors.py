"""Errors, keys and refusals of the Gemini API, in Google's own shape."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from tests.unit.simulator.conftest import KEY, Exchange, Json, request_of

from onevault.simulator.faults import CATALOGUE
from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Settings

BASE = "/v1beta/models/gemini-2.5-flash:"
GENERATE = BASE + "generateContent"
RPC = "type.googleapis.com/google.rpc."


def text(value: str = "hello") -> dict[str, Any]:
    return {"parts": [{"text": value}]}


def body_of(value: str = "hello", **more: Any) -> dict[str, Any]:
    return {"contents": [text(value)], **more}


def called(**part: Any) -> dict[str, Any]:
    return {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, **part}]}


ANSWERED = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}
PNG = {"mimeType": "image/png", "data": "iVBORw0KGgo_-w"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{not json", "Invalid JSON payload received."),
        (b"[]", "Root element must be a message"),
        ({}, "contents is not specified"),
        ({"contents": "hi"}, "Invalid value at 'contents[0]' (type.googleapis.com/"),
        (body_of(prompt="x"), 'Unknown name "prompt": Cannot find field.'),
        (body_of(generationConfig={"max_tokens": 3}), "Unknown name \"max_tokens\" at 'generation_config'"),
        (
            body_of(generationConfig={"maxOutputTokens": "many"}),
            "'generation_config.max_output_tokens' (TYPE_INT32), \"many\"",
        ),
        (body_of(generationConfig={"maxOutputTokens": 1.5}), "(TYPE_INT32)"),
        (body_of(generationConfig={"maxOutputTokens": 0}), "supported range is at least 1"),
        (body_of(generationConfig={"temperature": 3}), "supported range is [0, 2]"),
        (body_of(generationConfig={"stopSequences": list("abcdef")}), "must not exceed 5"),
        (body_of(generationConfig={"logprobs": 3}), "response_logprobs"),
        (body_of(generationConfig={"responseSchema": {"type": "STRING"}}), "responseMimeType"),
        (body_of(generationConfig={"thinkingConfig": {"thinkingLevel": "DEEP"}}), "thinking_level"),
        (body_of(systemInstruction="be brief"), "Invalid value at 'system_instruction'"),
        ({"contents": [{"role": "assistant", **text()}]}, "Please use a valid role: user, model."),
        ({"contents": [{"parts": []}]}, "contents.parts must not be empty"),
        ({"contents": [{"parts": [{}]}]}, "must have one initialized field"),
        ({"contents": [{"parts": [{"text": "a", "inlineData": PNG}]}]}, "oneof field 'data' is already set"),
        ({"contents": [{"parts": [{"inlineData": {"data": "no!"}}]}]}, 'Base64 decoding failed for "no!"'),
        (body_of(tools=[{"functionDeclarations": [{"name": "9"}]}]), "Invalid function name."),
        (body_of(tools=[{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]), "Duplicate function declaration"),
        (
            body_of(tools=[{"functionDeclarations": [{"name": "f", "parameters": {"type": ["STRING"]}}]}]),
            "Proto field is not repeating, cannot start list.",
        ),
        (
            body_of(tools=[{"functionDeclarations": [{"name": "f", "parameters": {"additionalProperties": False}}]}]),
            "Unknown name \"additionalProperties\" at 'tools[0].function_declarations[0].parameters': Cannot find field.",
        ),
        (body_of(toolConfig={"functionCallingConfig": {"mode": "ANY"}}), "without function_declarations"),
        ({"contents": [text(), called(), text("go on")]}, "number of function response parts is equal"),
        (body_of("[[simulate: nonsense]]"), "Unknown directive 'nonsense'"),
    ],
)
async def test_a_bad_request_is_refused_in_googles_words(call: Json, body: Any, words: str) -> None:
    status, answer = await call("POST", GENERATE, body, x_goog_api_key=KEY)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert words in answer["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        body_of(generation_config={"max_output_tokens": "5", "top_k": 40.0}),
        body_of(tools={"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}),
        {"contents": [text(), called(), ANSWERED]},
        {"contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": PNG["data"]}}]}]},
        {"contents": {"role": "user", "parts": {"text": "one stands for a list of one"}}},
        body_of(tools=[{"functionDeclarations": [{"name": "f", "parameters": {"type": "object"}}]}]),
    ],
)
async def test_names_numbers_and_lists_may_be_written_in_either_way(call: Json, body: Any) -> None:
    assert (await call("POST", GENERATE, body, x_goog_api_key=KEY))[0] == 200


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("model", "asks"), [("gemini-2.5-flash", False), ("gemini-3-pro-preview", True)])
async def test_signatures_are_asked_for_within_the_present_turn_only(
    call: Json, model: str, asks: bool, signed: bool
) -> None:
    path = f"/v1beta/models/{model}:generateContent"
    call_made = called(thoughtSignature="c2ln") if signed else called()
    earlier = {"contents": [text(), called(), ANSWERED, {"role": "model", **text()}, text("next")]}
    present = {"contents": [text(), call_made, ANSWERED]}
    assert (await call("POST", path, earlier, x_goog_api_key=KEY))[0] == 200
    assert (await call("POST", path, present, x_goog_api_key=KEY))[0] == (400 if asks and not signed else 200)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (GENERATE, {}, 403),
        (GENERATE, {"authorization": f"Bearer {KEY}"}, 403),
        (GENERATE + f"?key={KEY}", {}, 200),
        (GENERATE, {"x_goog_api_key": KEY}, 200),
        (GENERATE.replace("v1beta", "v1"), {"x_goog_api_key": KEY}, 200),
    ],
)
async def test_a_key_is_taken_from_header_or_query_and_missed_when_absent(
    call: Json, path: str, headers: dict[str, str], status: int
) -> None:
    got, answer = await call("POST", path, body_of(), **headers)
    assert got == status
    assert status == 200 or answer["error"]["status"] == "PERMISSION_DENIED"


async def test_a_wrong_key_is_an_invalid_argument() -> None:
    async with (
        EmbeddedSimulator(Settings(keys=("right",))) as strict,
        aiohttp.ClientSession(strict.base_url) as session,
    ):
        for key, status in (("right", 200), ("wrong", 400)):
            async with session.post(GENERATE, json=body_of(), headers={"x-goog-api-key": key}) as answer:
                assert answer.status == status
                read = await answer.json()
    assert read["error"]["message"] == "API key not valid. Please pass a valid API key."
    assert read["error"]["details"][0]["reason"] == "API_KEY_INVALID"


@pytest.mark.parametrize("name", CATALOGUE)
async def test_every_fault_of_the_catalogue_has_googles_shape(call: Json, name: str) -> None:
    status, answer = await call("POST", GENERATE, body_of(f"[[simulate: error={name}]]"), x_goog_api_key=KEY)
    assert status == answer["error"]["code"] == CATALOGUE[name].status
    assert answer["error"]["status"].isupper()
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    ("directives", "kinds", "delay"),
    [
        ("error=429", ["QuotaFailure", "Help", "RetryInfo"], "1s"),
        ("error=token_rate_limit; retry_after=34.5", ["QuotaFailure", "Help", "RetryInfo"], "34.5s"),
        ("error=quota", ["QuotaFailure", "Help"], None),
        ("error=503", [], None),
        ("error=503; retry_after=2", ["RetryInfo"], "2s"),
    ],
)
async def test_an_error_says_in_its_details_when_to_come_back(
    call: Json, directives: str, kinds: list[str], delay: str | None
) -> None:
    _, answer = await call("POST", GENERATE, body_of(), x_goog_api_key=KEY, x_simulate=directives)
    details = answer["error"].get("details", [])
    assert [detail["@type"].removeprefix(RPC) for detail in details] == kinds
    assert delay is None or details[-1]["retryDelay"] == delay


async def test_an_error_before_an_array_is_an_array(call: Json) -> None:
    body = body_of("[[simulate: error=503]]")
    status, answer = await call("POST", BASE + "streamGenerateContent", body, x_goog_api_key=KEY)
    assert status == 503
    assert answer[0]["error"]["status"] == "UNAVAILABLE"
    _, answer = await call("POST", BASE + "streamGenerateContent?alt=sse", body, x_goog_api_key=KEY)
    assert answer["error"]["status"] == "UNAVAILABLE"


async def test_a_stream_without_alt_is_one_json_array(call: Json, exchange: Exchange) -> None:
    path, body = BASE + "streamGenerateContent", body_of("[[simulate: output_tokens=3]]")
    answer = await exchange(request_of("POST", path, body, x_goog_api_key=KEY, connection="close"))
    assert b"content-type: application/json" in answer
    _, whole = await call("POST", GENERATE, body, x_goog_api_key=KEY)
    pieces = unchunked_array(answer)
    assert (
        "".join(one["candidates"][0]["content"]["parts"][0]["text"] for one in pieces)
        == (whole["candidates"][0]["content"]["parts"][0]["text"])
    )
    assert pieces[-1]["usageMetadata"] == whole["usageMetadata"]


def unchunked_array(answer: bytes) -> list[Any]:
    rest, data = answer.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        data += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    decoded = json.loads(data)
    assert isinstance(decoded, list)
    return decoded


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("countTokens", {}, "contents is not specified"),
        ("embedContent", {}, "content is not specified"),
        ("embedContent", {"content": text(), "outputDimensionality": 10**6}, "output_dimensionality"),
        ("batchEmbedContents", {"requests": []}, "requests is not specified"),
        ("batchEmbedContents", {"requests": [{"content": text(), "model": "models/other"}]}, "must be the same"),
        ("batchEmbedContents", {"requests": [{}] * 101}, "at most 100 requests"),
        ("streamGenerateContent?alt=xml", body_of(), "alt"),
    ],
)
async def test_other_operations_refuse_what_breaks_their_rules(call: Json, verb: str, body: Any, words: str) -> None:
    status, answer = await call("POST", BASE + verb, body, x_goog_api_key=KEY)
    assert status == 400
    assert words in answer["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("POST", "/v1beta/elsewhere", 404, "NOT_FOUND"),
        ("POST", BASE + "ponder", 405, "UNIMPLEMENTED"),
        ("GET", GENERATE, 405, "UNIMPLEMENTED"),
    ],
)
async def test_what_is_not_served_is_refused_in_googles_shape(
    call: Json, method: str, path: str, status: int, name: str
) -> None:
    got, answer = await call(method, path, x_goog_api_key=KEY)
    assert (got, answer["error"]["status"]) == (status, name)
