"""`onevault export` and `onevault import`: the same lines as the admin API's, exit code 1 where a line was refused."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from tests.support.commands import Shell

GOOD = (
    {"object": "organization", "name": "Acme", "monthly_budget_usd": 5, "time_zone": "Europe/Berlin"},
    {"object": "team", "organization": "Acme", "name": "Research", "monthly_limit_usd": 2},
    {"object": "user", "organization": "Acme", "team": "Research", "email": "a@acme.test"},
    {"object": "api_key", "organization": "Acme", "user": "a@acme.test", "name": "ci", "daily_request_limit": 5},
)


def test_a_file_is_tried_imported_exported_and_imported_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here, there = Shell(tmp_path / "here"), Shell(tmp_path / "there")
    text = "\n".join(map(json.dumps, (*GOOD, {"object": "user", "organization": "Acme", "email": "nobody"})))
    file = here.file("lines.jsonl", text)
    tried = here("import", file, "--dry-run", "--new-keys", "--json")
    assert (tried.code, tried.json["created"], tried.json["failed"]) == (1, 4, 1)
    assert here("orgs", "list", "--json").json["data"] == []
    done = here("import", file, "--new-keys")
    assert done.code == 1
    assert "5 lines: 4 created, 0 there already, 0 skipped, 1 refused.\nline 5: email: " in done.out
    assert "gw_live_" in done.out
    again = here("import", file, "--new-keys", "--json")
    assert (again.json["created"], again.json["existing"]) == (0, 4)
    out = tmp_path / "out.jsonl"
    assert here("export", "--output", str(out), "--json").json["lines"] == 4
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert here("export").out == out.read_text()
    assert "gw_live_" not in out.read_text()
    moved = there("import", str(out), "--new-keys", "--json")
    assert (moved.code, moved.json["created"], moved.json["errors"]) == (0, 4, [])
    assert there("keys", "list", "--json").json["data"][0]["daily_request_limit"] == 5


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    done = Shell(tmp_path)("import", "none.jsonl", "--json")
    assert done.code == 1
    assert done.json["error"]["message"] == "none.jsonl: No such file or directory"
