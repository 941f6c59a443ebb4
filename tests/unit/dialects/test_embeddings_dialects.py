"""Embeddings from callers of one dialect to providers of another, and back."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import openai.types
import pytest

from onevault.core.codec import AnswerFacts, RequestLine
from onevault.core.embeddings import EmbeddingsRequest, Purpose
from onevault.core.events import EmbeddingsMade, Event, Finished, UsageReported
from onevault.core.faults import Fault, FaultKind
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS, INGRESS

BATCH = RequestLine("/v1beta/models/text-embedding-3-small:batchEmbedContents")
SINGLE = RequestLine("/v1beta/models/gemini-embedding-001:embedContent")
MADE = EmbeddingsMade(((0.5, -1.25), (2.0, 0.0)), "served")


def encoded(dialect: str, **request: Any) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    request = {"model": "gemini-embedding-001", "inputs": ("a",)} | request
    wire = CODECS[dialect].encode(EmbeddingsRequest(**request), output_tokens_max=1)
    return wire.path, json.loads(wire.body), wire.dropped


def decoded(dialect: str, body: Any) -> list[Event]:
    decoder = CODECS[dialect].decoder(stream=False, passing=None)
    return [*decoder.feed(json.dumps(body).encode()), *decoder.close()]


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2, 3], ((1, 2, 3),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
    ],
)
def test_inputs_of_openai_are_one_a_vector(given: Any, inputs: Any) -> None:
    body = {"model": "m", "input": given, "dimensions": 8, "user": "u", "encoding_format": "base64", "input_type": "x"}
    request = INGRESS["openai-embeddings"].read(json.dumps(body).encode()).canonical()
    assert request == EmbeddingsRequest(model="m", inputs=inputs, dimensions=8, user="u", hints=("input_type",))
    again = json.loads(CODECS["openai-embeddings"].encode(request, output_tokens_max=1).body)
    assert INGRESS["openai-embeddings"].read(json.dumps(again).encode()).canonical().inputs == inputs  # type: ignore[union-attr]
    assert (again["dimensions"], again["user"]) == (8, "u")


def test_inputs_of_google_are_one_a_vector() -> None:
    one = {"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "task_type": "RETRIEVAL_DOCUMENT", "title": "T"}
    request = INGRESS["gemini-embeddings"].read(json.dumps(one).encode(), SINGLE).canonical()
    assert request == EmbeddingsRequest(
        model="gemini-embedding-001", inputs=("a\nb",), purpose=Purpose.DOCUMENT, title="T"
    )
    many = {"requests": [{"content": {"parts": [{"text": t}]}, "outputDimensionality": 8} for t in "ab"]}
    request = INGRESS["gemini-embeddings"].read(json.dumps(many).encode(), BATCH).canonical()
    assert request == EmbeddingsRequest(model="text-embedding-3-small", inputs=("a", "b"), dimensions=8)
    path, body, dropped = encoded(
        "openai-embeddings", model="m", inputs=("a", "b"), dimensions=8, purpose=Purpose.QUERY
    )
    assert (path, dropped) == ("/embeddings", ("purpose",))
    assert body == {"model": "m", "input": ["a", "b"], "encoding_format": "float", "dimensions": 8}


def test_a_batch_passes_with_the_targets_name_in_each_request() -> None:
    body = {
        "requests": [{"model": "models/mine", "content": {"parts": [{"text": t}]}, "new": 1} for t in "ab"],
        "budget": {},
    }
    wire = (
        INGRESS["gemini-embeddings"]
        .read(json.dumps(body).encode(), BATCH)
        .rewritten("gemini-embedding-001", output_tokens_max=None)
    )
    assert wire.path == "/models/gemini-embedding-001:batchEmbedContents"
    expected = [{"model": "models/gemini-embedding-001", "content": {"parts": [{"text": t}]}, "new": 1} for t in "ab"]
    assert json.loads(wire.body) == {"requests": expected}


@pytest.mark.parametrize(
    ("dialect", "request_", "path", "body", "dropped"),
    [
        (
            "gemini-embeddings",
            {"purpose": Purpose.DOCUMENT, "title": "T", "dimensions": 8},
            "/models/gemini-embedding-001:embedContent",
            {
                "model": "models/gemini-embedding-001",
                "content": {"parts": [{"text": "a"}]},
                "taskType": "RETRIEVAL_DOCUMENT",
                "title": "T",
                "outputDimensionality": 8,
            },
            (),
        ),
        (
            "gemini-embeddings",
            {"inputs": ("a", "b"), "model": "gemini-embedding-2", "purpose": Purpose.QUERY},
            "/models/gemini-embedding-2:batchEmbedContents",
            {
                "requests": [
                    {"model": "models/gemini-embedding-2", "content": {"parts": [{"text": text}]}} for text in "ab"
                ]
            },
            ("purpose",),
        ),
        (
            "vertex-embeddings",
            {"inputs": ("a", "b"), "model": "text-embedding-005", "purpose": Purpose.CODE_QUERY, "dimensions": 8},
            "/models/text-embedding-005:predict",
            {
                "instances": [{"content": text, "task_type": "CODE_RETRIEVAL_QUERY"} for text in "ab"],
                "parameters": {"outputDimensionality": 8},
            },
            (),
        ),
        (
            "vertex-embeddings",
            {"model": "gemini-embedding-2", "dimensions": 8},
            "/models/gemini-embedding-2:embedContent",
            {"content": {"parts": [{"text": "a"}]}, "embedContentConfig": {"outputDimensionality": 8}},
            (),
        ),
    ],
)
def test_a_request_is_written_as_the_service_has_it(
    dialect: str, request_: Any, path: str, body: Any, dropped: Any
) -> None:
    assert encoded(dialect, **request_) == (path, body, dropped)


@pytest.mark.parametrize(
    ("dialect", "request_", "param"),
    [
        ("gemini-embeddings", {"inputs": ("a", (1, 2))}, "input[1]"),
        ("gemini-embeddings", {"inputs": ("a",) * 101}, "input"),
        ("vertex-embeddings", {"inputs": ("a", "b")}, "input"),
        ("vertex-embeddings", {"inputs": ("a",) * 251, "model": "text-embedding-005"}, "input"),
        ("openai-embeddings", {"inputs": ("a",) * 2049}, "input"),
    ],
)
def test_what_a_service_does_not_take_is_a_fault(dialect: str, request_: Any, param: str) -> None:
    with pytest.raises(Fault) as fault:
        encoded(dialect, **request_)
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)


@pytest.mark.parametrize(
    ("body", "line", "param"),
    [
        ({"content": {"parts": []}}, SINGLE, "content.parts"),
        ({"requests": []}, BATCH, "requests"),
        ({"requests": [{"content": {"parts": [{"text": "a"}]}}] * 101}, BATCH, "requests"),
        ({"requests": [{"content": {}}]}, BATCH, "requests[0].content.parts"),
        ({"contents": 1}, SINGLE, "content"),
    ],
)
def test_malformed_requests_are_refused_with_their_path(body: Any, line: RequestLine, param: str) -> None:
    with pytest.raises(Fault) as fault:
        INGRESS["gemini-embeddings"].read(json.dumps(body).encode(), line)
    assert (fault.value.kind, fault.value.param) == (FaultKind.INVALID_REQUEST, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (
            {"requests": [{"content": {"parts": [{"text": "a"}]}, "taskType": task} for task in ("CLUSTERING", None)]},
            "requests[1]",
        ),
        (
            {"requests": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}}]},
            "requests[0].content.parts[0]",
        ),
    ],
)
def test_what_no_other_dialect_can_say_is_a_fault(body: Any, param: str) -> None:
    incoming = INGRESS["gemini-embeddings"].read(json.dumps(body).encode(), BATCH)
    with pytest.raises(Fault) as fault:
        incoming.canonical()
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    ("dialect", "body", "usage"),
    [
        ("gemini-embeddings", {"embeddings": [{"values": [0.5, -1.25]}, {"values": [2, 0]}]}, None),
        (
            "gemini-embeddings",
            {"embeddings": [{"values": [0.5, -1.25]}, {"values": [2, 0]}], "usageMetadata": {"promptTokenCount": 7}},
            7,
        ),
        (
            "vertex-embeddings",
            {
                "predictions": [
                    {"embeddings": {"values": [0.5, -1.25], "statistics": {"token_count": 3}}},
                    {"embeddings": {"values": [2, 0], "statistics": {"token_count": 4, "truncated": False}}},
                ]
            },
            7,
        ),
        (
            "vertex-embeddings",
            {"predictions": [{"embeddings": {"values": [0.5, -1.25]}}, {"embeddings": {"values": [2, 0]}}]},
            None,
        ),
        (
            "openai-embeddings",
            {
                "data": [{"index": 1, "embedding": [2, 0]}, {"index": 0, "embedding": packed(0.5, -1.25)}],
                "usage": {"prompt_tokens": 7, "total_tokens": 7},
            },
            7,
        ),
    ],
)
def test_every_answer_is_its_vectors_and_usage(dialect: str, body: Any, usage: int | None) -> None:
    events = decoded(dialect, body)
    assert isinstance(events[0], EmbeddingsMade)
    assert events[0].vectors == MADE.vectors
    reported = [event.usage for event in events if isinstance(event, UsageReported)]
    assert reported == ([] if usage is None else [Usage(input_tokens=usage)])
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("dialect", ["gemini-embeddings", "vertex-embeddings", "openai-embeddings"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"error": {"message": "x", "code": 500}},
        {"embeddings": [], "predictions": [], "data": []},
        {"embeddings": [{"values": []}], "predictions": [{"embeddings": {"values": []}}], "data": [{"embedding": []}]},
        {"embeddings": 1, "predictions": 1, "data": 1},
        {"embeddings": [{"values": ["x"]}], "predictions": [{}], "data": [{"embedding": "AAA="}]},
    ],
)
def test_what_has_no_vectors_is_a_provider_error(dialect: str, body: Any) -> None:
    with pytest.raises(Fault) as fault:
        decoded(dialect, body)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_callers_of_openai_get_vectors_as_they_asked(encoding: str | None) -> None:
    body = {"model": "m", "input": ["a", "b"]} | ({"encoding_format": encoding} if encoding else {})
    incoming = INGRESS["openai-embeddings"].read(json.dumps(body).encode())
    events: list[Event] = [MADE, UsageReported(Usage(input_tokens=7)), Finished()]
    answer = json.loads(INGRESS["openai-embeddings"].writer(incoming, request_id="r", created_s=0).whole(events))
    vectors = [entry["embedding"] for entry in answer["data"]]
    if encoding == "base64":
        vectors = [list(struct.unpack(f"<{len(base64.b64decode(v)) // 4}f", base64.b64decode(v))) for v in vectors]
    else:
        openai.types.CreateEmbeddingResponse.model_validate(answer)
    assert vectors == [list(vector) for vector in MADE.vectors]
    assert [entry["index"] for entry in answer["data"]] == [0, 1]
    assert (answer["model"], answer["usage"]) == ("served", {"prompt_tokens": 7, "total_tokens": 7})


def test_usage_and_model_that_the_provider_does_not_tell_are_the_gateways_own() -> None:
    incoming = INGRESS["openai-embeddings"].read(b'{"model":"m","input":"a"}')
    facts = AnswerFacts(model="target", usage=Usage(input_tokens=3))
    writer = INGRESS["openai-embeddings"].writer(incoming, request_id="r", created_s=0)
    answer = json.loads(writer.whole([EmbeddingsMade(((1.0,),)), Finished()], facts))
    assert (answer["model"], answer["usage"]["prompt_tokens"]) == ("target", 3)


@pytest.mark.parametrize(("line", "name"), [(SINGLE, "embedding"), (BATCH, "embeddings")])
def test_callers_of_google_get_one_vector_or_many(line: RequestLine, name: str) -> None:
    one = {"content": {"parts": [{"text": "a"}]}}
    incoming = INGRESS["gemini-embeddings"].read(
        json.dumps(one if line is SINGLE else {"requests": [one]}).encode(), line
    )
    events: list[Event] = [MADE, UsageReported(Usage(input_tokens=7)), Finished()]
    answer = json.loads(INGRESS["gemini-embeddings"].writer(incoming, request_id="r", created_s=0).whole(events))
    first = {"values": [0.5, -1.25]}
    assert answer[name] == (first if line is SINGLE else [first, {"values": [2.0, 0.0]}])
    assert answer["usageMetadata"] == {"promptTokenCount": 7}
