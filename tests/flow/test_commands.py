"""Every command as users run it: help, JSON, exit codes 0, 1 and 2, and a sentence instead of a traceback."""

from __future__ import annotations

import os
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from onevault.admin.inputs import (
    CreateKey,
    CreateOrganization,
    CreateTeam,
    CreateUser,
    UpdateKey,
    UpdateOrganization,
    UpdateTeam,
    UpdateUser,
)
from tests.support.commands import Shell
from tests.support.processes import GatewayProcess, free_port, http

GROUPS = ("orgs", "teams", "users", "keys")
COMMANDS = [
    [],
    ["serve"],
    ["simulate"],
    ["check-config"],
    ["doctor"],
    *([group] for group in GROUPS),
    *([group, verb] for group in GROUPS for verb in ("create", "update", "list", "revoke")),
]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(shell: Shell, command: list[str]) -> None:
    done = shell(*command, "--help")
    assert done.code == 0
    assert done.out.startswith("Usage: onevault")
    assert done.err == ""
    if len(command) == 2 or (command and command[0] not in GROUPS):
        assert "--json" in done.out


def test_the_version_is_the_packages(shell: Shell) -> None:
    assert shell("--version").out.startswith("onevault 0.")


MISUSED = [
    [],
    ["orgs"],
    ["no-such-command"],
    ["--no-such-option"],
    ["serve", "--port", "70000"],
    ["serve", "--port", "http"],
    ["serve", "--workers", "0"],
    ["serve", "unexpected"],
    ["simulate", "--error-rate", "2"],
    ["simulate", "--latency-ms", "soon"],
    ["check-config", "--config"],
    ["orgs", "create"],
    ["orgs", "create", ""],
    ["orgs", "create", "x", "--monthly-budget-usd", "much"],
    ["orgs", "create", "x", "--monthly-budget-usd", "-1"],
    ["orgs", "create", "x", "--monthly-budget-usd", "nan"],
    ["orgs", "create", "x", "--daily-budget-usd", "0.0000000001"],
    ["orgs", "create", "x", "--time-zone", "Mars/Olympus"],
    ["orgs", "create", "n" * 10_000],
    ["users", "create", "someone@example.com"],
    ["users", "create", "no address", "--org", "org_x"],
    ["users", "create", "a@b.example", "--org", "org_x", "--tokens-per-minute", "-5"],
    ["users", "create", "a@b.example", "--org", "org_x", "--model-limits", "{"],
    ["users", "create", "a@b.example", "--org", "org_x", "--model-limits", '{"gpt-5": {"per_year": 1}}'],
    ["users", "update", "usr_x", "--unset", "status"],
    ["users", "update", "usr_x", "--unset", "daily-limit-usd", "--daily-limit-usd", "1"],
    ["keys", "create"],
    ["keys", "create", "--user", "u", "--expires-at", "soon"],
]


@pytest.mark.parametrize("arguments", MISUSED, ids=lambda arguments: " ".join(arguments)[:60] or "nothing")
def test_a_misused_command_ends_with_2(shell: Shell, arguments: list[str]) -> None:
    done = shell(*arguments)
    assert done.code == 2, done
    assert done.out == ""
    assert done.err


UNKNOWN = [
    ["orgs", "revoke", "org_x"],
    ["users", "create", "someone@example.com", "--org", "org_x"],
    ["users", "revoke", "usr_x"],
    ["keys", "create", "--user", "usr_x"],
    ["keys", "revoke", "key_x"],
]


@pytest.mark.parametrize("arguments", UNKNOWN, ids=" ".join)
def test_an_unknown_id_ends_with_1_and_is_told_as_json_too(shell: Shell, arguments: list[str]) -> None:
    done = shell(*arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("onevault: There is no such ") or done.err.startswith("onevault: There is no API key")
    told = shell(*arguments, "--json")
    assert told.code == 1
    assert set(told.json["error"]) == {"message", "param", "code"}
    assert told.json["error"]["code"] == "NOT_FOUND"


WITH_CONFIG = [["serve"], ["check-config"], ["doctor"], ["orgs", "list"], ["keys", "revoke", "x"]]
NINE = "[{}]".format(",".join(["*{0}"] * 9))
BOMB = "a: &a [1]\n" + "".join(f"{name}: &{name} {NINE.format(before)}\n" for before, name in pairwise("abcdefgh"))
BAD_FILES = {
    "no YAML": ("providers: [", "not YAML"),
    "a tab": ("gateway:\n\tport: 1", "not YAML"),
    "no mapping": ("- 1\n- 2", "mapping"),
    "a text": ("hello", "mapping"),
    "not UTF-8": (b"\xff\xfe\x00", "UTF-8"),
    "a tag that makes objects": ("gateway: !!python/object/apply:os.system ['true']", "not YAML"),
    "an unset variable": ("providers: {openai: {api_key: '${NOT_SET_ANYWHERE}'}}", "NOT_SET_ANYWHERE"),
    "too many aliases": (BOMB, "too many values"),
}  # fmt: skip


@pytest.mark.parametrize("command", WITH_CONFIG, ids=" ".join)
def test_a_file_that_is_not_there_is_named(shell: Shell, command: list[str]) -> None:
    for named in ("missing.yaml", ".", "\n"):
        done = shell(*command, "--config", named)
        assert (done.code, done.out) == (1, "")
        assert "onevault: the configuration has 1 problem:" in done.err
    assert shell(*command, ONEVAULT_CONFIG="elsewhere.yaml").err.count("elsewhere.yaml") == 1


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_no_configuration_is_refused_with_the_reason(shell: Shell, case: str) -> None:
    text, reason = BAD_FILES[case]
    name = shell.file("bad.yaml", text)
    for command in (["check-config"], ["serve"]):
        done = shell(*command, "--config", name)
        assert done.code == 1
        assert reason in done.err
    told = shell("check-config", "--config", name, "--json")
    assert told.json["valid"] is False
    assert set(told.json["problems"][0]) == {"path", "message", "expected", "line"}


WRONG_PATHS = {
    *("gateway.port", "gateway.body_size_max", "gateway.workers", "gateway.unknown", "providers.third.type"),
    *("routing.retries", "routing.selection_strategy", "caching.enabled", "monitoring.log_level"),
    *("limits.max_cost_per_day", "limits.max_requests_per_minute", "nonsense"),
}


def test_every_problem_of_a_configuration_is_told_at_once_each_with_its_path(shell: Shell) -> None:
    name = shell.file(
        "onevault.yaml",
        """
gateway: {port: 99999, body_size_max: huge, workers: 4, unknown: 1}
providers:
  openai: {api_key: sk-x, timeout: soon}
  other: {type: openai_compatible}
  third: {type: imaginary}
routing: {default_provider: nobody, retries: 99, selection_strategy: cost_optimized}
caching: {enabled: true}
monitoring: {log_level: loud}
limits: {max_cost_per_day: -1, max_requests_per_minute: lots}
nonsense: true
""",
    )
    done = shell("check-config", "--json", "--config", name)
    assert done.code == 1
    paths = {problem["path"] for problem in done.json["problems"]}
    assert paths >= WRONG_PATHS
    assert all(problem["line"] for problem in done.json["problems"])
    text = shell("check-config", "--config", name).err
    assert all(path in text for path in paths)


def test_a_valid_configuration_is_explained_without_its_secrets(shell: Shell) -> None:
    secret = "sk-a-secret-of-mine-0123456789"
    shell.file(
        "onevault.yaml", f"providers: {{openai: {{api_key: {secret}}}}}\nsecurity: {{admin_key: admin-{secret}}}"
    )
    done = shell("check-config")
    assert done.code == 0
    assert done.out.startswith("The configuration is valid.")
    assert "openai" in done.out
    assert secret not in done.out
    told = shell("check-config", "--json")
    assert told.json["valid"] is True
    assert secret not in told.out
    assert not (shell.directory / "data").exists()


def test_the_doctor_finds_what_is_wrong_and_says_what_would_help(shell: Shell) -> None:
    well = shell("doctor", "--json", "--config", shell.file("well.yaml", f"gateway: {{port: {free_port()}}}"))
    assert (well.code, well.json["healthy"]) == (0, True)
    assert all(check["ok"] for check in well.json["checks"])
    shell.file("in-the-way", "")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        name = shell.file(
            "ill.yaml",
            f"gateway: {{port: {port}, data_dir: in-the-way}}\n"
            f"providers: {{mine: {{type: openai_compatible, base_url: 'http://127.0.0.1:{free_port()}/v1', models: [x]}}}}",
        )
        ill = shell("doctor", "--json", "--config", name, ONEVAULT_DATA_DIR="")
        text = shell("doctor", "--config", name, ONEVAULT_DATA_DIR="")
    assert (ill.code, ill.json["healthy"]) == (1, False)
    failed = {check["name"]: check["detail"] for check in ill.json["checks"] if not check["ok"]}
    assert set(failed) == {"data directory in-the-way", f"port {port}", "provider mine"}
    assert "in use" in failed[f"port {port}"]
    assert "cannot be reached" in failed["provider mine"]
    assert text.out.count("FAIL  ") == 3


def test_addresses_that_cannot_be_listened_on_are_named(shell: Shell) -> None:
    for host in ("203.0.113.7", "no such host", "999.1.1.1", "::zz"):
        done = shell("serve", "--host", host, "--port", "0")
        assert (done.code, done.out) == (1, "")
        assert host in done.err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for command in ("serve", "simulate"):
            done = shell(command, "--port", str(taken.getsockname()[1]))
            assert done.code == 1, done
            assert "in use" in done.err


def test_serve_tells_its_refusals_as_json_too(shell: Shell) -> None:
    done = shell("serve", "--workers", "2", "--json")
    assert (done.code, done.json["error"]["param"]) == (1, "workers")
    shell.file("data", "in the way")
    done = shell("serve", "--port", "0", "--json")
    assert done.code == 1
    assert str(shell.directory / "data") in done.json["error"]["message"]


@pytest.mark.parametrize("command", [["orgs", "list"], ["keys", "revoke", "x"], ["doctor"], ["serve", "--port", "0"]])
def test_a_data_directory_that_cannot_be_used_is_named(shell: Shell, command: list[str]) -> None:
    shell.file("file", "")
    for data in ("file", "file/below", "/proc/nothing"):
        done = shell(*command, ONEVAULT_DATA_DIR=data)
        assert done.code == 1, done
        assert data.split("/")[-1] in done.err + done.out


def test_a_vault_that_is_none_is_refused(shell: Shell) -> None:
    (shell.directory / "data").mkdir()
    shell.file("data/gateway.db", b"this is no database" * 100)
    for command in (["orgs", "list"], ["serve", "--port", "0"], ["doctor"]):
        done = shell(*command)
        assert done.code == 1, done
        assert "gateway.db" in done.err + done.out or "vault" in done.err + done.out


@pytest.fixture(scope="module")
def beside(gateway: GatewayProcess) -> Shell:
    """A shell beside a running gateway, on its data directory."""
    return Shell(gateway.directory)


def test_organizations_users_and_keys_are_made_listed_and_ended_beside_a_running_gateway(
    beside: Shell, gateway: GatewayProcess
) -> None:
    name = f"Beside {os.urandom(4).hex()}"
    made = beside("orgs", "create", name, "--monthly-budget-usd", "12.5", "--time-zone", "Europe/Berlin", "--json")
    assert made.code == 0
    org = made.json
    assert (org["name"], org["monthly_budget_usd"], org["time_zone"], org["status"]) == (
        name,
        12.5,
        "Europe/Berlin",
        "active",
    )
    assert beside("orgs", "create", name.upper()).code == 1
    user = beside("users", "create", "a@example.com", "--org", org["org_id"], "--daily-limit-usd", "1", "--json").json
    key = beside("keys", "create", "--user", user["user_id"], "--allowed-model", "gpt-4o-mini", "--test", "--json").json
    assert key["api_key"].startswith("gw_test_")
    assert org["org_id"] in {one["org_id"] for one in beside("orgs", "list", "--json").json["data"]}
    assert [one["user_id"] for one in beside("users", "list", "--org", org["org_id"], "--json").json["data"]] == [
        user["user_id"]
    ]
    listed = beside("keys", "list", "--user", user["user_id"], "--json")
    assert [(one["key_id"], one["status"]) for one in listed.json["data"]] == [(key["key_id"], "active")]
    assert key["api_key"] not in listed.out
    table = beside("keys", "list").out.splitlines()
    assert table[0].split() == ["key_id", "user_id", "prefix", "status", "name"]
    assert any(key["key_id"] in line for line in table)
    assert gateway.admin(f"/users/{user['user_id']}/api-keys/{key['key_id']}")["status"] == "active"

    changed = beside("keys", "update", key["key_id"], "--tokens-per-minute", "7", "--unset", "allowed_models", "--json")
    assert (changed.json["tokens_per_minute"], changed.json["allowed_models"], changed.json["version"]) == (7, None, 2)
    assert (
        beside("orgs", "update", org["org_id"], "--suspended").out == f"Organization {org['org_id']} has version 2.\n"
    )
    assert gateway.admin(f"/organizations/{org['org_id']}")["status"] == "suspended"

    assert beside("keys", "revoke", key["key_id"]).out == f"Revoked key {key['key_id']}.\n"
    assert beside("keys", "list", "--user", user["user_id"], "--json").json["data"][0]["status"] == "revoked"
    assert beside("users", "revoke", user["user_id"], "--json").json["status"] == "deleted"
    assert beside("orgs", "revoke", org["org_id"], "--json").json["status"] == "deleted"
    assert beside("users", "create", "b@example.com", "--org", org["org_id"]).code == 1
    status, _, _ = http(f"{gateway.base_url}/admin/organizations", key=gateway.credentials["admin_key"])
    assert status == 200


def test_who_sets_up_before_the_first_start_is_told_how_to_get_a_key(shell: Shell, tmp_path: Path) -> None:
    org = shell("orgs", "create", "Mine", "--json").json
    gateway = GatewayProcess(tmp_path)
    gateway.start()
    try:
        said = gateway.process.output
        assert gateway.credentials["api_key"] == ""
        assert gateway.credentials["admin_key"] in said
        assert "onevault keys create" in said
        assert "curl" not in said
        assert [one["org_id"] for one in gateway.admin("/organizations")["data"]] == [org["org_id"]]
    finally:
        gateway.stop()


VALUES = {"number": "1.5", "integer": "7", "boolean": None, "object": '{"gpt-5": {"daily_token_limit": 9}}'}
APART = {
    "name": "An organization",
    "monthly_budget_usd": "3",
    "email": "all@example.com",
    "time_zone": "Asia/Tokyo",
    "failure_mode": "fail_open",
    "compliance_level": "NONE",
    "priority_tier": "PREMIUM",
    "byok": "off",
    "provider_limits": '{"openai": {"daily_limit_usd": 2}}',
    "thresholds": "50",
    "webhook_url": "https://hooks.example.com/x",
    "expires_at": "2099-01-31T00:00:00Z",
    "allowed_models": "gpt-5",
    "allowed_providers": "openai",
    "allowed_addresses": "192.0.2.0/24",
}


def test_every_field_that_the_admin_api_takes_can_be_said(shell: Shell) -> None:
    ids: dict[str, str] = {}
    for group, verb, model, wanted in (
        ("orgs", "create", CreateOrganization, ()),
        ("teams", "create", CreateTeam, ("org",)),
        ("users", "create", CreateUser, ("org", "team")),
        ("keys", "create", CreateKey, ("user",)),
        ("orgs", "update", UpdateOrganization, ()),
        ("teams", "update", UpdateTeam, ()),
        ("users", "update", UpdateUser, ("team",)),
        ("keys", "update", UpdateKey, ()),
    ):
        said = {name: APART.get(name) or VALUES.get(kind_of(schema)) for name, schema in fields(model).items()}
        said = {name: value for name, value in said.items() if name not in ("org_id", "team_id", "suspended")}
        subject = {"orgs": "name", "teams": "name", "users": "email"}.get(group) if verb == "create" else None
        options = [part for name in wanted for part in (f"--{name}", ids[name])]
        for name, value in said.items():
            if name != subject:
                called = name.removesuffix("s") if name.startswith("allowed_") or name == "thresholds" else name
                options += [f"--{called.replace('_', '-')}", *([value] if value is not None else [])]
        first = [said[subject]] if subject else [ids[group[:-1]]] if verb == "update" else []
        done = shell(group, verb, *filter(None, first), *options, "--json")
        assert done.code == 0, done
        made = done.json
        ids[group[:-1]] = made[{"orgs": "org_id", "teams": "team_id", "users": "user_id", "keys": "key_id"}[group]]
        for name in said.keys() - {"test", "webhook_url"}:
            assert made[name] not in (None, [], {}), name


def fields(model: type[BaseModel]) -> dict[str, Any]:
    found: dict[str, Any] = model.model_json_schema()["properties"]
    return found


def kind_of(schema: dict[str, Any]) -> str:
    kind = schema.get("type") or schema["anyOf"][0]["type"]
    return str(kind[0] if isinstance(kind, list) else kind)
