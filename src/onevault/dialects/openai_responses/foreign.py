"""Leaves out of a conversation that passes the reasoning that its provider could not know again."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from onevault.dialects.openai_responses.body import ItemIn
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES
from onevault.dialects.wire.json_body import fields_of
from onevault.dialects.wire.signatures import is_anothers

_MADE_HERE = re.compile(r"rs_.+_[0-9]+")
"""The ids that the writer of this dialect gives to reasoning of others. OpenAI's own have no second underscore."""

_RAWS = msgspec.json.Decoder(list[Raw]).decode


def input_without_foreign(items: str | Sequence[ItemIn] | None, body: bytes) -> Raw | None:
    """The request's `input`, or None where it may stay as it came."""
    if items is None or isinstance(items, str):
        return None
    foreign = {i for i, item in enumerate(items) if item.type == "reasoning" and _is_foreign(item)}
    if not foreign:
        return None
    raws = _RAWS(fields_of(body)["input"])
    return Raw(msgspec.json.encode([raw for i, raw in enumerate(raws) if i not in foreign]))


def _is_foreign(item: ItemIn) -> bool:
    """Reasoning that another provider encrypted, or none did: under an id that it did not give, OpenAI finds no item (404)."""
    if item.encrypted_content:
        return is_anothers(item.encrypted_content, OPENAI_RESPONSES)
    return item.id is not None and _MADE_HERE.fullmatch(item.id) is not None
