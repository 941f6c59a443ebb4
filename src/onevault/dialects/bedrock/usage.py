"""Reads token counts as Converse reports them: there, input leaves out what was read from and written to the cache.

The recorded totals show it: `totalTokens` is input, cache reads, cache writes and output added up.
"""

from __future__ import annotations

import msgspec

from onevault.core.usage import Usage, tier_named


class CacheDetail(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """How much was written to be kept for `ttl` (`5m`, `1h`)."""

    ttl: str = ""
    input_tokens: int | None = None


class ConverseUsage(msgspec.Struct, frozen=True, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[CacheDetail] | None = None


class ServiceTier(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    type: str | None = None


def usage_of(wire: ConverseUsage, tier: str | None) -> Usage:
    """In the convention here: input includes cache reads and writes. `tier` as the provider names what it served at."""
    read = max(wire.cache_read_input_tokens or 0, 0)
    long = short = 0
    for detail in wire.cache_details or ():
        if detail.ttl == "1h":
            long += max(detail.input_tokens or 0, 0)
        else:
            short += max(detail.input_tokens or 0, 0)
    written = max(wire.cache_write_input_tokens or 0, long + short)
    return Usage(
        input_tokens=max(wire.input_tokens or 0, 0) + read + written,
        output_tokens=max(wire.output_tokens or 0, 0),
        cache_read_tokens=read,
        cache_write_tokens=written - long,
        cache_write_1h_tokens=long,
        tier=tier_named(tier),
    )
