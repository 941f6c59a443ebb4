"""Estimates what was generated when no provider says it, so that a call that broke off is still paid for."""

from __future__ import annotations

_BYTES_PER_TOKEN = 4
"""About what tokenizers make of English text; of other text they make more."""


BYTES_PER_TOKEN_MAX = 128
"""The longest token of any tokenizer whose vocabulary is public (o200k_base, cl100k_base, Llama 3): 128 spaces."""


def output_tokens_estimated(output_bytes: int) -> int:
    """How many tokens generated text of so many UTF-8 bytes probably was, for a bill when no usage came."""
    return -(-output_bytes // _BYTES_PER_TOKEN)


def output_tokens_at_least(output_bytes: int) -> int:
    """How many tokens generated text of so many UTF-8 bytes was at the very least."""
    return -(-output_bytes // BYTES_PER_TOKEN_MAX)
