"""Signed tokens of an identity provider beside keys: who they are, what they may, and every way in which one can be wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.issuer import Issuer
from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, SimulatorProcess, http

CONFIG = """
security:
  oidc:
    - issuer: {issuer}
      audience: [other, onevault]
      claims: {{organization: org, team: team, role: realm.groups}}
      organizations: {{acme-corp: Acme}}
      roles: {{platform: admin, readers: viewer}}
      organization_roles: {{finance: billing}}
      create_users: true
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def trusting(
    tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess, issuer: Issuer
) -> Iterator[GatewayProcess]:
    directory = tmp_path_factory.mktemp("trusting")
    started = GatewayProcess(directory, environment=simulator.as_provider, config=CONFIG.format(issuer=issuer.url))
    started.start()
    started.admin("/organizations", {"name": "Acme", "monthly_budget_usd": 10})
    yield started
    assert started.stop() == 0


def call(gateway: GatewayProcess, token: str) -> tuple[int, Any, Any]:
    body = {"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    return http(f"{gateway.base_url}/v1/chat/completions", key=token, body=body)


def refusal(gateway: GatewayProcess, token: str) -> tuple[int, str, str]:
    status, _, answer = call(gateway, token)
    return status, answer["error"]["code"], answer["error"]["message"]


def org_id(gateway: GatewayProcess) -> str:
    found = [each["org_id"] for each in gateway.admin("/organizations")["data"] if each["name"] == "Acme"]
    return str(found[0])


def admin(gateway: GatewayProcess, token: str, path: str, body: Any = None) -> tuple[int, Any]:
    status, _, answer = http(f"{gateway.base_url}/admin{path}", key=token, body=body)
    return status, answer


def test_a_user_of_the_issuer_is_made_once_and_counts_like_any_other(trusting: GatewayProcess, issuer: Issuer) -> None:
    token = issuer.token(org="acme-corp", email="Ann@example.com")
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer[0] for answer in pool.map(lambda _: call(trusting, token), range(8))]
    assert statuses == [200] * 8
    users = trusting.admin(f"/organizations/{org_id(trusting)}/users")["data"]
    ann = [user for user in users if user["email"].lower() == "ann@example.com"]
    assert len(ann) == 1
    used = trusting.admin(f"/users/{ann[0]['user_id']}/usage")
    assert used["request_count"] == 8
    assert used["month_usage_nanos"] > 0
    own = http(f"{trusting.base_url}/v1/usage", key=token)[2]
    assert own["user"]["month_usage_nanos"] == used["month_usage_nanos"]
    deadline = time.monotonic() + PATIENCE_S
    while len(http(f"{trusting.base_url}/v1/requests", key=token)[2]["data"]) < 8:
        assert time.monotonic() < deadline, "calls with a token are not listed for it"
        time.sleep(0.1)


def test_limits_teams_and_suspension_hold_for_tokens_at_once(trusting: GatewayProcess, issuer: Issuer) -> None:
    org = org_id(trusting)
    user = trusting.admin("/users", {"org_id": org, "email": "bo@example.com"})
    team = trusting.admin("/teams", {"org_id": org, "name": "Research", "monthly_limit_usd": 0})
    in_team = issuer.token(org=org, sub="bo", email="bo@example.com", team="research")
    alone = issuer.token(org="Acme", sub="bo", email="BO@example.com")
    assert refusal(trusting, in_team)[:2] == (402, "BUDGET_EXCEEDED")
    assert call(trusting, alone)[0] == 200
    by_id = issuer.token(org=org, sub=user["user_id"])
    assert call(trusting, by_id)[0] == 200
    trusting.admin(f"/teams/{team['team_id']}", {"suspended": True}, method="PATCH")
    assert refusal(trusting, in_team)[:2] == (401, "UNAUTHENTICATED")
    trusting.admin(f"/users/{user['user_id']}", {"suspended": True}, method="PATCH")
    assert refusal(trusting, alone)[:2] == (401, "UNAUTHENTICATED")
    assert "token" in refusal(trusting, by_id)[2]


def test_every_dialects_header_takes_a_token(trusting: GatewayProcess, issuer: Issuer) -> None:
    token = issuer.token(org="Acme", email="header@example.com")
    body = {"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    for header in ("x-api-key", "api-key", "x-goog-api-key"):
        assert http(f"{trusting.base_url}/v1/messages", headers={header: token}, body=body)[0] == 200


def wrong_tokens(issuer: Issuer) -> dict[str, str]:
    stranger = rsa.generate_private_key(65537, 2048)
    public = issuer.keys["first"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    good = issuer.token(org="Acme", email="x@example.com")
    head, claims, signature = good.split(".")

    def encoded(document: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    confused = f"{encoded({'alg': 'HS256', 'kid': 'first'})}.{claims}"
    return {
        "signed by somebody else": issuer.token(key=stranger, org="Acme", email="x@example.com"),
        "signed with a key of another name": issuer.token(key_id="first", key=stranger, org="Acme"),
        "changed after signing": f"{head}.{encoded({'iss': issuer.url, 'aud': 'onevault', 'exp': 1 << 33})}.{signature}",
        "not signed at all": f"{encoded({'alg': 'none'})}.{claims}.x",
        "the public key as a shared secret": _hmac(confused, pem),
        "a shared secret of the key set": issuer.token(key_id="secret", key="s" * 32, algorithm="HS256", org="Acme"),
        "an algorithm that is not configured": issuer.token(algorithm="RS512", org="Acme", email="x@example.com"),
        "another audience": issuer.token(aud="somebody-else", org="Acme"),
        "no audience": issuer.token(without=("aud",), org="Acme"),
        "another issuer": issuer.token(iss="https://login.example.com", org="Acme"),
        "an issuer that only begins like it": issuer.token(iss=issuer.url + ".example.com", org="Acme"),
        "expired": issuer.token(exp=int(time.time()) - 60, org="Acme", email="x@example.com"),
        "no end": issuer.token(without=("exp",), org="Acme"),
        "an end that is no time": issuer.token(exp=1 << 60, org="Acme"),
        "not valid yet": issuer.token(nbf=int(time.time()) + 300, org="Acme"),
        "nobody": issuer.token(sub="", org="Acme"),
        "no token": "eyJ.eyJ.x",
    }


def _hmac(signed: str, secret: bytes) -> str:
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def test_a_token_that_is_wrong_in_any_way_is_refused_without_a_trace(trusting: GatewayProcess, issuer: Issuer) -> None:
    before = trusting.admin(f"/organizations/{org_id(trusting)}/usage")
    for name, token in wrong_tokens(issuer).items():
        status, code, message = refusal(trusting, token)
        assert (name, status, code) == (name, 401, "UNAUTHENTICATED")
        assert token not in message
    assert trusting.admin(f"/organizations/{org_id(trusting)}/usage") == before


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"org": "elsewhere", "email": "x@example.com"}, "organization"),
        ({"email": "x@example.com"}, "no organization"),
        ({"org": "Acme", "team": "nobody's", "email": "x@example.com"}, "team"),
        ({"org": "Acme", "sub": "unknown"}, "no verified e-mail address"),
        ({"org": "Acme", "sub": "unknown", "email": "ann@example.com", "email_verified": False}, "no verified"),
    ],
)
def test_a_good_token_of_somebody_without_a_place_here_is_forbidden(
    trusting: GatewayProcess, issuer: Issuer, claims: dict[str, Any], expected: str
) -> None:
    status, code, message = refusal(trusting, issuer.token(**claims))
    assert (status, code) == (403, "FORBIDDEN")
    assert expected in message


def test_roles_of_tokens_reach_as_far_as_the_configuration_says(trusting: GatewayProcess, issuer: Issuer) -> None:
    org = org_id(trusting)
    other = trusting.admin("/organizations", {"name": "Other", "monthly_budget_usd": 1})["org_id"]
    platform = issuer.token(sub="root", realm={"groups": ["nothing", "platform", "readers"]})
    reader = issuer.token(sub="eve", realm={"groups": "readers"})
    finance = issuer.token(sub="fin", org="acme-corp", realm={"groups": ["finance"]})
    assert admin(trusting, platform, "/users", {"org_id": org, "email": "made@example.com"})[0] in (200, 201)
    assert admin(trusting, reader, "/organizations")[0] == 200
    assert admin(trusting, reader, "/users", {"org_id": org, "email": "no@example.com"})[0] == 403
    assert admin(trusting, finance, f"/organizations/{org}/usage")[0] == 200
    assert admin(trusting, finance, f"/organizations/{other}/usage")[0] == 404
    assert admin(trusting, finance, "/tenant")[0] == 403
    assert admin(trusting, issuer.token(org="Acme"), "/organizations")[0] == 403
    assert admin(trusting, issuer.token(key=rsa.generate_private_key(65537, 2048)), "/organizations")[0] == 401


def test_an_issuers_new_key_is_taken_and_its_absence_is_told(trusting: GatewayProcess, issuer: Issuer) -> None:
    key = trusting.new_key()
    issuer.is_away = True
    issuer.add_key("second")
    token = issuer.token(key_id="second", org="Acme", email="second@example.com")
    deadline = time.monotonic() + 30  # within the time in which an unknown key is not asked for again
    while (status := call(trusting, token)[0]) == 401 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert status == 503
    assert call(trusting, key.api_key)[0] == 200
    assert call(trusting, issuer.token(org="Acme", email="ann@example.com"))[0] == 200
    issuer.is_away = False
    while (status := call(trusting, token)[0]) == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert status == 200
    assert len(issuer.requests) < 20


def test_who_trusts_no_issuer_takes_no_token(gateway: GatewayProcess, issuer: Issuer) -> None:
    assert refusal(gateway, issuer.token(org="Acme"))[:2] == (401, "UNAUTHENTICATED")
    assert admin(gateway, issuer.token(realm={"groups": ["platform"]}), "/organizations")[0] == 401
