"""What a call costs, and at most can cost: integers summed exactly and rounded up once.

Which tier of service a call is charged at: the one that its provider reports. Capacity that was bought ahead (`PREPAID`) has no
price for a single call and is charged as standard. A tier without a known price is charged like the dearest that is known, and
the record says so.
"""

from __future__ import annotations

from typing import Final

from onevault.core.codec import Incoming, InputSize
from onevault.core.money import Nanos, divided_up
from onevault.core.operations import FREE, Operation
from onevault.core.prices import MS_PER_HOUR, PER_MILLION, ContextTier, Price, Rates
from onevault.core.relay import RelayedIncoming
from onevault.core.sending import Target
from onevault.core.usage import AUTO_TIER, Usage, tier_named
from onevault.policy.tokens import BYTES_PER_TOKEN_MAX, output_tokens_at_least

PREPAID: Final = frozenset({"scale", "reserved", "provisioned"})
"""OpenAI's Scale Tier, Amazon Bedrock's reserved capacity, Google's and others' provisioned throughput."""

DEAREST: Final = "dearest"

_Tariff = tuple[Rates, tuple[ContextTier, ...]]


def cost(price: Price, usage: Usage) -> Nanos:
    """The cost of a usage at the tier of service that it reports. Of a call whose input is larger than a context tier's
    threshold, all tokens cost that tier's rates.

    Every input token is charged once, at the rate of the kind that it is reported as; a kind that costs what text does is text.
    Where kinds overlap (cached audio whose share is not told) or add up to more than the whole, they are taken in the order
    cache write for an hour, cache write, cached audio, audio, image, video, cache read, and none beyond the whole; the same for
    output: audio, image, then reasoning. So no report can cost more than its totals allow.
    """
    tier = usage.tier
    if tier and tier != AUTO_TIER:
        tariffs = _tariffs(price, tier)
        if len(tariffs) > 1:
            return Nanos(max(_cost(rates, tiers, usage) for rates, tiers in tariffs))
        return Nanos(_cost(*tariffs[0], usage))
    return Nanos(_cost(price.rates, price.tiers, usage))


def _cost(rates: Rates, tiers: tuple[ContextTier, ...], usage: Usage) -> int:
    input_tokens = usage.input_tokens
    output_tokens = usage.output_tokens
    for tier in tiers:
        if input_tokens > tier.above_tokens:
            rates = tier.rates
    total = rates.request * PER_MILLION
    if kind := usage.cache_write_1h_tokens:
        kind = min(kind, input_tokens)
        input_tokens -= kind
        total += kind * rates.cache_write_1h
    if kind := usage.cache_write_tokens:
        kind = min(kind, input_tokens)
        input_tokens -= kind
        total += kind * rates.cache_write
    plain = rates.input
    cached = usage.cache_read_tokens
    if (kind := usage.input_audio_tokens) and rates.input_audio != plain:
        both = min(usage.cache_read_audio_tokens, kind, cached, input_tokens)
        cached -= both
        kind = min(kind, input_tokens) - both
        input_tokens -= both + kind
        total += both * rates.cache_read_audio + kind * rates.input_audio
    if (kind := usage.input_image_tokens) and rates.input_image != plain:
        kind = min(kind, input_tokens)
        input_tokens -= kind
        total += kind * rates.input_image
    if (kind := usage.input_video_tokens) and rates.input_video != plain:
        kind = min(kind, input_tokens)
        input_tokens -= kind
        total += kind * rates.input_video
    if cached:
        cached = min(cached, input_tokens)
        input_tokens -= cached
        total += cached * rates.cache_read
    if kind := usage.output_audio_tokens:
        kind = min(kind, output_tokens)
        output_tokens -= kind
        total += kind * rates.output_audio
    if kind := usage.output_image_tokens:
        kind = min(kind, output_tokens)
        output_tokens -= kind
        total += kind * rates.output_image
    if kind := usage.reasoning_tokens:
        kind = min(kind, output_tokens)
        output_tokens -= kind
        total += kind * rates.reasoning
    total += input_tokens * plain + output_tokens * rates.output
    if usage.characters or usage.audio_ms or usage.images or usage.searches:
        return _with_units(total, rates, usage.characters, usage.audio_ms, usage.images, usage.searches)
    return divided_up(total, PER_MILLION)


_COMMON: Final = 18_000_000
"""What both a million and the milliseconds of an hour go into."""


def _with_units(total: int, rates: Rates, characters: int, audio_ms: int, images: int, searches: int) -> int:
    """A cost in nanos: `total` (nanos times a million) and what is not counted in tokens."""
    total += characters * rates.characters + (images * rates.image + searches * (rates.search or 0)) * PER_MILLION
    audio = audio_ms * rates.audio_hour
    return divided_up(total * (_COMMON // PER_MILLION) + audio * (_COMMON // MS_PER_HOUR), _COMMON)


def worst_case(
    price: Price,
    size: InputSize,
    *,
    input_tokens_at_most: int,
    output_tokens_max: int,
    choices: int = 1,
    tier: str | None = None,
    unsaid_tiers: tuple[str, ...] = (),
) -> Nanos:
    """The most that a call can cost whose input is no larger than `input_tokens_at_most`, each of whose `choices` is no longer
    than `output_tokens_max`, and that uses no more of anything else than `size` says: no usage within these bounds costs more,
    whatever its kinds and whichever context tier it falls in.

    `tier` is the service tier asked for. A provider may serve at its standard instead; where it is to choose (`auto`), or the
    tier has no known price, the dearest known counts. Where no tier is asked for, it may be one of `unsaid_tiers` as well.
    """
    output_tokens = output_tokens_max * choices
    if not tier and unsaid_tiers and price.services:
        tariffs: list[_Tariff] = [(price.rates, price.tiers)]
        tariffs += ((each.rates, each.tiers) for each in price.services if each.name in unsaid_tiers)
        return Nanos(max(_most(*tariff, size, input_tokens_at_most, output_tokens) for tariff in tariffs))
    if tier:
        tariffs = [(price.rates, price.tiers), *_tariffs(price, tier)]
        return Nanos(max(_most(*tariff, size, input_tokens_at_most, output_tokens) for tariff in tariffs))
    return Nanos(_most(price.rates, price.tiers, size, input_tokens_at_most, output_tokens))


UNLIMITED: Final = 1 << 62
"""More bytes than any answer has."""


def cost_at_least(price: Price, usage: Usage | None, output_bytes: int) -> Nanos:
    """What an answer costs for certain whose provider has counted so much by now (None: nothing), and of which so much generated
    text has come."""
    by_bytes = divided_up(output_tokens_at_least(output_bytes) * price.least_output, PER_MILLION)
    return Nanos(max(by_bytes, cost(price, usage) if usage is not None else 0))


def output_bytes_covered(price: Price, amount: Nanos) -> int:
    """The most bytes of generated text that may cost no more than `amount`: with one more, `cost_at_least` is above it."""
    if not price.least_output:
        return UNLIMITED
    return amount * PER_MILLION // price.least_output * BYTES_PER_TOKEN_MAX


def output_tokens_affordable(
    price: Price,
    size: InputSize,
    amount: Nanos,
    *,
    input_tokens_at_most: int,
    output_tokens_max: int,
    choices: int = 1,
    tier: str | None = None,
    unsaid_tiers: tuple[str, ...] = (),
) -> int:
    """The largest limit on the output of each choice, `output_tokens_max` at most, whose `worst_case` is no more than `amount`;
    0 where not even one token's is. Exact: it asks `worst_case`, which never falls as the output grows (at most 32 times)."""

    def fits(limit: int) -> bool:
        bounds = {"input_tokens_at_most": input_tokens_at_most, "output_tokens_max": limit, "choices": choices}
        return worst_case(price, size, **bounds, tier=tier, unsaid_tiers=unsaid_tiers) <= amount

    if output_tokens_max < 1 or not fits(1):
        return 0
    if fits(output_tokens_max):
        return output_tokens_max
    affordable, too_much = 1, output_tokens_max
    while too_much - affordable > 1:
        middle = (affordable + too_much) // 2
        if fits(middle):
            affordable = middle
        else:
            too_much = middle
    return affordable


def _most(rates: Rates, tiers: tuple[ContextTier, ...], size: InputSize, input_tokens: int, output_tokens: int) -> int:
    if not tiers:
        return _dearest(rates, size, input_tokens, output_tokens)
    most = 0
    for tier in tiers:
        most = max(most, _dearest(rates, size, min(input_tokens, tier.above_tokens), output_tokens))
        if input_tokens <= tier.above_tokens:
            return most
        rates = tier.rates
    return max(most, _dearest(rates, size, input_tokens, output_tokens))


def _dearest(rates: Rates, size: InputSize, input_tokens: int, output_tokens: int) -> int:
    """Nanos with every token of the dearest kind."""
    dearest_input = max(
        rates.input,
        rates.cache_read,
        rates.cache_write,
        rates.cache_write_1h,
        rates.input_audio,
        rates.input_image,
        rates.input_video,
        rates.cache_read_audio,
    )
    dearest_output = max(rates.output, rates.reasoning, rates.output_audio, rates.output_image)
    total = input_tokens * dearest_input + output_tokens * dearest_output + rates.request * PER_MILLION
    if size.characters or size.audio_ms_at_most or size.images or size.searches_at_most:
        return _with_units(total, rates, size.characters, size.audio_ms_at_most, size.images, size.searches_at_most)
    return divided_up(total, PER_MILLION)


def _tariffs(price: Price, word: str) -> tuple[_Tariff, ...]:
    """The rates that may hold at a tier of service: its own, or all that are known where it has none of its own."""
    tier = tier_named(word)
    if not tier:
        return ((price.rates, price.tiers),)
    for service in price.services:
        if service.name == tier:
            return ((service.rates, service.tiers),)
    if tier in PREPAID:
        return ((price.rates, price.tiers),)
    return ((price.rates, price.tiers), *((service.rates, service.tiers) for service in price.services))


def _is_stated(price: Price, tier: str) -> bool:
    return any(service.name == tier for service in price.services)


def _is_known(price: Price, tier: str) -> bool:
    return not tier or tier in PREPAID or _is_stated(price, tier)


def missing_price(target: Target, incoming: Incoming) -> str:
    """What is missing for a call's price at a target ("": nothing)."""
    if incoming.operation in FREE:
        return ""
    if target.price is None:
        return target.unpriced or "no price is known for it"
    if isinstance(incoming, RelayedIncoming) and incoming.unbounded:
        return incoming.unbounded
    return unpriced(target.price, incoming.size, incoming.service_tier, searches=incoming.operation is Operation.CHAT)


def unpriced(price: Price, size: InputSize, tier: str | None, *, searches: bool = True) -> str:
    """What of a call this price does not tell ("": nothing), in words that a caller may read. `searches`: whether those that
    it does are paid beside its tokens."""
    if tier and (asked := tier_named(tier)) != AUTO_TIER and not _is_known(price, asked):
        return f"its service tier {asked!r} has no known price"
    if searches and size.searches_at_most and price.rates.search is None:
        return "the fee for its provider's searches is not known"
    if size.charged_apart:
        return f"what the provider charges for its tool {size.charged_apart} is not known"
    return ""


def version_charged(price: Price, tier: str) -> str:
    """The price's version, and after `#` the tier of service whose rates a usage of this tier costs where it is not the standard
    one: `genai-prices/0.2.3:openai/gpt-5#flex`, `…#dearest` where the tier has no known price."""
    if not tier:
        return price.version
    name = tier_named(tier)
    if not name or name == AUTO_TIER or (name in PREPAID and not _is_stated(price, name)):
        return price.version
    return f"{price.version}#{name if _is_stated(price, name) else DEAREST}"
