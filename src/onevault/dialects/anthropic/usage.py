"""Reads and writes token counts as Anthropic reports them: there, input leaves out what was read from and written to the cache."""

from __future__ import annotations

import msgspec

from onevault.core.usage import Usage, tier_served


class CacheCreation(msgspec.Struct, frozen=True, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct, frozen=True, gc=False):
    thinking_tokens: int | None = None


class ServerTools(msgspec.Struct, frozen=True, gc=False):
    web_search_requests: int | None = None


class AnthropicUsage(msgspec.Struct, frozen=True):
    """The `usage` object of a message, of `message_start` and of `message_delta`; the last has only what changed."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    service_tier: str | None = None
    server_tool_use: ServerTools | None = None
    speed: str | None = None
    inference_geo: str | None = None


def updated(earlier: AnthropicUsage | None, later: AnthropicUsage) -> AnthropicUsage:
    """Counts are cumulative: what the later report names replaces what the earlier one said."""
    if earlier is None:
        return later
    return AnthropicUsage(
        **{
            name: getattr(earlier, name) if getattr(later, name) is None else getattr(later, name)
            for name in AnthropicUsage.__struct_fields__
        }
    )


def usage_of(wire: AnthropicUsage) -> Usage:
    """In the convention here: input includes cache reads and writes."""
    read = max(wire.cache_read_input_tokens or 0, 0)
    written = max(wire.cache_creation_input_tokens or 0, 0)
    long = 0
    if wire.cache_creation is not None:
        long = max(wire.cache_creation.ephemeral_1h_input_tokens or 0, 0)
        short = max(wire.cache_creation.ephemeral_5m_input_tokens or 0, 0)
        written = max(written, long + short)
    output = max(wire.output_tokens or 0, 0)
    thought = wire.output_tokens_details.thinking_tokens if wire.output_tokens_details is not None else None
    return Usage(
        input_tokens=max(wire.input_tokens or 0, 0) + read + written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written - long,
        cache_write_1h_tokens=long,
        reasoning_tokens=min(max(thought or 0, 0), output),
        searches=max(wire.server_tool_use.web_search_requests or 0, 0) if wire.server_tool_use is not None else 0,
        tier=tier_of(wire.service_tier, wire.speed, wire.inference_geo),
    )


def tier_of(service_tier: str | None, speed: str | None, inference_geo: str | None) -> str:
    """What Anthropic's three fields that change a price come to, as one service tier: `batch`, `fast`, `us`, `batch+us`; "" for
    the standard. Asked for or reported, `auto` is standard, as the priority that it may mean costs no more."""
    tier = tier_served(service_tier)
    if speed == "fast":
        tier = f"{tier}+fast" if tier else "fast"
    if inference_geo == "us":
        tier = f"{tier}+us" if tier else "us"
    return tier


def usage_written(usage: Usage) -> dict[str, object]:
    """The `usage` object for a caller."""
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    fields: dict[str, object] = {
        "input_tokens": max(usage.input_tokens - usage.cache_read_tokens - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return fields
