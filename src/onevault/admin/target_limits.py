"""Says how limits for one provider or one model alone are written and shown: a name, and the limits as everywhere."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from onevault.admin.fields import NAME_CHARACTERS_MAX, bounded_text, count, nanos, refused
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import LimitSet, TargetLimits
from onevault.core.money import Nanos, usd_for_json

TARGETS_MAX = 100
_MEANT_MAX, _MEANT_LIKENESS, _TOLD_MAX = 3, 0.6, 20
Changes = dict[str, object]
"""Fields of an entity and their values."""


def _target_limits(value: object) -> TargetLimits | None:
    """Limits by the name of a provider entry or of a model."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise refused("must be an object: a name, and its limits")
    if len(value) > TARGETS_MAX:
        raise refused(f"must have at most {TARGETS_MAX} names")
    found: TargetLimits = {}
    for target, limits in value.items():
        told = bounded_text(target, NAME_CHARACTERS_MAX)
        if "|" in told:
            raise refused("must have names without `|`")
        if not isinstance(limits, dict) or not limits:
            raise refused(f"must say for {told!r} which limits it has")
        unknown = [field for field in limits if field not in _TARGET_FIELDS]
        if unknown:
            raise refused(f"has no {str(unknown[0])[:100]!r} for {told!r}; known: {', '.join(_TARGET_FIELDS)}")
        read = {}
        for field, wanted in limits.items():
            attribute, kind = _TARGET_FIELDS[field]
            try:
                read[attribute] = None if wanted is None else kind(wanted)
            except PydanticCustomError as error:
                raise refused(f"{field} of {told!r} {error.message()}") from None
        found[told] = LimitSet(**read)
    return found or None


_MONEY_FIELDS = ("max_cost_per_request", "daily_limit", "monthly_limit", "total_limit")
_COUNT_FIELDS = (
    "daily_request_limit",
    "monthly_request_limit",
    "daily_token_limit",
    "monthly_token_limit",
    "requests_per_minute",
    "tokens_per_minute",
    "concurrent_requests",
)
_TARGET_FIELDS: dict[str, tuple[str, Callable[[object], int]]] = {
    **{f"{name}_usd": (name, nanos) for name in _MONEY_FIELDS},
    **{name: (name, count) for name in _COUNT_FIELDS},
}

_LIMITS_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        name: {"type": ["number", "null"] if name.endswith("_usd") else ["integer", "null"], "minimum": 0}
        for name in _TARGET_FIELDS
    },
}
TargetLimitsField = Annotated[
    TargetLimits | None,
    PlainValidator(_target_limits),
    WithJsonSchema(
        {"anyOf": [{"type": "object", "maxProperties": 100, "additionalProperties": _LIMITS_SCHEMA}, {"type": "null"}]}
    ),
]


def check_providers(changes: Changes, providers: Collection[str]) -> Changes:
    """What is asked for as it is. Raises Fault INVALID_REQUEST where it limits a provider that is not among the configured ones: nothing
    would ever count in that limit. (With none configured nobody knows.)"""
    asked = changes.get("provider_limits")
    for name in asked if isinstance(asked, dict) and providers else ():
        if name not in providers:
            meant = difflib.get_close_matches(str(name), sorted(providers), n=_MEANT_MAX, cutoff=_MEANT_LIKENESS)
            hint = (
                f"did you mean {' or '.join(meant)}?"
                if meant
                else f"there are: {', '.join(sorted(providers)[:_TOLD_MAX])}"
            )
            message = f"provider_limits: no provider {name!r} is configured; {hint}"
            raise Fault(FaultKind.INVALID_REQUEST, message, param="provider_limits")
    return changes


def target_limits_out(sets: TargetLimits | None) -> dict[str, dict[str, float | int | None]] | None:
    """As callers write it."""
    if sets is None:
        return None
    return {target: limits_shown(limits) for target, limits in sets.items()}


def limits_shown(limits: LimitSet) -> dict[str, float | int | None]:
    """Those of one provider or model that are set."""
    shown: dict[str, float | int | None] = {}
    for name, (attribute, kind) in _TARGET_FIELDS.items():
        value = getattr(limits, attribute)
        if value is not None:
            shown[name] = usd_for_json(Nanos(value)) if kind is nanos else value
    return shown
