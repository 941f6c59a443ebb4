"""OpenAI's embeddings: vectors made of hashed words, so that texts that share words lie near each other.

Written from platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from array import array
from typing import Any, Final

import msgspec

from onevault.simulator.faults import invalid
from onevault.simulator.openai_format import OPENAI
from onevault.simulator.openai_requests import EmbeddingsRequest, read_embeddings
from onevault.simulator.reply import Reply
from onevault.simulator.tokens import tokens_of
from onevault.simulator.turn import Route, Turn

_PLACES_PER_WORD: Final = 8
_WORD: Final = struct.Struct(f"<{_PLACES_PER_WORD}I")


def serve(turn: Turn) -> Reply:
    request = read_embeddings(turn.request.body)
    last = request.input if isinstance(request.input, str) else request.input[-1]
    turn.enter(request.model, text=last if isinstance(last, str) else "")
    return reply_to(request, turn.state.settings.seed, turn.state.settings.embedding_dimensions)


def reply_to(request: EmbeddingsRequest, seed: int, dimensions: int) -> Reply:
    size = request.dimensions or dimensions
    if size > 16 * dimensions:
        raise invalid(f"Invalid 'dimensions': this model has at most {dimensions}.", param="dimensions")
    data: list[dict[str, Any]] = []
    tokens = 0
    for index, (words, count) in enumerate(_inputs(request)):
        tokens += count
        vector = embed(words, seed=seed, dimensions=size)
        coded: str | list[float] = vector
        if request.encoding_format == "base64":
            coded = base64.b64encode(array("f", vector).tobytes()).decode()
        data.append({"object": "embedding", "index": index, "embedding": coded})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply(200, msgspec.json.encode({"object": "list", "data": data, "model": request.model, "usage": usage}))


def _inputs(request: EmbeddingsRequest) -> list[tuple[list[str], int]]:
    """Each input as its words and its number of tokens; a list of integers is one input."""
    given = request.input
    if isinstance(given, str):
        given = [given]
    elif isinstance(given[0], int):
        given = [[token for token in given if isinstance(token, int)]]
    inputs = []
    for index, one in enumerate(given):
        if isinstance(one, int) or not one:
            message = f"Invalid 'input[{index}]': expected a string or an array of tokens that is not empty."
            raise invalid(message, param=f"input[{index}]", code="invalid_type")
        if isinstance(one, str):
            inputs.append((one.lower().split() or [one], tokens_of(one)))
        else:
            inputs.append(([f"#{token}" for token in one], len(one)))
    return inputs


def embed(words: list[str], *, seed: int, dimensions: int) -> list[float]:
    """A vector of length one."""
    key = str(seed).encode()[:64]
    vector = [0.0] * dimensions
    for word in words:
        for place in _WORD.unpack(hashlib.blake2b(word.encode(), digest_size=_WORD.size, key=key).digest()):
            vector[(place >> 1) % dimensions] += 1.0 if place & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector if value))
    if length == 0.0:
        vector[0] = length = 1.0
    return [value / length if value else 0.0 for value in vector]


ROUTES: Final = (Route("POST", "/v1/embeddings", serve, OPENAI),)
