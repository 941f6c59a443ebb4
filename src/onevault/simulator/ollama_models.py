"""What else Ollama answers: embeddings, the models that are there, and its version.

Written from github.com/ollama/ollama, docs/api.md.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onevault.simulator.ollama_format import OLLAMA, read
from onevault.simulator.openai_embeddings import embed
from onevault.simulator.reply import Reply
from onevault.simulator.settings import DEFAULT_MODELS
from onevault.simulator.tokens import tokens_of
from onevault.simulator.turn import Route, Turn

_VERSION: Final = "0.12.6"
_TOKEN_NS: Final = 1_000_000
_DETAILS: Final = {
    "parent_model": "",
    "format": "gguf",
    "family": "simulated",
    "families": ["simulated"],
    "parameter_size": "3.2B",
    "quantization_level": "Q4_K_M",
}
_encode: Final = msgspec.json.encode


class EmbedRequest(msgspec.Struct):
    model: str
    input: str | list[str] = ""
    dimensions: int | None = None
    truncate: bool | None = None


_decoder: Final = msgspec.json.Decoder(EmbedRequest)


def serve_embed(turn: Turn) -> Reply:
    request = read(_decoder, turn.request.body)
    texts = [request.input] if isinstance(request.input, str) else request.input
    turn.enter(request.model, text=texts[-1] if texts else "")
    settings = turn.state.settings
    size = settings.embedding_dimensions
    if request.dimensions is not None and request.dimensions > 0:
        size = min(size, request.dimensions)
    tokens = sum(map(tokens_of, texts))
    turn.state.log.stats.input_tokens += tokens
    answer: dict[str, Any] = {
        "model": request.model,
        "embeddings": [
            embed(text.lower().split() or [text], seed=settings.seed, dimensions=size) for text in texts if text
        ],
    }
    if not turn.behaviour.no_usage:
        answer |= {"total_duration": tokens * _TOKEN_NS, "load_duration": _TOKEN_NS, "prompt_eval_count": tokens}
    return Reply(200, _encode(answer))


def serve_tags(turn: Turn) -> Reply:
    turn.enter("", known=True)
    names = turn.state.settings.models or DEFAULT_MODELS
    return Reply(200, _encode({"models": [_tag(turn, name) for name in names]}))


def _tag(turn: Turn, name: str) -> dict[str, Any]:
    digest = turn.state.ring.digest(name.encode())
    return {
        "name": name,
        "model": name,
        "modified_at": "2025-06-15T12:00:00Z",
        "size": 2_019_393_189,
        "digest": digest * 2,
        "details": _DETAILS,
    }


def serve_version(turn: Turn) -> Reply:
    turn.enter("", known=True)
    return Reply(200, _encode({"version": _VERSION}))


ROUTES: Final = (
    Route("POST", "/api/embed", serve_embed, OLLAMA),
    Route("GET", "/api/tags", serve_tags, OLLAMA),
    Route("GET", "/api/version", serve_version, OLLAMA),
)
