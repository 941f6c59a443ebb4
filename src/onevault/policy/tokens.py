"""Estimates what was generated when no provider says it, so that a call that broke off is still paid for."""

from __future__ import annotations

_BYTES_PER_TOKEN = 4
"""About what tokenizers make of English text; of other text they make more."""


def output_tokens_estimated(output_bytes: int) -> int:
    """How many tokens generated text of so many UTF-8 bytes probably was, for a bill when no usage came."""
    return -(-output_bytes // _BYTES_PER_TOKEN)
