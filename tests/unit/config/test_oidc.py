"""What is said of identity providers: settings, or each mistake with its place."""

from __future__ import annotations

from typing import Any

import pytest

from onevault.config.load import settings_from
from onevault.config.problems import ConfigurationError
from onevault.core.identity import Role
from onevault.core.sign_in import ClaimRules

GOOD = {"issuer": "https://login.example.com", "audience": "onevault"}


def test_what_is_not_said_has_its_default() -> None:
    (found,) = settings_from({"security": {"oidc": [GOOD]}}, {}).security.oidc
    assert (found.audiences, found.algorithms, found.jwks_uri) == (("onevault",), ("RS256", "ES256"), None)
    assert found.rules == ClaimRules()


def test_claims_and_roles_are_taken_over() -> None:
    said = GOOD | {
        "claims": {"organization": "org", "role": "groups"},
        "roles": {"root": "owner"},
        "create_users": True,
    }
    (found,) = settings_from({"security": {"oidc": [said]}}, {}).security.oidc
    assert (found.rules.organization_claim, found.rules.role_claim, found.rules.user_claim) == ("org", "groups", "sub")
    assert found.rules.roles == {"root": Role.OWNER}
    assert found.rules.creates_users


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"issuer": "http://login.example.com"}, "security.oidc[0].issuer"),
        ({"issuer": "https://user:secret@login.example.com"}, "security.oidc[0].issuer"),
        ({"issuer": "login.example.com"}, "security.oidc[0].issuer"),
        ({"jwks_uri": "http://login.example.com/keys"}, "security.oidc[0].jwks_uri"),
        ({"algorithms": ["HS256"]}, "security.oidc[0].algorithms[0]"),
        ({"algorithms": ["RS256", "none"]}, "security.oidc[0].algorithms[1]"),
        ({"algorithms": []}, "security.oidc[0].algorithms"),
        ({"audience": []}, "security.oidc[0].audience"),
        ({"claims": {"organisation": "org"}}, "security.oidc[0].claims.organisation"),
        ({"roles": {"root": "king"}}, "security.oidc[0].roles.root"),
        ({"organization_roles": {"root": ""}}, "security.oidc[0].organization_roles.root"),
        ({"secret": "x"}, "security.oidc[0].secret"),
    ],
)
def test_a_mistake_is_told_with_its_place(changed: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        settings_from({"security": {"oidc": [GOOD | changed]}}, {})
    assert [problem.path for problem in refusal.value.problems] == [path]
    assert "secret@" not in str(refusal.value)


def test_an_issuer_stands_once() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        settings_from({"security": {"oidc": [GOOD, GOOD]}}, {})
    assert [problem.path for problem in refusal.value.problems] == ["security.oidc[1].issuer"]
