"""Vertex AI's routes: the operations of the Gemini API below a project and a location, with an access token for a key.

Written from cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models.
"""

from __future__ import annotations

import time
from typing import Final

from onevault.simulator.faults import Refused, fault_for
from onevault.simulator.format import bearer_or
from onevault.simulator.gemini_embeddings import embed_one, predict
from onevault.simulator.gemini_format import VERTEX
from onevault.simulator.gemini_generate import count, generate, stream
from onevault.simulator.reply import Reply
from onevault.simulator.turn import Handler, Route, Turn
from onevault.simulator.vertex_tokens import is_given_out

_PATH: Final = "/projects/{project}/locations/{location}/publishers/google/models/{model}"
_bearer: Final = bearer_or()


def _with_token(handler: Handler) -> Handler:
    """Refuses what does not bring a token that the token endpoint gave out, before the handler sees it."""

    def serve(turn: Turn) -> Reply:
        if not is_given_out(_bearer(turn.request), turn.state.ring, time.time()):
            raise Refused(fault_for("authentication"))
        return handler(turn)

    return serve


_VERBS: Final = {
    "generateContent": generate(vertex=True),
    "streamGenerateContent": stream(vertex=True),
    "countTokens": count(vertex=True),
    "embedContent": embed_one(vertex=True),
    "predict": predict,
}
ROUTES: Final = tuple(
    Route("POST", f"/{version}{_PATH}:{verb}", _with_token(handler), VERTEX)
    for version in ("v1", "v1beta1")
    for verb, handler in _VERBS.items()
)
