"""Makes the way of a call: the exchange with its stages, and what sends to providers."""

from __future__ import annotations

import random
from dataclasses import dataclass

from onevault.admin.people import DirectoryPeople
from onevault.bootstrap.foundation import Foundation
from onevault.bootstrap.identities import Identities
from onevault.bootstrap.policies import drain_bounds
from onevault.bootstrap.providers import Providers
from onevault.core.ports import Clock
from onevault.dialects.registry import CODECS
from onevault.jobs.thresholds import Thresholds
from onevault.pipeline.admit import Admit
from onevault.pipeline.authenticate import Authenticate
from onevault.pipeline.call import Call
from onevault.pipeline.drain import Drains
from onevault.pipeline.exchange import Exchange
from onevault.pipeline.record import Record
from onevault.pipeline.reserve import Reserve
from onevault.pipeline.route import Route
from onevault.pipeline.sign_in import SignIn
from onevault.telemetry.redact import redact
from onevault.upstream.auth.oidc import Issuers
from onevault.upstream.client import ProviderSender


@dataclass(frozen=True, slots=True)
class CallPath:
    """The exchange, and those of its parts that others ask or a reload changes."""

    exchange: Exchange
    route: Route
    sender: ProviderSender
    drains: Drains
    sign_in: SignIn
    _clock: Clock

    def apply(self, providers: Providers) -> None:
        """Goes on by the configuration that is in force there. Calls under way keep what they began with."""
        settings = providers.settings
        self.sender.endpoints = providers.endpoints()
        self.route.catalog = providers.catalog
        self.route.output_tokens_limit = settings.limits.output_tokens_max
        self.route.on_insufficient = settings.limits.on_insufficient
        self.route.on_exhausted = settings.limits.on_exhausted
        self.drains.bounds = drain_bounds(settings)
        self.sign_in.trust(_issuers(providers, self._clock))


def call_path(base: Foundation, providers: Providers, identities: Identities, thresholds: Thresholds) -> CallPath:
    """`thresholds` is told of calls that ended."""
    clock, stores = base.clock, base.stores
    limits = providers.settings.limits
    sign_in = SignIn(_issuers(providers, clock), DirectoryPeople(identities.office), identities.access, clock)
    route = Route(providers.catalog, limits.output_tokens_max, limits.on_insufficient, limits.on_exhausted)
    sender = ProviderSender(providers.transport, CODECS, providers.endpoints(), identities.credentials)
    drains = Drains(drain_bounds(providers.settings))
    exchange = Exchange(
        Authenticate(identities.access, clock, sign_in),
        Admit(stores.rates, thresholds),
        Record(stores.journal, base.observer, clock, thresholds),
        route,
        Reserve(stores.ledger, stores.journal, clock),
        Call(sender, clock, random.random, redact, drains),
    )
    return CallPath(exchange, route, sender, drains, sign_in, clock)


def _issuers(providers: Providers, clock: Clock) -> Issuers:
    return Issuers(providers.settings.security.oidc, providers.transport, clock)
