"""The kinds of provider as rows of data: where they are, how they are spoken to, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from onevault.core.money import NANOS_PER_USD
from onevault.core.operations import Dialect, Operation
from onevault.core.prices import Price, Rates
from onevault.dialects.anthropic.names import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from onevault.dialects.openai.names import OPENAI_CHAT, OPENAI_EMBEDDINGS

Credential = Literal["bearer", "x_api_key"]

_OPENAI: Final = MappingProxyType(
    {
        Operation.CHAT: (OPENAI_CHAT,),
        Operation.EMBEDDINGS: (OPENAI_EMBEDDINGS,),
        Operation.COUNT_TOKENS: (),
    }
)
_ANTHROPIC: Final = MappingProxyType(
    {Operation.CHAT: (ANTHROPIC_MESSAGES,), Operation.COUNT_TOKENS: (ANTHROPIC_COUNT_TOKENS,)}
)


class ProviderKind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of provider. An operation that it lacks is an absent key; one with no dialect is answered by the gateway itself.

    `base_url` None: the entry must say where it is. `codecs` names, for each operation, the dialects that it speaks; the
    first is used where the caller's own is not among them. `prices_from` are the providers in the price data whose models it
    has at their prices; empty: told by the address. `for_tests`: test keys reach it, and live keys only where it lists a model
    or nothing else is configured. `passes_headers` are the caller's headers that it may want (lower case).
    """

    name: str
    credential: Credential
    codecs: Mapping[Operation, tuple[Dialect, ...]]
    base_url: str | None = None
    prices_from: tuple[str, ...] = ()
    version_path: str = ""
    """What a base URL ends in when it is complete; added to one that stops before it, as some customarily do."""
    default_models: tuple[str, ...] = ()
    """All that an entry without `models` lists; empty: what the price data lists."""
    listed_first: tuple[str, ...] = ()
    """Which of those comes first, and so answers where no model is named and no default is configured."""
    prices: Mapping[str, Price] = MappingProxyType({})
    """Prices of its own models, by name."""
    for_tests: bool = False
    passes_headers: frozenset[str] = frozenset()


def _simulated(name: str, input_usd_cents: int, output_usd_cents: int) -> Price:
    """An invented price, in cents per million tokens."""
    given, taken = input_usd_cents * NANOS_PER_USD // 100, output_usd_cents * NANOS_PER_USD // 100
    rates = Rates(
        input=given,
        output=taken,
        cache_read=given // 10,
        cache_write=given,
        cache_write_1h=given,
        reasoning=taken,
        input_audio=given,
        output_audio=taken,
    )
    return Price(version=f"simulator:{name}", rates=rates)


SIMULATED_PRICES: Final = MappingProxyType(
    {
        "sim-small": _simulated("sim-small", 10, 40),
        "sim-large": _simulated("sim-large", 250, 1000),
        "sim-embed": _simulated("sim-embed", 2, 0),
    }
)

SIMULATED_MODELS: Final = (
    *SIMULATED_PRICES,
    "gpt-4o-mini",
    "gpt-4o",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-5",
    "gpt-5-mini",
    "o4-mini",
    "claude-opus-4-5",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "text-embedding-3-small",
    "text-embedding-3-large",
)

KINDS: Final[Mapping[str, ProviderKind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            ProviderKind(
                name="openai",
                base_url="https://api.openai.com/v1",
                credential="bearer",
                codecs=_OPENAI,
                prices_from=("openai",),
                listed_first=("gpt-4o-mini", "text-embedding-3-small"),
                passes_headers=frozenset({"openai-beta", "openai-organization", "openai-project"}),
            ),
            ProviderKind(
                name="anthropic",
                base_url="https://api.anthropic.com/v1",
                version_path="/v1",
                credential="x_api_key",
                codecs=_ANTHROPIC,
                prices_from=("anthropic",),
                listed_first=("claude-haiku-4-5",),
                passes_headers=frozenset({"anthropic-beta"}),
            ),
            ProviderKind(name="openai_compatible", credential="bearer", codecs=_OPENAI),
            ProviderKind(
                name="simulator",
                version_path="/v1",
                credential="bearer",
                codecs=MappingProxyType(
                    {
                        operation: (*_OPENAI.get(operation, ()), *_ANTHROPIC.get(operation, ()))
                        for operation in Operation
                    }
                ),
                default_models=SIMULATED_MODELS,
                prices_from=("openai", "anthropic"),
                prices=SIMULATED_PRICES,
                for_tests=True,
                passes_headers=frozenset({"x-simulate", "anthropic-beta", "openai-beta"}),
            ),
        )
    }
)
"""By name. `config/kinds.py` says what an entry of each kind must state."""
