"""What a model costs, compiled to integers: nanos per million tokens, and per unit of what is not counted in tokens."""

from __future__ import annotations

import msgspec

PER_MILLION = 1_000_000
MS_PER_HOUR = 3_600_000

UNSTATED = -1
"""A rate that a price does not state: it is replaced by that of the kind it belongs to."""


class Rates(msgspec.Struct, frozen=True, gc=False):
    """Nanos per million tokens of each kind, per million characters, per hour of audio, and per request, image and search.

    A kind of tokens without a rate of its own costs what `input` or `output` does, cached audio what audio does. `search` is the
    fee of one search that a model's provider does for it; None: it is not known, so a call that may search has no price.
    """

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    reasoning: int
    input_audio: int
    output_audio: int
    request: int = 0
    input_image: int = UNSTATED
    output_image: int = UNSTATED
    input_video: int = UNSTATED
    cache_read_audio: int = UNSTATED
    characters: int = 0
    """Per million characters to speak."""
    audio_hour: int = 0
    """An hour to hear, of which milliseconds are charged."""
    image: int = 0
    """Each image made."""
    search: int | None = 0

    def __post_init__(self) -> None:
        for name, of in _BELONGS:
            if getattr(self, name) == UNSTATED:
                msgspec.structs.force_setattr(self, name, getattr(self, of))


_BELONGS = (
    ("input_image", "input"),
    ("output_image", "output"),
    ("input_video", "input"),
    ("cache_read_audio", "input_audio"),
)


class ContextTier(msgspec.Struct, frozen=True):
    """Rates of a whole call whose input is larger than `above_tokens`."""

    above_tokens: int
    rates: Rates


class ServiceTier(msgspec.Struct, frozen=True):
    """The rates of calls that are served at another tier than the standard one (`batch`, `flex`, `priority`, …)."""

    name: str
    rates: Rates
    tiers: tuple[ContextTier, ...] = ()


class Price(msgspec.Struct, frozen=True):
    """The price of one model at one provider. `version` names it in the record; `tiers` are sorted, smallest first.

    `rates` and `tiers` hold at the standard tier of service, `services` has the others that a price is known for.
    """

    version: str
    rates: Rates
    tiers: tuple[ContextTier, ...] = ()
    services: tuple[ServiceTier, ...] = ()
    least_output: int = 0
    """Less than this no token of text costs that it puts out, whatever tier it is charged at. Told by the others."""

    def __post_init__(self) -> None:
        of_services = (rates for service in self.services for rates in (service.rates, *_of_tiers(service.tiers)))
        every = (self.rates, *_of_tiers(self.tiers), *of_services)
        msgspec.structs.force_setattr(self, "least_output", min(min(rates.output, rates.reasoning) for rates in every))


def _of_tiers(tiers: tuple[ContextTier, ...]) -> tuple[Rates, ...]:
    return tuple(tier.rates for tier in tiers)
