"""The admin API's description is complete. `tests/flow/test_openapi.py` holds a running gateway against it."""

from __future__ import annotations

import json

from tests.contract.admin.surroundings import Client

from onevault.admin.app import create_admin
from onevault.admin.roles import PERMISSIONS

NAMING_ANOTHER = {
    ("POST", "/admin/users"),
    ("POST", "/admin/webhooks"),
    ("POST", "/admin/teams"),
    ("POST", "/admin/admin-keys"),
    ("POST", "/admin/provider-keys"),
    ("GET", "/admin/export"),
}
"""What these make or tell belongs to an organization that their body or query names."""


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
