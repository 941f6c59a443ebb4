"""Works out what each configured entry offers under which names, with its price and its limits."""

from __future__ import annotations

import msgspec

from onevault.config.schema import ModelSettings, ProviderSettings, Settings
from onevault.core.operations import RELAYED, Dialect, Operation
from onevault.core.prices import Price
from onevault.core.sending import CancellingStopsBill, Target
from onevault.upstream.families import ANY, CHAT, EMBEDDINGS
from onevault.upstream.models import Facts, facts, is_anothers_name, is_fine_tuned
from onevault.upstream.prices import Listing, Prices, provider_at
from onevault.upstream.providers import KINDS, ProviderKind


class Offer(msgspec.Struct, frozen=True):
    """One model at one entry."""

    target: Target
    operations: tuple[Operation, ...]
    for_tests: bool
    live_by_name: bool
    """Whether live keys reach it by the model's bare name; otherwise only as `provider/model`."""
    is_known: bool = False
    """Whether it is known what the model lacks."""

    def takes(self, operation: Operation) -> bool:
        return operation in self.operations or operation in RELAYED


class Entry:
    """One configured entry, asked which models it has."""

    def __init__(self, settings: ProviderSettings, *, prices: Prices, alone: bool) -> None:
        self.name = settings.name
        self.kind: ProviderKind = KINDS[settings.kind]
        self._settings = settings
        self._prices = prices
        self._listed = {name: model for model in settings.models for name in (model.name, *model.aliases)}
        self._live_by_name = alone or bool(settings.models) or not self.kind.for_tests
        self._prices_from = self.kind.prices_from
        if not self._prices_from and settings.base_url is not None:
            priced_as = provider_at(settings.base_url)
            self._prices_from = (priced_as,) if priced_as is not None else ()

    def names(self) -> tuple[str, ...]:
        """The names that it is listed with: the configured ones with their aliases, else what is known of its kind."""
        if self._listed:
            return tuple(self._listed)
        if self.kind.default_models:
            return tuple(dict.fromkeys((*self.kind.default_models, *self._settings.prices)))
        known = (name for provider in self._prices_from for name in self._prices.models(provider))
        served = (name for name in known if self._can_be_called(name))
        return tuple(dict.fromkeys((*self.kind.listed_first, *self._settings.prices, *served)))

    def offer(self, name: str) -> Offer | None:
        """The model that a bare name means here. None where the entry does not have it, as far as is known."""
        if self._listed:
            model = self._listed.get(name)
            return self._offer(model) if model is not None else None
        if name in self._settings.prices or name in self.kind.prices:
            return self._offer(ModelSettings(name=name))
        return self._as_listed(name) if self._can_be_called(name) else None

    def explicit_offer(self, name: str) -> Offer | None:
        """The same where the caller named this entry: without a list of models, any name is tried."""
        return self.offer(name) if self._listed else self._offer(ModelSettings(name=name))

    def _as_listed(self, name: str) -> Offer:
        """A model that only the price data names. Of one without a family no more is known than what its price tells: what puts
        out tokens chats, what does not makes embeddings."""
        offer = self._offer(ModelSettings(name=name))
        price = offer.target.price
        if offer.is_known or facts(name).operations is not ANY or price is None:
            return offer
        told = CHAT if price.rates.output else EMBEDDINGS
        return msgspec.structs.replace(offer, operations=tuple(each for each in offer.operations if each in told))

    def relayed_offer(self, name: str) -> Offer:
        """What a relayed request is sent to: the model that it names, where it names one, has its price and nothing else of it
        counts."""
        return self._offer(self._listed.get(name) or ModelSettings(name=name))

    def names_of(self, model: str) -> tuple[str, ...]:
        """A model's own name and the further ones that the configuration gives it here."""
        listed = self._listed.get(model)
        return (listed.name, *listed.aliases) if listed is not None else (model,)

    def _can_be_called(self, name: str) -> bool:
        """Whether the price data knows a name as that of a model whose operations are offered here, in a dialect that it is
        served in."""
        listing = self._listing(name)
        whole_family = (
            name.endswith("-") or name.startswith("regional.") or (name.startswith("ft:") and not is_fine_tuned(name))
        )
        if listing is None or whole_family or name.lower().startswith(self.kind.priced_elsewhere):
            return False  # the data's ids for whole families are no names of models
        if not self.kind.for_tests and is_anothers_name(name, listing.id):
            return False
        known = facts(name, listing.context_tokens)
        if known.dialects and Operation.CHAT in known.operations and not self._dialects(known):
            return False
        return bool(self._operations(known.operations))

    def _listing(self, name: str) -> Listing | None:
        found = (self._prices.find(provider, name) for provider in self._prices_from)
        return next((listing for listing in found if listing is not None), None)

    def _operations(self, offered: tuple[Operation, ...]) -> tuple[Operation, ...]:
        return tuple(operation for operation in offered if operation in self.kind.codecs)

    def _dialects(self, known: Facts) -> tuple[Dialect, ...]:
        """Those dialects of a model's own that this entry speaks; none: the entry does not serve it as its own provider does."""
        spoken = self.kind.codecs.get(Operation.CHAT, ())
        return tuple(dialect for dialect in spoken if dialect in known.dialects)

    def _offer(self, model: ModelSettings) -> Offer:
        settings, listing = self._settings, self._listing(model.name)
        base = self._listing(model.base) if model.base is not None and listing is None else listing
        known = facts(model.base or model.name, base.context_tokens if base is not None else None)
        context = model.context_tokens_max or known.context_tokens_max
        output = known.output_tokens_max if model.output_tokens_max is None else model.output_tokens_max
        operations = self._operations(known.operations or ANY)  # whoever names a model means that it can be called
        price, unpriced = self._price(model, base, operations)
        target = Target(
            provider=self.name,
            deployment=self.name,
            model=model.name,
            price=price,
            output_tokens_max=min(output, context),
            context_tokens_max=context,
            timeouts=settings.timeouts,
            retries_max=settings.retries_max,
            context_is_known=model.context_tokens_max is not None or known.context_is_known,
            adaptive_thinking=known.adaptive_thinking,
            dialects=() if self.kind.for_tests else self._dialects(known),
            lacks=(known.lacks - model.capabilities) | model.lacks,
            unpriced=unpriced,
            cancelling_stops_bill=self._cancelling_stops_bill(),
            unsaid_tiers=self.kind.unsaid_tiers,
        )
        return Offer(
            target,
            operations,
            self.kind.for_tests,
            self._live_by_name or model.name in self.kind.prices,
            is_known=known.is_known or bool(model.capabilities or model.lacks),
        )

    def _cancelling_stops_bill(self) -> CancellingStopsBill:
        """What the configuration says, else what is known of the kind of provider."""
        drained = self._settings.drain_on_hangup
        if drained is None:
            return self.kind.cancelling_stops_bill
        return "never" if drained else "always"

    def _price(
        self, model: ModelSettings, listing: Listing | None, operations: tuple[Operation, ...]
    ) -> tuple[Price | None, str]:
        """The price, or what is missing for one. `listing` is that of the name, else of the base that the configuration gives."""
        configured = self._settings.prices.get(model.name) or self.kind.prices.get(model.name)
        if configured is not None:
            return configured, ""
        if listing is None and model.base is not None:
            base = self._settings.prices.get(model.base) or self.kind.prices.get(model.base)
            if base is not None:
                return base, ""
        if listing is None:
            return None, "no price is known for it"
        price = listing.price
        if price is not None and Operation.CHAT in operations and _output_is_unpriced(price):
            return None, "the price of its output is not published"
        return price, listing.missing


def _output_is_unpriced(price: Price) -> bool:
    """Whether the data knows no price for what a chat puts out (and does not say that all of it is free)."""
    rates = price.rates
    return not rates.output and bool(rates.input or rates.audio_hour or rates.characters)


def entries(settings: Settings, prices: Prices) -> tuple[Entry, ...]:
    """The entries in the order in which they are tried: the fallback chain's, then the configuration's."""
    alone = all(KINDS[entry.kind].for_tests for entry in settings.providers)
    by_name = {entry.name: entry for entry in settings.providers}
    order = dict.fromkeys((*settings.routing.fallback_chain, *by_name))
    return tuple(Entry(by_name[name], prices=prices, alone=alone) for name in order)
