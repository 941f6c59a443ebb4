"""Embeddings, lists of models, and values made from JSON schemas."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import jsonschema_rs
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from tests.unit.simulator.conftest import KEY, Json

from onevault.simulator.schema import instance
from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import DEFAULT_MODELS, Settings


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


async def test_embeddings_are_unit_vectors_that_are_near_for_shared_words(openai: AsyncOpenAI) -> None:
    texts = ["the cat sat on the mat", "The cat sat on a mat", "quarterly revenue grew strongly"]
    answer = await openai.embeddings.create(model="e", input=texts)
    cat, mat, revenue = (row.embedding for row in answer.data)
    assert [row.index for row in answer.data] == [0, 1, 2]
    assert len(cat) == 1536
    assert math.isclose(cosine(cat, cat), 1, rel_tol=1e-5)
    assert cosine(cat, mat) > 0.7 > 0.2 > abs(cosine(cat, revenue))
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 6 + 5 + 8


@pytest.mark.parametrize(
    ("given", "count", "tokens"),
    [("hello", 1, 2), (["a", "b"], 2, 2), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)],
)
@pytest.mark.parametrize("dimensions", [None, 8])
async def test_every_kind_of_input_and_both_encodings_agree(
    call: Json, given: Any, count: int, tokens: int, dimensions: int | None
) -> None:
    body = {"model": "e", "input": given} | ({"dimensions": dimensions} if dimensions else {})
    _, floats = await call("POST", "/v1/embeddings", body)
    _, again = await call("POST", "/v1/embeddings", {**body, "encoding_format": "base64"})
    assert floats["usage"]["prompt_tokens"] == tokens
    assert len(floats["data"]) == len(again["data"]) == count
    assert {len(row["embedding"]) for row in floats["data"]} == {dimensions or 1536}
    assert isinstance(again["data"][0]["embedding"], str)


async def test_the_sdk_reads_the_same_vector_from_both_encodings(openai: AsyncOpenAI) -> None:
    coded = (
        (await openai.embeddings.create(model="e", input="one two", encoding_format="base64", dimensions=64))
        .data[0]
        .embedding
    )
    plain = (
        (await openai.embeddings.create(model="e", input="one two", encoding_format="float", dimensions=64))
        .data[0]
        .embedding
    )
    assert isinstance(coded, str) or coded == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        {"input": "x"},
        {"model": "e"},
        {"model": "e", "input": ""},
        {"model": "e", "input": []},
        {"model": "e", "input": ["a", 1]},
        {"model": "e", "input": ["a", ""]},
        {"model": "e", "input": "x", "dimensions": 0},
        {"model": "e", "input": "x", "dimensions": 10**9},
        {"model": "e", "input": "x", "encoding_format": "hex"},
    ],
)
async def test_bad_embedding_requests_are_refused(call: Json, body: Any) -> None:
    status, answer = await call("POST", "/v1/embeddings", body)
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"


async def test_models_are_listed_in_the_shape_of_who_asks(openai: AsyncOpenAI, anthropic: AsyncAnthropic) -> None:
    assert [model.id async for model in openai.models.list()] == list(DEFAULT_MODELS)
    assert [model.id async for model in anthropic.models.list(limit=3)] == list(DEFAULT_MODELS)
    assert (await openai.models.retrieve("meta/llama-4")).id == "meta/llama-4"
    assert (await anthropic.models.retrieve("any")).display_name == "Any"


async def test_another_seed_gives_other_answers_and_the_same_seed_the_same() -> None:
    async def texts(seed: int) -> tuple[str | None, list[float]]:
        async with (
            EmbeddedSimulator(Settings(seed=seed)) as simulator,
            AsyncOpenAI(base_url=simulator.base_url + "/v1", api_key=KEY) as client,
        ):
            answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
            vector = await client.embeddings.create(model="e", input="hello")
            return answer.choices[0].message.content, vector.data[0].embedding

    one, again, two = await texts(1), await texts(1), await texts(2)
    assert one == again
    assert one[0] != two[0]
    assert one[1] != two[1]


TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value", "children"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
LIST = {
    "$defs": {
        "link": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/link"}, {"type": "null"}]}},
            "required": ["next"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/link",
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}, "required": ["a", "b"]},
        {"type": "object", "required": ["x"], "additionalProperties": {"type": "integer"}},
        {"type": "object", "minProperties": 2, "additionalProperties": {"type": "boolean"}},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 5, "maxItems": 6},
        {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 3},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "items": False},
        {"type": "string", "minLength": 30, "maxLength": 33},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": r"^[A-Z]{3}-\d{2,4}(x|y)?$"},
        {"type": "string", "pattern": r"^(\w+)@\1\.[^.]com$"},
        *(
            {"type": "string", "format": name}
            for name in ("date", "date-time", "time", "email", "uuid", "uri", "ipv4", "ipv6")
        ),
        {"type": "integer", "minimum": 5, "maximum": 7},
        {"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 7},
        {"type": "integer", "maximum": -3},
        {"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 0.5, "maximum": 1},
        {"type": "number", "minimum": 0.1, "maximum": 0.2},
        {"type": ["string", "null"]},
        {"type": "null"},
        {"enum": ["a", None, 3]},
        {"const": {"deep": [1]}},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"oneOf": [{"type": "integer"}, {"type": "string"}], "description": "d"},
        {
            "allOf": [
                {"properties": {"a": {"const": 1}}, "required": ["a"]},
                {"properties": {"b": {"const": 2}}, "required": ["b"]},
            ],
            "type": "object",
        },
        TREE,
        LIST,
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_an_instance_conforms_to_its_schema(schema: Any, seed: int) -> None:
    made = instance(schema, seed)
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(made)
    assert made == instance(schema, seed)


@pytest.mark.parametrize(
    "schema", [True, None, 3, [], {"$ref": "#/nowhere"}, {"$ref": "#"}, {"type": "ghost"}, {"anyOf": [None]}]
)
def test_a_schema_that_is_none_is_survived(schema: Any) -> None:
    json.dumps(instance(schema, 0))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "minItems": 10**9, "items": {"type": "array", "minItems": 10**9}},
        {"type": "object", "minProperties": 10**9},
        {"type": "string", "minLength": 10**9},
        {"type": "string", "pattern": "^((a{1000}){1000}){1000}$"},
        {
            "$defs": {"x": {"properties": {n: {"$ref": "#/$defs/x"} for n in "abcdefgh"}, "required": [*"abcdefgh"]}},
            "$ref": "#/$defs/x",
        },
    ],
    ids=str,
)
def test_a_schema_without_bounds_costs_little(schema: Any) -> None:
    started_s = time.monotonic()
    json.dumps(instance(schema, 0))
    assert time.monotonic() - started_s < 1
