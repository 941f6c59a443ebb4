"""The list of models as the Gemini API writes it.

Written from ai.google.dev/api/models.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from onevault.simulator.faults import invalid
from onevault.simulator.gemini_format import GEMINI, JSON_UTF8, with_api_key
from onevault.simulator.reply import Reply
from onevault.simulator.settings import DEFAULT_MODELS
from onevault.simulator.turn import Route, Turn

_PAGE_MODELS: Final = 50
_PAGE_MODELS_MAX: Final = 1000


@with_api_key
def serve_list(turn: Turn) -> Reply:
    """In pages of `pageSize`; `nextPageToken` is the place at which the next one starts."""
    turn.enter("", known=True)
    names = list(turn.state.settings.models or DEFAULT_MODELS)
    asked = {name: values[-1] for name, values in parse_qs(turn.request.query).items()}
    size, start = asked.get("pageSize", str(_PAGE_MODELS)), asked.get("pageToken", "0")
    if not size.isdecimal():
        raise invalid("Invalid value at 'page_size' (TYPE_INT32)")
    if not start.isdecimal() or int(start) > len(names):
        raise invalid("* ListModelsRequest.page_token: invalid page token\n")
    end = int(start) + max(1, min(int(size), _PAGE_MODELS_MAX))
    listed: dict[str, Any] = {"models": [_model(name) for name in names[int(start) : end]]}
    if end < len(names):
        listed["nextPageToken"] = str(end)
    return Reply(200, msgspec.json.encode(listed), content_type=JSON_UTF8)


@with_api_key
def serve_one(turn: Turn) -> Reply:
    turn.enter("", known=True)
    turn.check_model(turn.parts["model"])
    return Reply(200, msgspec.json.encode(_model(turn.parts["model"])), content_type=JSON_UTF8)


def _model(name: str) -> dict[str, Any]:
    embeds = "embedding" in name
    methods = ["embedContent", "countTokens"] if embeds else ["generateContent", "countTokens", "createCachedContent"]
    model: dict[str, Any] = {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "description": "A model of the simulator.",
        "inputTokenLimit": 2048 if embeds else 1_048_576,
        "outputTokenLimit": 1 if embeds else 65_536,
        "supportedGenerationMethods": methods,
    }
    return (
        model
        if embeds
        else {**model, "temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2, "thinking": True}
    )


ROUTES: Final = (
    Route("GET", "/v1beta/models", serve_list, GEMINI),
    Route("GET", "/v1beta/models/{model}", serve_one, GEMINI),
)
