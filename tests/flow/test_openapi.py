"""The description of the whole service is valid, complete and true: held against a running gateway by a fuzzer."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.registry import INGRESS
from tests.support.processes import GatewayProcess, http

LONG = bool(os.environ.get("ONEVAULT_TEST_LONG"))
EXAMPLES_MAX = 200 if LONG else 3
TIMEOUT_S = 1_800 if LONG else 120
ALL_PHASES = "examples,coverage,fuzzing,stateful"
CHECKS_LEFT_OUT = "positive_data_acceptance,use_after_free"
"""What a schema cannot say (models that exist, parts that need each other) is refused too; the figures of what was deleted stay."""
FORMS_HAVE_NO_TYPES = """
[[operations]]
include-path = ["/v1/audio/transcriptions", "/v1/images/edits"]
checks.negative_data_rejection.enabled = false
"""
HANDLED_BY_ADMIN = "/admin"
READ = {
    *("GET /v1/models", "GET /v1/models/{id}", "GET /v1beta/models", "GET /v1beta/models/{id}", "GET /v1/ai/models"),
    *("GET /v1/events", "GET /v1/usage", "GET /v1/requests", "GET /v1/requests/{id}", "GET /api/v1/ai/health"),
    *("GET /health", "GET /livez", "GET /readyz", "GET /health/liveliness", "GET /health/readiness"),
    *("GET /metrics", "GET /docs", "GET /openapi.json"),
}
RELAYED = {f"{method} /passthrough/{{provider}}/{{path}}" for method in ("GET", "POST", "PUT", "PATCH", "DELETE")}
ADMIN = {
    *("POST /admin/organizations", "GET /admin/organizations", "POST /admin/users"),
    *("POST /admin/users/{user_id}/api-keys", "GET /admin/users/{user_id}/usage"),
    *("POST /admin/users/{user_id}/reset-quota", "GET /admin/health"),
}
REACHED = (
    *("/v1/", "/v1beta/", "/v2/", "/api/", "/passthrough/"),
    *("/health", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json"),
)
TWINS = ("/api/chat/", "/v2/", "/v1/models/{model}:")
"""Other paths of the same handlers."""
CALLS = ("/v1/chat", "/v1/messages", "/v1/embeddings", "/v1/responses", "/v1/completions", "/v1/images", "/v1/audio")
MORE_CALLS = ("/v1/moderations", "/v1/rerank", "/v1/ai/", "/api/v1/ai/generate", "/v1beta/")
CHATTING = ["gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash"]
EMBEDDING = ["text-embedding-3-small"]
DRAWING = ["gpt-image-1"]
PER_MODEL = {
    **dict.fromkeys(("ChatCompletionRequest", "MessagesRequest", "CountTokensRequest", "ResponseRequest"), CHATTING),
    **dict.fromkeys(("CompletionRequest", "OwnCompletionRequest", "OwnGenerateRequest"), CHATTING),
    **dict.fromkeys(("EmbeddingsRequest", "OwnEmbeddingsRequest"), EMBEDDING),
    **dict.fromkeys(("ImageRequest", "ImageEditRequest", "OwnImageRequest"), DRAWING),
    "SpeechRequest": ["tts-1"],
    "TranscriptionRequest": ["whisper-1"],
    "ModerationRequest": ["omni-moderation-latest"],
    "RerankRequest": ["sim-rerank"],
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway of its own with the built-in provider, which does everything: the fuzzer makes organizations by the hundred."""
    gateway = GatewayProcess(tmp_path_factory.mktemp("openapi"))
    gateway.start()
    yield gateway
    assert gateway.stop() == 0


@pytest.fixture(scope="module")
def document(described: GatewayProcess) -> dict[str, Any]:
    status, headers, body = http(f"{described.base_url}/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = body
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    problems = [f"{list(error.instance_path)}: {error.message}" for error in OPENAPI_31_VALIDATOR.iter_errors(document)]
    assert problems == []
    for target in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        at: Any = document
        for step in target.split("/"):
            at = at[step]


def test_every_path_of_every_dialect_is_described_and_no_other(document: dict[str, Any]) -> None:
    described = {name for name, _ in operations(document)}
    spoken = {f"POST {path}" for ingress in INGRESS.values() for path in ingress.paths}
    assert {name for name in described if f" {HANDLED_BY_ADMIN}" not in name} == spoken | READ | RELAYED
    assert described >= ADMIN


def test_every_call_is_described_as_its_dialect_takes_it(document: dict[str, Any]) -> None:
    for ingress in INGRESS.values():
        for path in ingress.paths:
            operation = document["paths"][path]["post"]
            assert list(operation["requestBody"]["content"]) == [ingress.takes], path
            fault = json.loads(ingress.error_body(Fault(FaultKind.INVALID_REQUEST, "No."), request_id="r"))
            shape = document["components"]["responses"][operation["responses"]["400"]["$ref"].rpartition("/")[2]]
            schema = document["components"]["schemas"][
                shape["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            ]
            assert fault.keys() <= schema["properties"].keys(), path
            assert fault["error"].keys() <= schema["properties"]["error"]["properties"].keys(), path


def test_every_operation_says_what_it_does_answers_and_needs(document: dict[str, Any]) -> None:
    seen = []
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["tags"], name
        seen.append(operation["operationId"])
        assert any(status.startswith("2") for status in operation["responses"]), name
        is_open = operation["tags"] == ["Operations"] and " /admin" not in name
        assert operation["security"] == [] if is_open else operation["security"], name
        if not is_open:
            assert {"400", "401"} <= set(operation["responses"]), name
    assert len(seen) == len(set(seen))


def test_every_path_that_is_described_answers_and_no_other_method_does(
    described: GatewayProcess, document: dict[str, Any]
) -> None:
    for path, methods in document["paths"].items():
        url = described.base_url + re.sub(r"\{\w+\}", "x", path)
        for method in ("get", "post", "put", "patch", "delete"):
            status = http(
                url,
                method=method.upper(),
                body=b"{}" if method != "get" else None,
                key=described.credentials["admin_key"],
            )[0]
            if method in methods:
                assert status != 405, (method, path)
            else:
                assert status == 405, (method, path, status)


@pytest.mark.parametrize("path", ["/v1beta/models/x:predict", "/v1/models/x:predict", "/v1beta/models/x:", "/v1beta/x"])
def test_what_googles_callers_ask_for_in_vain_is_not_found_in_googles_shape(
    described: GatewayProcess, path: str
) -> None:
    status, _, body = http(f"{described.base_url}{path}", key=described.api_key, body={})
    assert status == 404
    assert body == {"error": {"code": 404, "message": body["error"]["message"], "status": "NOT_FOUND"}}


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/v1/models/ft:x"), ("POST", "/v1/models/x"), ("PUT", "/v1beta/models/x")]
)
def test_what_is_no_verb_is_another_method(described: GatewayProcess, method: str, path: str) -> None:
    status, headers, _ = http(f"{described.base_url}{path}", key=described.api_key, body={}, method=method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def fuzz(directory: Path, url: str, document: dict[str, Any], key: str, *, seed: int, phases: str = ALL_PHASES) -> None:
    """Holds every operation against the description: no 5xx, no status and no body that is not declared, nothing wrong accepted."""
    (directory / "schemathesis.toml").write_text(FORMS_HAVE_NO_TYPES)
    file = directory / "openapi.json"
    file.write_text(json.dumps(document))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            str(file),
            f"--url={url}",
            f"--header=Authorization: Bearer {key}",
            f"--phases={phases}",
            f"--max-examples={EXAMPLES_MAX}",
            f"--exclude-checks={CHECKS_LEFT_OUT}",
            f"--seed={seed}",
            "--warnings=off",
            "--no-color",
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-80_000:]


def only(document: dict[str, Any], beginnings: tuple[str, ...]) -> dict[str, Any]:
    """What of the document begins so. Without the headers that every call may have: the fuzzer would have others refused."""
    left = copy.deepcopy(document)
    for _, operation in operations(left):
        operation["parameters"] = [one for one in operation.get("parameters", ()) if "$ref" not in one]
    left["paths"] = {path: methods for path, methods in left["paths"].items() if path.startswith(beginnings)}
    return left


def check_log(gateway: GatewayProcess) -> None:
    for word in ("Traceback", '"level":"error"', "internal fault"):
        assert word not in gateway.process.output


def test_a_fuzzer_finds_nothing_in_what_api_keys_reach(
    described: GatewayProcess, document: dict[str, Any], tmp_path: Path
) -> None:
    reached = only(document, REACHED)
    del reached["paths"]["/v1/events"]  # its answer has no end
    if not LONG:
        reached["paths"] = {path: one for path, one in reached["paths"].items() if not path.startswith(TWINS)}
    fuzz(tmp_path, described.base_url, reached, described.api_key, seed=1)
    check_log(described)


def test_a_fuzzer_that_knows_the_models_finds_nothing_in_calls(
    described: GatewayProcess, document: dict[str, Any], tmp_path: Path
) -> None:
    calls = only(document, (*CALLS, *MORE_CALLS))
    for name, models in PER_MODEL.items():
        schema = calls["components"]["schemas"][name]
        schema["properties"]["model"] = {"enum": [*models, None]}
        schema["properties"].pop("budget", None)
        schema["properties"].pop("routing", None)
    for path, methods in calls["paths"].items():
        for parameter in methods.get("post", {}).get("parameters", []):
            if parameter.get("in") == "path":
                parameter["schema"] = {"enum": EMBEDDING if "mbed" in path else CHATTING}
    before = len(http(f"{described.base_url}/v1/requests?limit=100", key=described.api_key)[2]["data"])
    fuzz(tmp_path, described.base_url, calls, described.api_key, seed=2, phases="examples,fuzzing")
    made = http(f"{described.base_url}/v1/requests?limit=100", key=described.api_key)[2]["data"]
    assert before == 100 or sum(call["status"] == "SUCCESS" for call in made) > 5
    check_log(described)


def test_a_fuzzer_finds_nothing_in_what_the_admin_key_reaches(
    described: GatewayProcess, document: dict[str, Any], tmp_path: Path
) -> None:
    fuzz(tmp_path, described.base_url, only(document, ("/admin",)), described.credentials["admin_key"], seed=3)
    check_log(described)
