"""Decides where a call may go: the ordered plan of targets, and why the others were left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onevault.core.codec import Incoming, OnExhausted, OnInsufficient
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Metric, Principal
from onevault.core.sending import Catalog, Plan, Target
from onevault.policy import capabilities
from onevault.policy.byok import paid_by
from onevault.policy.pricing import missing_price
from onevault.policy.target_limits import alike, counting, limits_with

Exclusions = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Route:
    """Routes by the configured order. `catalog`, the limit and what becomes of calls that are not covered are swapped in whole
    when the configuration changes."""

    catalog: Catalog
    output_tokens_limit: int | None = None
    on_insufficient: OnInsufficient = "reject"
    on_exhausted: OnExhausted = "cut"

    def __call__(self, principal: Principal, incoming: Incoming) -> Plan:
        """Raises Fault MODEL_NOT_FOUND, FORBIDDEN, UNSUPPORTED_PARAMETER, UNPRICED_MODEL, or what else leaves no target."""
        routing = incoming.extensions.routing
        if incoming.extensions.names_models:
            _check_open_choice(principal, incoming)
        targets, reason = self._candidates(principal, incoming)
        excluded: Exclusions = ()
        if routing.providers:
            targets, excluded = _split(
                targets, lambda target: target.provider in routing.providers, "not in routing.providers"
            )
            reason += " among the caller's providers"
            if not targets:
                raise Fault(
                    FaultKind.INVALID_REQUEST,
                    "None of the providers in routing.providers serves this model.",
                    param="routing.providers",
                )
        if incoming.needs:
            targets, incapable = self._able(targets, principal, incoming)
            excluded += incapable
        if principal.own_keys or principal.own_keys_only:
            targets, not_paid = paid_by(targets, principal)
            excluded += not_paid
        if principal.at_targets:
            targets, other = alike(targets, principal)
            excluded += other
        has_budget = _has_budget(principal, targets[0])
        if has_budget:
            targets, without_price = _priced(targets, incoming)
            excluded += without_price
        if not routing.fallback:
            targets = targets[:1]
        budget = incoming.extensions.budget
        is_limited = has_budget or budget.max_cost_per_request is not None or budget.max_cost_per_day is not None
        return Plan(
            targets,
            reason,
            self._output_limit(incoming),
            excluded,
            clamp=(budget.on_insufficient or self.on_insufficient) == "clamp",
            on_exhausted=(budget.on_exhausted or self.on_exhausted) if is_limited else None,
        )

    def _candidates(self, principal: Principal, incoming: Incoming) -> tuple[tuple[Target, ...], str]:
        preferred = incoming.extensions.routing.preferred_models
        if incoming.model not in (None, "", "auto") or not preferred:
            reason = "model named by the caller" if incoming.model not in (None, "", "auto") else "default model"
            return self.catalog.candidates(incoming.model, incoming.operation, principal), reason
        found: tuple[Target, ...] = ()
        for name in preferred:
            found += self.catalog.candidates(name, incoming.operation, principal)
        return found, "models preferred by the caller"

    def _able(
        self, targets: tuple[Target, ...], principal: Principal, incoming: Incoming
    ) -> tuple[tuple[Target, ...], Exclusions]:
        """The targets that lack nothing of what the request needs. Raises Fault UNSUPPORTED_PARAMETER where there is none."""
        needs = incoming.needs
        if all(needs.isdisjoint(target.lacks) for target in targets):
            return targets, ()
        lacking = {target: capabilities.missing(needs, target.lacks) for target in targets}
        able = tuple(target for target, lacks in lacking.items() if not lacks)
        if not able:
            known = [
                facts.id
                for facts in self.catalog.models(principal)
                if facts.capabilities is not None
                and needs <= facts.capabilities
                and incoming.operation in facts.operations
            ]
            raise capabilities.incapable(next(iter(lacking.values())), known)
        return able, tuple(
            (target.deployment, f"does not support {capabilities.said(lacks)}")
            for target, lacks in lacking.items()
            if lacks
        )

    def _output_limit(self, incoming: Incoming) -> int | None:
        """The installation's limit on output where the caller set none; more than it is refused, never cut in silence."""
        limit, asked = self.output_tokens_limit, incoming.output_tokens_asked
        if limit is None or asked is None:
            return limit
        if asked > limit:
            raise Fault(
                FaultKind.INVALID_REQUEST,
                f"At most {limit} output tokens are allowed here; {asked} were asked.",
                param="max_tokens",
            )
        return None


def _has_budget(principal: Principal, first: Target) -> bool:
    """Whether a limit of money holds for a call that goes to this target first."""
    further = limits_with((), counting(principal, first))
    if any(limit.metric is Metric.MONEY for limit in further):
        return True
    if first.credential:
        return any(limit.metric is Metric.MONEY for limit in principal.limits_at(first.provider, first.credential))
    return principal.has_budget


def _priced(targets: tuple[Target, ...], incoming: Incoming) -> tuple[tuple[Target, ...], Exclusions]:
    """The targets whose price tells everything that the request may cost. Raises Fault UNPRICED_MODEL where there is none."""
    reasons = [missing_price(target, incoming) for target in targets]
    if not any(reasons):
        return targets, ()
    priced = tuple(target for target, reason in zip(targets, reasons, strict=True) if not reason)
    if not priced:
        raise Fault(
            FaultKind.UNPRICED_MODEL,
            f"This call cannot be priced: {reasons[0]}. A budget applies to this key, so give the model its price in the "
            "configuration (providers.NAME.prices) or use one that is priced.",
            param="model",
        )
    return priced, tuple(
        (target.deployment, f"{reason}, and a budget applies")
        for target, reason in zip(targets, reasons, strict=True)
        if reason
    )


def _check_open_choice(principal: Principal, incoming: Incoming) -> None:
    """A provider that may choose among further models may charge another price, and use what a key may not."""
    if principal.allowed_models is not None:
        raise Fault(
            FaultKind.FORBIDDEN, "This key may not leave the choice of the model to a provider.", param="models"
        )
    if principal.has_budget or incoming.extensions.budget.max_cost_per_request is not None:
        raise Fault(
            FaultKind.UNPRICED_MODEL,
            "The provider would choose among the models that the body names, so this call cannot be priced, and a budget applies. "
            "Name them in routing.preferred_models.",
            param="models",
        )


def _split(
    targets: tuple[Target, ...], keep: Callable[[Target], bool], reason: str
) -> tuple[tuple[Target, ...], Exclusions]:
    kept = tuple(target for target in targets if keep(target))
    if len(kept) == len(targets):
        return targets, ()
    return kept, tuple((target.deployment, reason) for target in targets if not keep(target))
