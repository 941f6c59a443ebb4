"""Makes settings of the identity providers that were written, whose signed tokens are taken beside keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from onevault.config.problems import Problem, did_you_mean
from onevault.config.schema import OidcSettings
from onevault.config.written import OidcWritten
from onevault.core.identity import Role
from onevault.core.sign_in import ClaimRules

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with which only the issuer can sign. With a shared secret everybody could who can check."""
ALGORITHMS_DEFAULT: Final = ("RS256", "ES256")
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_CLAIMS: Final = {"user": "user_claim", "email": "email_claim", "organization": "organization_claim"} | {
    "team": "team_claim",
    "role": "role_claim",
}


def issuers(written: list[OidcWritten] | None, problems: list[Problem]) -> tuple[OidcSettings, ...]:
    """The trusted issuers. What is wrong between their values is added to `problems`."""
    found = [_issuer(entry, f"security.oidc[{number}]", problems) for number, entry in enumerate(written or ())]
    names = [entry.issuer for entry in found]
    for number, name in enumerate(names):
        if name in names[:number]:
            problems.append(Problem(f"security.oidc[{number}].issuer", "stands here twice", "each issuer once"))
    return tuple(found)


def _issuer(written: OidcWritten, path: str, problems: list[Problem]) -> OidcSettings:
    _check_url(written.issuer, f"{path}.issuer", problems)
    if written.jwks_uri is not None:
        _check_url(written.jwks_uri, f"{path}.jwks_uri", problems)
    algorithms = tuple(written.algorithms) if written.algorithms is not None else ALGORITHMS_DEFAULT
    for number, name in enumerate(algorithms):
        if name not in ALGORITHMS:
            problems.append(Problem(f"{path}.algorithms[{number}]", "not one that can be used", _one_of(ALGORITHMS)))
    if not algorithms:
        problems.append(Problem(f"{path}.algorithms", "none", _one_of(ALGORITHMS)))
    if not written.audience:
        problems.append(Problem(f"{path}.audience", "none", "for whom the issuer makes the tokens: a name or several"))
    claims = written.claims or {}
    problems += [
        Problem(f"{path}.claims.{name}", "not known", did_you_mean(name, _CLAIMS))
        for name in claims
        if name not in _CLAIMS
    ]
    return OidcSettings(
        issuer=written.issuer,
        audiences=tuple(written.audience),
        algorithms=algorithms,
        jwks_uri=written.jwks_uri,
        rules=ClaimRules(
            **{_CLAIMS[name]: claim for name, claim in claims.items() if name in _CLAIMS},
            organization=written.organization or "",
            organizations=dict(written.organizations or {}),
            roles=_roles(written.roles, f"{path}.roles", problems),
            organization_roles=_roles(written.organization_roles, f"{path}.organization_roles", problems),
            creates_users=bool(written.create_users),
        ),
    )


def _roles(written: Mapping[str, str] | None, path: str, problems: list[Problem]) -> dict[str, Role]:
    known = {role.value: role for role in Role}
    for value, name in (written or {}).items():
        if name not in known:
            problems.append(Problem(f"{path}.{value}", "not a role", did_you_mean(name, known)))
    return {value: known[name] for value, name in (written or {}).items() if name in known}


def _check_url(url: str, path: str, problems: list[Problem]) -> None:
    """Keys that come over plain HTTP could be anybody's, but for those of this machine."""
    try:
        parts = urlsplit(url)
        is_local = parts.hostname in _LOCAL
        is_fine = bool(parts.hostname) and (parts.port or 1) > 0 and not parts.username and not parts.fragment
    except ValueError:
        is_fine = is_local = False
    if not is_fine or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not is_local):
        problems.append(Problem(path, "not the address of an issuer", "https://host/…"))


def _one_of(words: tuple[str, ...]) -> str:
    return "one of: " + ", ".join(words)
