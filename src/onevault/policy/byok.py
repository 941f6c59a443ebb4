"""Decides whose account pays a call's provider: the customer's own key where it has one, the gateway's otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, Metric, Organization, OwnKey, Principal, ProviderKey, ScopeId, Status, Window
from onevault.core.sending import Target

Byok = Literal["preferred", "required", "off"]
"""`preferred`: an organization's own key is used where it has one. `required`: nothing else is used. `off`: none of them is."""
PREFERRED: Final = "preferred"
REQUIRED: Final = "required"
OFF: Final = "off"

NO_OWN_KEY = "the organization has no key of its own for this provider"
NOT_ALLOWED = "not among the models that the organization's own key is for"
OTHER_ACCOUNT = "paid from another account than the first target"

Exclusions = tuple[tuple[str, str], ...]


def provider_key_scope(provider_key_id: str) -> ScopeId:
    return ScopeId(f"provider_key:{provider_key_id}")


def provider_key_limits(key: ProviderKey) -> tuple[Limit, ...]:
    """The limits on what is spent with a provider key."""
    scope = provider_key_scope(key.provider_key_id)
    rows = ((Window.DAY, key.daily_limit), (Window.MONTH, key.monthly_limit))
    return tuple(Limit(scope, Metric.MONEY, window, most) for window, most in rows if most is not None)


def own_keys(organization: Organization, keys: Iterable[ProviderKey], bare: Principal) -> Mapping[str, OwnKey]:
    """The keys that calls of this principal are made with, by provider entry: each with the scopes and limits of such a call."""
    if organization.byok == OFF:
        return {}
    return {
        key.provider: OwnKey(
            provider_key_id=key.provider_key_id,
            allowed_models=None if key.allowed_models is None else frozenset(key.allowed_models),
            scopes=(*bare.scopes, provider_key_scope(key.provider_key_id)),
            limits=bare.limits + provider_key_limits(key),
        )
        for key in keys
        if key.status is Status.ACTIVE
    }


def paid_by(targets: tuple[Target, ...], principal: Principal) -> tuple[tuple[Target, ...], Exclusions]:
    """The targets with the credential that each is called with, and those left out.

    A call is paid from one account from its hold to its bill: targets that another would pay are left out behind the first. So a
    customer's key that fails is never followed by the gateway's. Raises Fault FORBIDDEN where no target is left.
    """
    kept: list[Target] = []
    excluded: list[tuple[str, str]] = []
    for target in targets:
        own = principal.own_keys.get(target.provider)
        if own is None and principal.own_keys_only:
            excluded.append((target.deployment, NO_OWN_KEY))
            continue
        if own is not None and not _is_for(own, target):
            excluded.append((target.deployment, NOT_ALLOWED))
            continue
        if own is not None:
            target = msgspec.structs.replace(target, credential=own.provider_key_id)
        if kept and kept[0].credential != target.credential:
            excluded.append((target.deployment, OTHER_ACCOUNT))
        else:
            kept.append(target)
    if not kept:
        raise Fault(FaultKind.FORBIDDEN, _none_left(excluded), param="model")
    return tuple(kept), tuple(excluded)


def _none_left(excluded: list[tuple[str, str]]) -> str:
    if any(reason == NOT_ALLOWED for _, reason in excluded):
        return "Your organization's own provider key is not for this model."
    return "Your organization uses only provider keys of its own, and has none for a provider of this model."


def _is_for(own: OwnKey, target: Target) -> bool:
    """As the lists of API keys: the model's own name or `provider/model`; `prefix*` matches too."""
    models = own.allowed_models
    if models is None:
        return True
    names = (target.model, f"{target.provider}/{target.model}")
    if any(name in models for name in names):
        return True
    prefixes = tuple(pattern[:-1] for pattern in models if pattern.endswith("*"))
    return any(name.startswith(prefixes) for name in names)
