"""Writes canonical requests for embeddings as requests to Ollama's `/api/embed`.

Source: Ollama's documentation, "API: Generate embeddings".
"""

from __future__ import annotations

import msgspec

from onevault.core.codec import WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.dialects.wire.json_body import unsupported

EMBED_PATH = "/api/embed"


def encode_embed(request: EmbeddingsRequest) -> WireRequest:
    """Raises Fault UNSUPPORTED_PARAMETER for inputs that are not text."""
    for index, given in enumerate(request.inputs):
        if not isinstance(given, str):
            raise unsupported(f"input[{index}]", "must be text at the provider that was chosen")
    dropped = dict.fromkeys(request.hints)
    for name in ("title", "user", "purpose"):
        if getattr(request, name) is not None:
            dropped[name] = None
    body: dict[str, object] = {"model": request.model, "input": request.inputs, "truncate": False}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return WireRequest(EMBED_PATH, msgspec.json.encode(body), dropped=tuple(dropped))
