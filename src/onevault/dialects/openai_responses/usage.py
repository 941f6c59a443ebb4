"""Reads and writes token counts as the responses dialect reports them."""

from __future__ import annotations

from typing import Any

import msgspec

from onevault.core.usage import Usage
from onevault.dialects.openai.usage import InputDetails, OpenAIUsage, OutputDetails, usage_of


class ResponsesUsage(msgspec.Struct, frozen=True, gc=False):
    """The `usage` object."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class SearchUsage(msgspec.Struct, frozen=True, gc=False):
    num_requests: int | None = None


class ToolUsage(msgspec.Struct, frozen=True, gc=False):
    """What the provider's own tools did, where it says so."""

    web_search: SearchUsage | None = None


def usage_reported(wire: ResponsesUsage, *, tier: str | None, searches: int) -> Usage:
    """In the gateway's convention, which is OpenAI's; with the tier that served and the searches that are billed."""
    counted = usage_of(
        OpenAIUsage(
            prompt_tokens=wire.input_tokens,
            completion_tokens=wire.output_tokens,
            total_tokens=wire.total_tokens,
            prompt_tokens_details=wire.input_tokens_details,
            completion_tokens_details=wire.output_tokens_details,
        ),
        tier,
    )
    return msgspec.structs.replace(counted, searches=searches) if searches > 0 else counted


def is_search(kind: str, action: Any) -> bool:
    """Whether an item is a search that is billed: opening a page is none."""
    return kind == "web_search_call" and (not isinstance(action, dict) or action.get("type", "search") == "search")


def responses_usage(usage: Usage) -> dict[str, object]:
    """The `usage` object for a caller."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
