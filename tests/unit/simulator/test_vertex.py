"""Vertex AI: access tokens for a service account's assertions, and what they open."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.unit.simulator.conftest import Exchange, Json, request_of

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Settings
from onevault.simulator.tokens import Ring
from onevault.simulator.vertex_tokens import GRANT, TOKEN_LIFE_S, is_given_out

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PROJECT = "/v1/projects/p/locations/europe-west4/publishers/google/models/"
GENERATE = PROJECT + "gemini-2.5-flash:generateContent"
SAYING: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def claims_of(**changes: Any) -> dict[str, Any]:
    now_s = int(time.time())
    claims = {
        "iss": "robot@p.iam.gserviceaccount.com",
        "aud": "https://oauth2.googleapis.com/token",
        "scope": SCOPE,
        "iat": now_s,
        "exp": now_s + 3600,
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def assertion_of(**changes: Any) -> str:
    return jwt.encode(claims_of(**changes), PRIVATE, algorithm="RS256")


def form_of(assertion: str, grant_type: str = GRANT) -> bytes:
    return urlencode({"grant_type": grant_type, "assertion": assertion}).encode()


async def token_of(call: Json) -> str:
    _, answer = await call("POST", "/token", form_of(assertion_of()))
    return str(answer["access_token"])


async def test_an_assertion_is_given_a_token_that_opens_everything(call: Json) -> None:
    status, answer = await call("POST", "/token", form_of(assertion_of()))
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", TOKEN_LIFE_S)
    bearer = {"authorization": f"Bearer {answer['access_token']}"}
    for version in ("v1", "v1beta1"):
        status, generated = await call("POST", GENERATE.replace("/v1/", f"/{version}/"), SAYING, **bearer)
        assert status == 200
        assert generated["usageMetadata"]["trafficType"] == "ON_DEMAND"
        assert generated["createTime"].endswith("Z")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        (b"", "unsupported_grant_type"),
        (form_of(assertion_of(), "password"), "unsupported_grant_type"),
        (form_of("a.b"), "invalid_grant"),
        (form_of("a.b.c"), "invalid_grant"),
        (form_of(jwt.encode(claims_of(), "secret" * 8, algorithm="HS256")), "invalid_grant"),
        (form_of(assertion_of().rpartition(".")[0] + "."), "invalid_grant"),
        (form_of(assertion_of(iss=None)), "invalid_grant"),
        (form_of(assertion_of(iss="nobody")), "invalid_grant"),
        (form_of(assertion_of(aud="https://example.com")), "invalid_grant"),
        (form_of(assertion_of(exp=None)), "invalid_grant"),
        (form_of(assertion_of(iat=None)), "invalid_grant"),
        (form_of(assertion_of(iat=0, exp=3600)), "invalid_grant"),
        (form_of(assertion_of(exp=2**40)), "invalid_grant"),
        (form_of(assertion_of(iat=2**40, exp=2**40 + 60)), "invalid_grant"),
        (form_of(assertion_of(scope=None)), "invalid_scope"),
        (form_of(assertion_of(scope="everything")), "invalid_scope"),
    ],
)
async def test_an_assertion_of_the_wrong_shape_is_refused(call: Json, form: bytes, error: str) -> None:
    status, answer = await call("POST", "/token", form)
    assert (status, answer["error"]) == (400, error)
    assert answer["error_description"]


async def test_the_token_endpoint_fails_when_told_to(call: Json) -> None:
    status, answer = await call("POST", "/token", form_of(assertion_of()), x_simulate="error=503")
    assert (status, answer["error"]) == (503, "temporarily_unavailable")


@pytest.mark.parametrize("change", [lambda token: "", lambda token: "ya29.other", lambda token: token[:-1] + "x"])
async def test_a_token_that_was_not_given_out_is_refused(call: Json, change: Any) -> None:
    bearer = change(await token_of(call))
    status, answer = await call("POST", GENERATE, SAYING, authorization=f"Bearer {bearer}", x_goog_api_key="key")
    assert (status, answer["error"]["status"]) == (401, "UNAUTHENTICATED")


async def test_a_token_runs_out_and_is_no_other_simulators(call: Json) -> None:
    token = await token_of(call)
    assert is_given_out(token, Ring(0), time.time())
    assert not is_given_out(token, Ring(0), time.time() + TOKEN_LIFE_S + 1)
    assert not is_given_out(token, Ring(1), time.time())
    assert not is_given_out(token.replace("ya29.simulated.", "ya29.simulated.9"), Ring(0), time.time())


async def test_text_embeddings_are_predicted(call: Json) -> None:
    bearer = {"authorization": f"Bearer {await token_of(call)}"}
    instances = [{"content": "Hello, world!", "task_type": "RETRIEVAL_QUERY"}, {"content": "bye"}]
    body = {"instances": instances, "parameters": {"outputDimensionality": 8}}
    _, answer = await call("POST", PROJECT + "text-embedding-005:predict", body, **bearer)
    assert [len(one["embeddings"]["values"]) for one in answer["predictions"]] == [8, 8]
    assert answer["predictions"][0]["embeddings"]["statistics"] == {"token_count": 4, "truncated": False}
    assert answer["metadata"]["billableCharacterCount"] == 12 + 3
    _, answer = await call("POST", PROJECT + "text-embedding-005:predict", {"instances": [{"content": "x"}]}, **bearer)
    assert len(answer["predictions"][0]["embeddings"]["values"]) == 768


@pytest.mark.parametrize("body", [{}, {"instances": []}, {"instances": [{"content": ""}]}, {"instances": [{}] * 251}])
async def test_a_bad_prediction_is_refused(call: Json, body: Any) -> None:
    bearer = {"authorization": f"Bearer {await token_of(call)}"}
    assert (await call("POST", PROJECT + "text-embedding-005:predict", body, **bearer))[0] == 400


async def test_contents_are_counted_and_embedded(call: Json) -> None:
    bearer = {"authorization": f"Bearer {await token_of(call)}"}
    body = {**SAYING, "systemInstruction": {"parts": [{"text": "be brief"}]}}
    _, counted = await call("POST", PROJECT + "gemini-2.5-flash:countTokens", body, **bearer)
    assert (counted["totalTokens"], counted["totalBillableCharacters"]) == (4, 12)
    content = {"content": {"parts": [{"text": "hello"}]}, "outputDimensionality": 4}
    _, embedded = await call("POST", PROJECT + "gemini-embedding-2:embedContent", content, **bearer)
    assert len(embedded["embedding"]["values"]) == 4
    assert embedded["usageMetadata"]["totalTokenCount"] == 2


async def test_streams_come_in_both_framings(call: Json, exchange: Exchange) -> None:
    bearer = f"Bearer {await token_of(call)}"
    path = PROJECT + "gemini-2.5-flash:streamGenerateContent"
    for query, start in (("?alt=sse", b"data: {"), ("", b"[{")):
        answer = await exchange(request_of("POST", path + query, SAYING, authorization=bearer, connection="close"))
        assert start in answer
        assert b'"finishReason":"STOP"' in answer


async def test_a_rate_limit_says_nothing_of_when_to_come_back(call: Json) -> None:
    bearer = f"Bearer {await token_of(call)}"
    status, answer = await call("POST", GENERATE, SAYING, authorization=bearer, x_simulate="error=429")
    assert (status, answer["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert "details" not in answer["error"]


async def test_only_the_settings_models_are_known() -> None:
    async with (
        EmbeddedSimulator(Settings(models=("gemini-2.5-flash",))) as strict,
        aiohttp.ClientSession(strict.base_url) as session,
    ):
        async with session.post("/token", data=form_of(assertion_of())) as granted:
            headers = {"authorization": f"Bearer {(await granted.json())['access_token']}"}
        for path, status in ((GENERATE, 200), (PROJECT + "gemini-9:generateContent", 404)):
            async with session.post(path, json=SAYING, headers=headers) as answer:
                assert answer.status == status
