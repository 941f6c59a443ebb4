"""What a signed token says of its bearer, and which of an issuer's claims say it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from onevault.core.identity import Role

TOKEN_CHARACTERS_MAX: Final = 16 << 10
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
NOBODY: Final[Mapping[str, Role]] = MappingProxyType({})
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class ClaimRules(msgspec.Struct, frozen=True, kw_only=True):
    """How an issuer's claims are read. A claim inside of another is named with dots (`realm_access.roles`), unless the issuer
    has one of the whole name (`https://example.com/team`).

    `organization_claim` says which organization, by its id or its name; `organizations` translates what it says; where it says
    nothing, `organization` holds. `roles` give a role over the whole tenant, `organization_roles` over the token's
    organization; of several values the mightiest role counts. With `creates_users` a user who is not known yet is made.
    """

    user_claim: str = "sub"
    email_claim: str = "email"
    organization_claim: str = "organization"
    team_claim: str = "team"
    role_claim: str = "roles"
    organization: str = ""
    organizations: Mapping[str, str] = NOTHING
    roles: Mapping[str, Role] = NOBODY
    organization_roles: Mapping[str, Role] = NOBODY
    creates_users: bool = False


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified token says. Texts are "" where it says nothing. `email` is there only where the issuer does not say that
    nobody has verified it. `role` is what the admin API goes by; `whole_tenant` whether beyond the organization."""

    issuer: str
    subject: str
    user: str
    email: str
    organization: str
    team: str
    expires_at_ms: int
    role: Role | None = None
    whole_tenant: bool = False
    creates_users: bool = False


def is_token_text(presented: str) -> bool:
    """Whether a text is spelled like a signed token (RFC 7515, compact); an API key never is."""
    return len(presented) <= TOKEN_CHARACTERS_MAX and _TOKEN.fullmatch(presented) is not None
