"""What was done to other gateways before, done to this one: a real process, hostile callers, and nothing comes of it.

Each test is named for the failure as it was reported of another gateway; what concerns who calls, which role they have, and what
of the configuration a request may bring.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, NewKey, SimulatorProcess, http
from tests.support.raw_http import converse

CHAT = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(tmp_path_factory.mktemp("attacked"), environment=simulator.as_provider)
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def caller(attacked: GatewayProcess) -> NewKey:
    return attacked.new_key()


@pytest.fixture(scope="module")
def admin_key(attacked: GatewayProcess) -> str:
    return attacked.credentials["admin_key"]


def made_admin_key(attacked: GatewayProcess, role: str, scope: str = "tenant") -> str:
    made = attacked.admin("/admin-keys", {"role": role, "name": role, "scope": scope})
    return str(made["admin_key"])


def said(attacked: GatewayProcess, method: bytes, target: bytes, *headers: bytes, key: str | None = None) -> int:
    """The status of a request whose target goes out as it is spelled."""
    lines = [method + b" " + target + b" HTTP/1.1", *headers, b"connection: close"]
    if not any(header.lower().startswith(b"host:") for header in headers):
        lines.append(b"host: 127.0.0.1")
    if key is not None:
        lines.append(b"authorization: Bearer " + key.encode())
    return converse(attacked.port, b"\r\n".join(lines) + b"\r\n\r\n", one_is_enough=True).answer.status


def everything(attacked: GatewayProcess) -> list[Any]:
    """All that an admin changed, as the audit has it."""
    found: list[Any] = attacked.admin("/audit?limit=200")["data"]
    return found


# ---- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "' OR '1'='1",
        "gw_live_' OR 1=1 --",
        "gw_live_x'; DROP TABLE gateway.api_key_s; --",
        'gw_live_" UNION SELECT sha256 FROM gateway.api_key_s --',
        "gw_live_%",
        "gw_live_" + "_" * 43,
        "gw_admin_' OR '1'='1",
    ],
)
def test_sql_in_a_key_is_never_a_query(attacked: GatewayProcess, caller: NewKey, text: str) -> None:
    for path in ("/v1/chat/completions", "/admin/users"):
        status, _, body = http(f"{attacked.base_url}{path}", key=text, body=CHAT)
        assert status == 401, body
    status, _, body = http(f"{attacked.base_url}/v1/chat/completions", headers={"x-api-key": text}, body=CHAT)
    assert status == 401, body
    assert http(f"{attacked.base_url}/v1/chat/completions", key=caller.api_key, body=CHAT)[0] == 200


def test_a_key_that_begins_or_ends_like_another_is_not_that_one(attacked: GatewayProcess, caller: NewKey) -> None:
    """A cache of who calls that is keyed by a part of the token gives one caller's rights to another."""
    good = caller.api_key
    assert http(f"{attacked.base_url}/v1/chat/completions", key=good, body=CHAT)[0] == 200
    other = "A" if good[-1] != "A" else "B"
    for near in (good[:-1], good[:-1] + other, good + "A", good[:20] + other * (len(good) - 20), good.swapcase()):
        assert http(f"{attacked.base_url}/v1/chat/completions", key=near, body=CHAT)[0] == 401, near
    for shown in (caller.key_id, good[:16]):
        assert http(f"{attacked.base_url}/v1/chat/completions", key=shown, body=CHAT)[0] == 401, shown


def test_a_key_serves_one_purpose(attacked: GatewayProcess, caller: NewKey, admin_key: str) -> None:
    """An admin's key makes no calls, a caller's key administers nothing, whichever header it comes in."""
    made = made_admin_key(attacked, "owner")
    for key in (admin_key, made):
        for headers in (
            {"authorization": f"Bearer {key}"},
            {"x-api-key": key},
            {"api-key": key},
            {"x-goog-api-key": key},
        ):
            assert http(f"{attacked.base_url}/v1/chat/completions", headers=headers, body=CHAT)[0] == 401
            assert http(f"{attacked.base_url}/v1/models", headers=headers)[0] == 401
    for path in ("/admin/users", "/admin/health", "/admin/audit", "/admin/export"):
        for header in ("authorization", "x-api-key", "api-key", "x-goog-api-key"):
            value = f"Bearer {caller.api_key}" if header == "authorization" else caller.api_key
            assert http(f"{attacked.base_url}{path}", headers={header: value})[0] == 401, (path, header)
        assert http(f"{attacked.base_url}{path}?key={admin_key}")[0] == 401, path
    assert http(f"{attacked.base_url}/admin/users", headers={"x-api-key": admin_key})[0] == 401


# ---- which route ------------------------------------------------------------------------------------------------------

SPELLINGS = [
    b"//admin/users",
    b"/admin//users",
    b"/./admin/users",
    b"/admin/./users",
    b"/v1/../admin/users",
    b"/health/../admin/users",
    b"/%61dmin/users",
    b"/admin%2fusers",
    b"/admin/%75sers",
    b"/admin/users/",
    b"/admin/users;x=1",
    b"/admin;/users",
    b"/ADMIN/users",
    b"/Admin/Users",
    b"/admin/users%00",
    b"/admin/users%20",
    b"/admin/users?/health",
    b"/admin/users%3f/health",
    b"/health%2f..%2fadmin/users",
    b"/health;/../admin/users",
    b"/docs/../admin/users",
    b"http://127.0.0.1/admin/users",
    b"http://health/admin/users",
    b"http://127.0.0.1/health@127.0.0.1/admin/users",
    b"/admin/users#/health",
    b"/\\admin/users",
]


@pytest.mark.parametrize("target", SPELLINGS, ids=lambda target: target.decode())
def test_no_spelling_of_a_path_leads_past_the_door(attacked: GatewayProcess, caller: NewKey, target: bytes) -> None:
    assert said(attacked, b"GET", target) in (400, 401, 404)
    assert said(attacked, b"GET", target, key=caller.api_key) in (400, 401, 404)


@pytest.mark.parametrize("target", SPELLINGS, ids=lambda target: target.decode())
def test_no_spelling_of_a_path_leads_past_a_role(attacked: GatewayProcess, target: bytes) -> None:
    """Whatever a spelling of an auditor's route means, a viewer does not get it."""
    key = viewer(attacked)
    assert said(attacked, b"GET", target.replace(b"users", b"audit").replace(b"%75sers", b"%61udit"), key=key) in (
        400,
        403,
        404,
    )


_VIEWERS: dict[int, str] = {}


def viewer(attacked: GatewayProcess) -> str:
    if attacked.port not in _VIEWERS:
        _VIEWERS[attacked.port] = made_admin_key(attacked, "viewer")
    return _VIEWERS[attacked.port]


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1/health",
        b"127.0.0.1/health?",
        b"127.0.0.1/health#",
        b"x/livez;",
        b"evil.test",
        b"evil.test:80@127.0.0.1",
        b"[::1]/docs",
        b"",
    ],
)
def test_a_hostile_host_changes_no_route_and_no_right(attacked: GatewayProcess, caller: NewKey, host: bytes) -> None:
    header = b"host: " + host
    assert said(attacked, b"GET", b"/admin/users", header) in (400, 401)
    assert said(attacked, b"GET", b"/admin/users", header, key=caller.api_key) in (400, 401)
    assert said(attacked, b"GET", b"/admin/audit", header, key=viewer(attacked)) in (400, 403)
    assert said(attacked, b"GET", b"/admin/audit", header, b"x-forwarded-host: h/health", key=viewer(attacked)) in (
        400,
        403,
    )
    for told in (b"x-original-url: /health", b"x-rewrite-url: /health", b"x-forwarded-prefix: /health"):
        assert said(attacked, b"GET", b"/admin/users", told) == 401
    for told in (b"x-http-method-override: GET", b"x-method-override: GET"):
        assert said(attacked, b"DELETE", b"/admin/organizations/x", told, key=viewer(attacked)) == 403


def test_every_route_of_the_admin_api_asks_for_a_key_first(attacked: GatewayProcess) -> None:
    document = http(f"{attacked.base_url}/openapi.json")[2]
    routes = [
        (path, method)
        for path, methods in document["paths"].items()
        if path.startswith("/admin/")
        for method in methods
    ]
    assert len(routes) > 35
    for path, method in routes:
        target = path.replace("{", "").replace("}", "").encode()
        assert said(attacked, method.upper().encode(), target) == 401, (method, path)


# ---- which role -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "auditor", "billing"])
def test_no_configuration_is_changed_without_the_role_for_it(
    attacked: GatewayProcess, caller: NewKey, role: str
) -> None:
    key = made_admin_key(attacked, role)
    before = everything(attacked)
    user = f"/admin/users/{caller.user_id}"
    changes: list[tuple[str, str, object]] = [
        ("PATCH", "/admin/tenant", {"requests_per_minute": 1}),
        ("POST", "/admin/admin-keys", {"role": "owner", "name": "mine", "scope": "tenant"}),
        ("POST", "/admin/organizations", {"name": "mine", "monthly_budget_usd": None}),
        ("PATCH", f"/admin/organizations/{caller.org_id}", {"monthly_budget_usd": None}),
        ("DELETE", f"/admin/organizations/{caller.org_id}", None),
        ("PATCH", user, {"monthly_limit_usd": None}),
        ("POST", f"{user}/api-keys", {}),
        ("POST", f"{user}/api-keys/{caller.key_id}/rotate", {}),
        ("POST", "/admin/import", {"object": "organization", "name": "mine", "monthly_budget_usd": None}),
    ]
    for method, path, body in changes:
        assert http(f"{attacked.base_url}{path}", key=key, body=body, method=method)[0] == 403, (method, path)
    assert everything(attacked) == before


@pytest.mark.parametrize("role", ["admin", "billing", "auditor", "viewer"])
def test_nobody_makes_a_key_of_more_rights_than_their_own(attacked: GatewayProcess, caller: NewKey, role: str) -> None:
    wide, narrow = made_admin_key(attacked, role), made_admin_key(attacked, role, caller.org_id)
    asked = {"role": "owner", "name": "mine", "scope": "tenant"}
    for key in (wide, narrow):
        assert http(f"{attacked.base_url}/admin/admin-keys", key=key, body=asked)[0] == 403
    for scope in ("tenant", attacked.new_key().org_id):
        asked = {"role": role, "name": "mine", "scope": scope}
        assert http(f"{attacked.base_url}/admin/admin-keys", key=narrow, body=asked)[0] in (403, 404)


@pytest.mark.parametrize(
    "extra",
    [
        {"role": "owner"},
        {"is_admin": True},
        {"status": "active"},
        {"org_id": "org_elsewhere"},
        {"user_id": "usr_elsewhere"},
        {"tenant_id": "other"},
        {"version": 99},
        {"sha256": "00" * 32},
        {"counts_as": "key_elsewhere"},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"__proto__": {"role": "owner"}},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_no_update_sets_what_is_no_field_of_it(
    attacked: GatewayProcess, caller: NewKey, extra: dict[str, object]
) -> None:
    before = everything(attacked)
    for path in (
        f"/users/{caller.user_id}",
        f"/users/{caller.user_id}/api-keys/{caller.key_id}",
        f"/organizations/{caller.org_id}",
        "/tenant",
    ):
        body = {"requests_per_minute": 7, **extra}
        status, _, answer = http(
            f"{attacked.base_url}/admin{path}", key=attacked.credentials["admin_key"], body=body, method="PATCH"
        )
        assert status == 400, (path, answer)
        assert next(iter(extra)) in answer["error"]["message"]
    assert everything(attacked) == before


def test_who_is_confined_reaches_no_other_organization_by_any_id(attacked: GatewayProcess, caller: NewKey) -> None:
    key = made_admin_key(attacked, "admin", caller.org_id)
    other = attacked.new_key()
    before = everything(attacked)
    user = f"/admin/users/{other.user_id}"
    for method, path, body in (
        ("GET", f"/admin/organizations/{other.org_id}", None),
        ("PATCH", f"/admin/organizations/{other.org_id}", {"name": "x"}),
        ("GET", f"/admin/organizations/{other.org_id}/users", None),
        ("GET", f"/admin/organizations/{other.org_id}/usage", None),
        ("GET", user, None),
        ("PATCH", user, {"suspended": True}),
        ("DELETE", user, None),
        ("GET", f"{user}/usage", None),
        ("POST", f"{user}/reset-quota", {}),
        ("POST", f"{user}/api-keys", {}),
        ("GET", f"{user}/api-keys/{other.key_id}", None),
        ("GET", f"/admin/users/{caller.user_id}/api-keys/{other.key_id}", None),
        ("DELETE", f"/admin/users/{caller.user_id}/api-keys/{other.key_id}", None),
        ("POST", "/admin/users", {"org_id": other.org_id, "email": "x@x.org"}),
        ("GET", f"/admin/export?org_id={other.org_id}", None),
    ):
        assert http(f"{attacked.base_url}{path}", key=key, body=body, method=method)[0] == 404, (method, path)
    assert everything(attacked) == before


# ---- what a request brings --------------------------------------------------------------------------------------------

BROUGHT = [
    "api_base",
    "base_url",
    "api_key",
    "endpoint",
    "proxy",
    "spec_path",
    "callback_url",
    "extra_headers",
    "litellm_params",
    "config",
    "command",
]


@pytest.mark.parametrize("field", BROUGHT)
def test_a_call_brings_no_address_no_credential_and_no_command(
    attacked: GatewayProcess, caller: NewKey, simulator: SimulatorProcess, field: str
) -> None:
    """Whatever such a field is to a provider, the call goes where the configuration says, with the credential that it says."""
    with_decoy = {"command": ["touch", "owned"]}.get(field, f"http://127.0.0.1:{attacked.port}/decoy")
    simulator.reset()
    status, _, body = http(
        f"{attacked.base_url}/v1/chat/completions",
        key=caller.api_key,
        body=CHAT | {field: with_decoy},
        headers={"x-api-base": "http://127.0.0.1:9/", "x-portkey-custom-host": "http://127.0.0.1:9/"},
    )
    assert status in (200, 400), body
    calls = simulator.calls()
    assert len(calls) == (status == 200)
    assert "/decoy" not in attacked.process.output
    assert not list(attacked.directory.rglob("owned"))


@pytest.mark.parametrize(
    "path",
    [
        "/config/update",
        "/admin/config",
        "/admin/test-connection",
        "/health/test_connection",
        "/mcp-rest/test/connection",
        "/admin/providers/test",
        "/callbacks/list",
        "/debug",
        "/admin/reload",
        "/admin/plugins",
    ],
)
def test_there_is_nothing_that_runs_or_loads_what_a_body_says(
    attacked: GatewayProcess, admin_key: str, path: str
) -> None:
    body = {
        "command": "touch",
        "args": ["owned"],
        "transport": "stdio",
        "url": "file:///etc/passwd",
        "template": "{{ cycler.__init__.__globals__.os.popen('touch owned') }}",
    }
    for method in ("POST", "PUT", "PATCH"):
        status, _, answer = http(f"{attacked.base_url}{path}", key=admin_key, body=body, method=method)
        assert status in (404, 405), answer
    assert not list(attacked.directory.rglob("owned"))


def test_a_template_in_a_name_or_a_prompt_is_text(attacked: GatewayProcess, caller: NewKey) -> None:
    for text in ("{{ 7 * 7 }}", "${7*7}", "<%= 7 * 7 %>", "#{7*7}", "{0.__class__}"):
        made = attacked.admin(f"/users/{caller.user_id}/api-keys", {"name": text})
        assert made["name"] == text
        asked = CHAT | {"messages": [{"role": "user", "content": text}]}
        status, _, body = http(f"{attacked.base_url}/v1/chat/completions", key=caller.api_key, body=asked)
        assert status == 200
        assert "49" not in json.dumps(body["choices"])
