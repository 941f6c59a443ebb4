"""Decides which deployments there are for a model's name, and which of them a caller may use."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from onevault.config.schema import Settings
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Principal
from onevault.core.operations import RELAYED, Capability, Operation
from onevault.core.prices import Price, Rates
from onevault.core.sending import ModelFacts, Target
from onevault.policy.capabilities import suggested
from onevault.upstream.offers import Offer, entries
from onevault.upstream.prices import Prices

AUTO: Final = "auto"
NAME_CHARACTERS_MAX: Final = 200
SUGGESTIONS_MAX: Final = 3
REMEMBERED_MAX: Final = 16_384


class Allowed(NamedTuple):
    """What a key may use; None: everything. Providers are names of entries."""

    models: frozenset[str] | None
    providers: frozenset[str] | None


class ConfiguredCatalog:
    """Implements `sending.Catalog` for one configuration, with the prices in force on `today`; a changed configuration is a new
    catalog. What was once resolved is remembered (the last `REMEMBERED_MAX` names), so a call costs one lookup.

    A name is, in this order: an alias of `routing.aliases`; `provider/model` of an entry, which means this entry and no other;
    a bare name, which means every entry that has it, in the order of the fallback chain and then of the configuration.
    """

    def __init__(self, settings: Settings, *, today: date) -> None:
        self._settings = settings
        self._entries = entries(settings, Prices(today))
        self._by_name = {entry.name: entry for entry in self._entries}
        self._listed = self._all_listed()
        self._resolved: Callable[[str | None, Operation, bool, Allowed], tuple[Target, ...]] = lru_cache(
            REMEMBERED_MAX
        )(self._resolve)
        self._models: Callable[[bool, Allowed], tuple[ModelFacts, ...]] = lru_cache(256)(self._facts)

    def candidates(self, model: str | None, operation: Operation, principal: Principal) -> tuple[Target, ...]:
        """Raises Fault MODEL_NOT_FOUND (with the nearest names), FORBIDDEN where the key's `allowed_models`, its
        `allowed_providers` or its being a test key rules every candidate out, UNSUPPORTED_PARAMETER where the model is there and
        cannot do this."""
        return self._resolved(model, operation, principal.test, _allowed(principal))

    def models(self, principal: Principal) -> tuple[ModelFacts, ...]:
        """What is listed and the principal may use: bare names and aliases once, as the first entry in order has them, and
        `provider/model` for every further entry that has the same model."""
        return self._models(principal.test, _allowed(principal))

    def model(self, name: str, principal: Principal) -> ModelFacts | None:
        """As it is listed under this id, as `provider/model`, or by an alias; else what is known of the name where a call to it
        would go first."""
        listed = self.models(principal)
        for wanted in (
            lambda facts: name in (facts.id, f"{facts.provider}/{facts.id}"),
            lambda facts: name in facts.aliases,
        ):
            if (found := next(filter(wanted, listed), None)) is not None:
                return found
        allowed, explicit = _allowed(principal), self._is_explicit(name)
        for offer in self._offers(name):
            known = self._by_name[offer.target.provider].offer(offer.target.model) is not None
            usable = _permits(allowed, name, offer) and _reachable(offer, test=principal.test, explicit=explicit)
            if known and usable and offer.operations:
                return self._model_facts(name, offer)
        return None

    def _resolve(self, name: str | None, operation: Operation, test: bool, allowed: Allowed) -> tuple[Target, ...]:
        if not name or name == AUTO:
            return self._default(operation, test, allowed)
        offers = self._relayed(name) if operation in RELAYED else self._offers(name)
        if not offers:
            raise self._not_found(name, test, allowed)
        explicit = operation in RELAYED or self._is_explicit(name)
        reachable = [offer for offer in offers if _reachable(offer, test=test, explicit=explicit)]
        if not reachable:
            if test:
                raise Fault(
                    FaultKind.FORBIDDEN, f"Test keys reach only the simulator, which {_without(name)}.", param="model"
                )
            raise self._not_found(name, test, allowed)
        permitted = [offer for offer in reachable if _permits(allowed, name, offer)]
        if not permitted:
            elsewhere = " at any provider that it may use" if _permits_elsewhere(allowed, name, reachable) else ""
            raise Fault(
                FaultKind.FORBIDDEN, f"This key may not use the model {_quoted(name)}{elsewhere}.", param="model"
            )
        able = tuple(_target(offer, test=test) for offer in permitted if offer.takes(operation))
        if not able:
            usable = [facts.id for facts in self._models(test, allowed) if operation in facts.operations]
            raise Fault(
                FaultKind.UNSUPPORTED_PARAMETER,
                f"The model {_quoted(name)} is not offered for {_SAID[operation]} here.{suggested(usable)}",
                param="model",
            )
        return able

    def _default(self, operation: Operation, test: bool, allowed: Allowed) -> tuple[Target, ...]:
        """The configured default model; else the first listed, the default provider's before others', that may be used."""
        routing = self._settings.routing
        preferred = [routing.default_model] if routing.default_model else []
        first = self._by_name.get(routing.default_provider or "")
        if first is not None:
            preferred += [f"{first.name}/{name}" for name in first.names()]
        for name in (*preferred, *self._listed):
            found = self._offers(name)
            explicit = self._is_explicit(name)
            usable = tuple(
                _target(offer, test=test)
                for offer in found
                if offer.takes(operation)
                and _reachable(offer, test=test, explicit=explicit)
                and _permits(allowed, name, offer)
            )
            if usable:
                return self._elsewhere_too(usable, operation, test, allowed)
        raise Fault(
            FaultKind.MODEL_NOT_FOUND,
            f"No model is configured that this key may use for {_SAID[operation]}.",
            param="model",
        )

    def _elsewhere_too(
        self, usable: tuple[Target, ...], operation: Operation, test: bool, allowed: Allowed
    ) -> tuple[Target, ...]:
        """The default provider's model, followed by the same model at the others."""
        others = (
            _target(offer, test=test)
            for offer in self._offers(usable[0].model)
            if offer.takes(operation)
            and _reachable(offer, test=test, explicit=False)
            and _permits(allowed, usable[0].model, offer)
        )
        taken = {target.deployment for target in usable}
        return (*usable, *(target for target in others if target.deployment not in taken))

    def _offers(self, name: str) -> tuple[Offer, ...]:
        if len(name) > NAME_CHARACTERS_MAX:
            return ()
        name = self._settings.routing.aliases.get(name, name)
        if (found := self._explicit(name)) is not None:
            return (found,)
        return tuple(offer for entry in self._entries if (offer := entry.offer(name)) is not None)

    def _relayed(self, name: str) -> tuple[Offer, ...]:
        """The entry that `provider/model` names; the model may be missing, or none that it lists."""
        provider, _, model = name.partition("/")
        entry = self._by_name.get(provider)
        return (entry.relayed_offer(model),) if entry is not None and len(name) <= NAME_CHARACTERS_MAX else ()

    def _explicit(self, name: str) -> Offer | None:
        provider, slash, model = name.partition("/")
        entry = self._by_name.get(provider) if slash and model else None
        return entry.explicit_offer(model) if entry is not None else None

    def _is_explicit(self, name: str) -> bool:
        return self._explicit(self._settings.routing.aliases.get(name, name)) is not None

    def _all_listed(self) -> dict[str, tuple[Offer, ...]]:
        """Every name that is listed, aliases of the configuration first, with who has it."""
        names: Iterable[str] = (
            *self._settings.routing.aliases,
            *(self._listed_as(name, entry.name) for entry in self._entries for name in entry.names()),
        )
        return {name: self._offers(name) for name in dict.fromkeys(names)}

    def _listed_as(self, name: str, provider: str) -> str:
        """A model whose own name begins with that of another entry (`openai/…` at a marketplace) is reached by its longer name."""
        meant = self._explicit(name)
        return name if meant is None or meant.target.provider == provider else f"{provider}/{name}"

    def _facts(self, test: bool, allowed: Allowed) -> tuple[ModelFacts, ...]:
        found: dict[str, ModelFacts] = {}
        for name, offers in self._listed.items():
            explicit = self._is_explicit(name)
            for offer in offers:
                if not offer.operations or not _permits(allowed, name, offer):
                    continue
                if _reachable(offer, test=test, explicit=explicit) and name not in found:
                    found[name] = self._model_facts(name, offer)
                elif _reachable(offer, test=test, explicit=True):
                    longer = f"{offer.target.provider}/{offer.target.model}"
                    found.setdefault(longer, self._model_facts(longer, offer))
        return tuple(found.values())

    def _model_facts(self, name: str, offer: Offer) -> ModelFacts:
        target = offer.target
        own = self._by_name[target.provider].names_of(target.model)
        meant = (*own, *(f"{target.provider}/{one}" for one in own))
        aliases = (alias for alias, model in self._settings.routing.aliases.items() if model in meant)
        return ModelFacts(
            id=name,
            provider=target.provider,
            operations=offer.operations,
            context_length=target.context_tokens_max if target.context_is_known else None,
            output_tokens_max=target.output_tokens_max
            if target.context_is_known and target.output_tokens_max
            else None,
            price=target.price,
            model=target.model,
            capabilities=frozenset(Capability) - target.lacks if offer.is_known else None,
            aliases=tuple(alias for alias in dict.fromkeys((*own, *aliases)) if alias != name),
            unpriced=target.unpriced,
        )

    def _not_found(self, name: str, test: bool, allowed: Allowed) -> Fault:
        near: list[str] = []
        if len(name) <= NAME_CHARACTERS_MAX:
            usable = {facts.id for facts in self._models(test, allowed)}
            near = difflib.get_close_matches(name.lower(), sorted(usable), n=SUGGESTIONS_MAX, cutoff=0.6)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return Fault(FaultKind.MODEL_NOT_FOUND, f"The model {_quoted(name)} does not exist here.{hint}", param="model")


_FREE: Final = Price("test keys pay nothing", Rates(*(0,) * 8))
_SAID: Final = {
    Operation.CHAT: "chat",
    Operation.EMBEDDINGS: "embeddings",
    Operation.COUNT_TOKENS: "counting tokens",
    Operation.IMAGES: "making images",
    Operation.IMAGE_EDITS: "editing images",
    Operation.SPEECH: "speech",
    Operation.TRANSCRIPTION: "transcription",
    Operation.MODERATION: "moderation",
    Operation.RERANK: "reranking",
    Operation.PASSTHROUGH: "relayed calls",
    Operation.PASSTHROUGH_READ: "relayed calls",
}


def _allowed(principal: Principal) -> Allowed:
    return Allowed(principal.allowed_models, principal.allowed_providers)


def _permits_elsewhere(allowed: Allowed, name: str, offers: Iterable[Offer]) -> bool:
    """Whether it is the provider alone that a key may not use."""
    anywhere = Allowed(allowed.models, None)
    return any(_permits(anywhere, name, offer) for offer in offers)


def _target(offer: Offer, *, test: bool) -> Target:
    """What a test key reaches costs nothing: nobody is paid for it, so it must use up nobody's budget."""
    return msgspec.structs.replace(offer.target, price=_FREE, unpriced="") if test else offer.target


def _reachable(offer: Offer, *, test: bool, explicit: bool) -> bool:
    """Test keys reach what is for tests and nothing else; live keys everything, but what is for tests not by accident."""
    return offer.for_tests if test else (explicit or offer.live_by_name)


def _permits(allowed: Allowed, name: str, offer: Offer) -> bool:
    """Whether a key's lists have the provider, and name the model as the caller does, by its own name, or as `provider/model`;
    `prefix*` matches too."""
    models, providers = allowed
    if providers is not None and offer.target.provider not in providers:
        return False
    if models is None:
        return True
    names = (name, offer.target.model, f"{offer.target.provider}/{offer.target.model}")
    if any(known in models for known in names):
        return True
    prefixes = tuple(pattern[:-1] for pattern in models if pattern.endswith("*"))
    return any(known.startswith(prefixes) for known in names)


def _quoted(name: str) -> str:
    """A caller's name as a message may repeat it: short, and without control characters."""
    shown = name if len(name) <= 100 else name[:97] + "…"
    return "'" + "".join(character if character.isprintable() else "?" for character in shown) + "'"


def _without(name: str) -> str:
    return f"has no model {_quoted(name)} here"
