"""Azure OpenAI: OpenAI's operations under the name of a deployment, with what the content filter found; and under `/openai/v1`.

Written from learn.microsoft.com/azure/ai-foundry/openai/reference and /concepts/content-filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from onevault.simulator import (
    completions,
    images,
    models,
    openai_chat,
    openai_embeddings,
    responses,
    speech,
    transcriptions,
)
from onevault.simulator.azure_format import AZURE, AZURE_V1, NO_RESOURCE, filter_results
from onevault.simulator.faults import Refused
from onevault.simulator.reply import Reply
from onevault.simulator.turn import Handler, Route, Turn

_PROMPT: Final = [{"prompt_index": 0, "content_filter_results": filter_results(prompt=True)}]
_DATA: Final = b"data: "
_encode: Final = msgspec.json.encode


def _deployed(handler: Handler) -> Handler:
    """The handler for a deployment: it is the model, whatever the body names, and the version must be there."""

    def serve(turn: Turn) -> Reply:
        if not parse_qs(turn.request.query).get("api-version"):
            raise Refused(NO_RESOURCE)
        turn.request.body = _for(turn.parts.get("model"), turn.request.body)
        return handler(turn)

    return serve


def _for(deployment: str | None, body: bytes) -> bytes:
    """A JSON object with the deployment as its model; any other body as it is, for the handler to judge."""
    if deployment is None or not body.lstrip().startswith(b"{"):
        return body
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    return _encode({**fields, "model": deployment}) if isinstance(fields, dict) else body


def _chat(turn: Turn) -> Reply:
    reply = openai_chat.serve(turn)
    if reply.events is not None:
        return replace(reply, events=_judged(reply.events))
    whole = msgspec.json.decode(reply.body)
    whole["choices"] = [_with_results(choice) for choice in whole["choices"]]
    return replace(reply, body=_encode({**whole, "prompt_filter_results": _PROMPT}))


def _with_results(choice: dict[str, Any]) -> dict[str, Any]:
    filtered = choice["finish_reason"] == "content_filter"
    return {**choice, "content_filter_results": filter_results(prompt=False, filtered=filtered)}


def _judged(events: Iterator[bytes]) -> Iterator[bytes]:
    """First what was found in the prompt, in a chunk that is otherwise empty; text comes with what was found in it."""
    opening: dict[str, Any] = {"choices": [], "created": 0, "id": "", "model": "", "object": ""}
    yield _DATA + _encode({**opening, "prompt_filter_results": _PROMPT}) + b"\n\n"
    for event in events:
        if not event.startswith(b"data: {"):
            yield event
            continue
        chunk = msgspec.json.decode(event[len(_DATA) :])
        for choice in chunk["choices"]:
            filtered = choice["finish_reason"] == "content_filter"
            said = choice["delta"].get("content") or filtered
            choice["content_filter_results"] = filter_results(prompt=False, filtered=filtered) if said else {}
        yield _DATA + _encode(chunk) + b"\n\n"


_DEPLOYED: Final[tuple[tuple[str, Handler], ...]] = (
    ("chat/completions", _chat),
    ("completions", completions.serve),
    ("embeddings", openai_embeddings.serve),
    ("responses", responses.serve),
    ("images/generations", images.generate),
    ("images/edits", images.edit),
    ("audio/speech", speech.serve),
    ("audio/transcriptions", transcriptions.serve),
)
_AS_OPENAI: Final = (
    *openai_chat.ROUTES,
    *completions.ROUTES,
    *openai_embeddings.ROUTES,
    *responses.ROUTES,
    *images.ROUTES,
    *speech.ROUTES,
    *transcriptions.ROUTES,
    *models.ROUTES,
)

ROUTES: Final = (
    *(Route("POST", f"/openai/deployments/{{model}}/{path}", _deployed(handler), AZURE) for path, handler in _DEPLOYED),
    Route("POST", "/openai/responses", _deployed(responses.serve), AZURE),
    Route("GET", "/openai/responses/{id}", _deployed(responses.retrieve), AZURE),
    *(replace(route, path=f"/openai{route.path}", format=AZURE_V1) for route in _AS_OPENAI),
)
