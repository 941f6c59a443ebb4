"""Answers a count_tokens request where no target can count."""

from __future__ import annotations

import msgspec

from onevault.core.codec import Incoming


def counted_locally(incoming: Incoming) -> bytes:
    """`{"input_tokens": n}` with the estimate that `read` made: near, but no tokenizer was asked."""
    return msgspec.json.encode({"input_tokens": incoming.size.tokens_estimated})
