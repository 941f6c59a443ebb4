"""Writes canonical requests for embeddings as OpenAI has them."""

from __future__ import annotations

import msgspec

from onevault.core.codec import WireRequest
from onevault.core.embeddings import EmbeddingsRequest
from onevault.dialects.openai.embeddings import EMBEDDINGS_PATH, INPUTS_MAX
from onevault.dialects.wire.json_body import unsupported


def encode_embeddings(request: EmbeddingsRequest) -> WireRequest:
    """What the vectors are for is no matter to OpenAI's models: dropped by name. Raises Fault UNSUPPORTED_PARAMETER."""
    if len(request.inputs) > INPUTS_MAX:
        raise unsupported("input", f"may have {INPUTS_MAX} entries at most at the provider that was chosen")
    dropped = dict.fromkeys(request.hints)
    for name in ("purpose", "title"):
        if getattr(request, name) is not None:
            dropped[name] = None
    body: dict[str, object] = {"model": request.model, "input": request.inputs, "encoding_format": "float"}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.user is not None:
        body["user"] = request.user
    return WireRequest(EMBEDDINGS_PATH, msgspec.json.encode(body), dropped=tuple(dropped))
