"""Every recorded exchange whose price is known: what its provider reported costs no more than what its request would have been held at."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import pytest
from tests.contract.ledger.build import principal
from tests.replay.test_every_recording import FOLDER, Exchange, _passings, decoded, recorded

from onevault.config.schema import ProviderSettings, Settings
from onevault.core.codec import Incoming
from onevault.core.events import UsageReported
from onevault.core.faults import Fault
from onevault.core.identity import Principal
from onevault.core.sending import Plan, Target
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS
from onevault.pipeline.caller import CallerRequest
from onevault.pipeline.hold import hold_of
from onevault.pipeline.receipt import Receipt
from onevault.policy.pricing import cost, missing_price
from onevault.upstream.catalog import ConfiguredCatalog

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no recordings here")

KINDS = {"gemini": "google", "anthropic": "anthropic", "openai": "openai", "azure": "azure", "bedrock": "bedrock"}
PROVIDERS = (
    *(
        "google",
        "vertex",
        "anthropic",
        "openai",
        "azure",
        "bedrock",
        "cohere",
        "groq",
        "mistral",
        "deepseek",
        "cerebras",
    ),
    *("openrouter", "together"),
)
TODAY = date(2026, 11, 1)


class Priced(NamedTuple):
    exchange: Exchange
    incoming: Incoming
    usage: Usage
    target: Target


def _usage_of(exchange: Exchange) -> Usage | None:
    """The last report of an answer that came to its end."""

    try:
        events = decoded(CODECS[exchange.dialect].decoder(stream=exchange.stream, passing=None), [exchange.answer])
    except Fault:
        return None
    found = [event.usage for event in events if isinstance(event, UsageReported)]
    return found[-1] if found else None


def _priced(catalog: ConfiguredCatalog, caller: Principal) -> Iterator[Priced]:
    for exchange in recorded()[0]:
        kind = KINDS.get(exchange.provider, exchange.provider)
        if exchange.status >= 400 or not exchange.request:
            continue
        incoming = list(_passings(exchange))[-1]
        usage = _usage_of(exchange)
        if incoming is None or usage is None:
            continue
        try:
            targets = catalog.candidates(f"{kind}/{incoming.model}", incoming.operation, caller)
        except Fault:
            continue
        if targets[0].price is not None and not missing_price(targets[0], incoming):
            yield Priced(exchange, incoming, usage, targets[0])


def test_no_recorded_usage_costs_more_than_its_hold() -> None:
    entries = tuple(ProviderSettings(name=kind, kind=kind) for kind in PROVIDERS)
    catalog = ConfiguredCatalog(Settings(providers=entries), today=TODAY)
    caller = principal()
    compared = Counter[str]()
    beyond = []
    for exchange, incoming, usage, target in _priced(catalog, caller):
        compared[exchange.dialect] += 1
        request = CallerRequest("c1", 0, None, asyncio.Event().wait)  # type: ignore[arg-type]
        held = hold_of(caller, Plan((target,), ""), Receipt(request, caller, incoming))
        assert target.price is not None
        owed = cost(target.price, usage)
        if owed > held.amount:
            beyond.append(f"{exchange.name}: {incoming.model} cost {owed}, held {held.amount}, {usage}")
    assert beyond == []
    assert compared.total() > 2_000
    assert len(compared) > 6
