"""The OpenAPI document says what the server does: checked by a fuzzer over a socket, and by its own completeness."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.contract.admin.surroundings import ADMIN_KEY, Client

from onevault.admin.app import create_admin
from onevault.admin.roles import PERMISSIONS

EXAMPLES_MAX = 3
NAMING_ANOTHER = {
    ("POST", "/admin/users"),
    ("POST", "/admin/webhooks"),
    ("POST", "/admin/teams"),
    ("POST", "/admin/admin-keys"),
    ("POST", "/admin/provider-keys"),
    ("GET", "/admin/export"),
}
"""What these make or tell belongs to an organization that their body or query names."""
CHECKS_LEFT_OUT = "positive_data_acceptance,use_after_free"
"""What a schema cannot say (time zones that exist, times that lie in the future, control characters) is refused too; the figures of what
was deleted stay."""


async def test_every_operation_is_described_with_its_errors(admin: Client) -> None:
    document = create_admin(admin.around.deps()).openapi()
    assert document["openapi"].startswith("3.1")
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert {(method, path) for method, path, _ in operations} == set(PERMISSIONS)
    assert len(operations) == len(PERMISSIONS) == 57
    for method, path, operation in operations:
        assert operation["summary"], path
        assert operation["security"] == [{"AdminKey": []}], path
        told = set(operation["responses"])
        assert {"400", "401", "403", "413", "500", "503"} < told, (method, path)
        assert "422" not in told
        assert ("404" in told) == ("{" in path or (method, path) in NAMING_ANOTHER), (method, path)
    assert "HTTPValidationError" not in json.dumps(document)


async def test_the_methods_of_a_path_are_told_together(admin: Client) -> None:
    assert (await admin("PUT", "/admin/users/x")).headers["allow"] == "DELETE, GET, PATCH"
    assert (await admin("DELETE", "/admin/users")).headers["allow"] == "GET, POST"


async def test_a_fuzzer_finds_no_failure_and_nothing_undeclared(admin: Client, tmp_path: Path) -> None:
    document = tmp_path / "admin.json"
    document.write_text(json.dumps(create_admin(admin.around.deps()).openapi()))
    fuzzer = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        str(document),
        f"--url=http://127.0.0.1:{admin.port}",
        f"--header=Authorization: Bearer {ADMIN_KEY}",
        f"--max-examples={EXAMPLES_MAX}",
        f"--exclude-checks={CHECKS_LEFT_OUT}",
        "--seed=1",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        told, _ = await asyncio.wait_for(fuzzer.communicate(), 120)
    finally:
        if fuzzer.returncode is None:
            fuzzer.kill()
            await fuzzer.wait()
    assert fuzzer.returncode == 0, told.decode(errors="replace")[-6000:]
