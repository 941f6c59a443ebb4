"""The lists of models, as each provider writes them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from onevault.simulator import gemini_models
from onevault.simulator.anthropic_format import ANTHROPIC
from onevault.simulator.faults import invalid
from onevault.simulator.gemini_format import GEMINI
from onevault.simulator.openai_format import OPENAI
from onevault.simulator.reply import Reply
from onevault.simulator.settings import DEFAULT_MODELS
from onevault.simulator.turn import Route, Turn

_CREATED_S = 1_735_689_600
_CREATED = "2025-01-01T00:00:00Z"


def serve_list(turn: Turn) -> Reply:
    """Anthropic's list has pages: `limit`, `after_id` and `before_id`."""
    if turn.format is GEMINI:
        return gemini_models.serve_list(turn)
    turn.enter("", known=True)
    names = list(turn.state.settings.models or DEFAULT_MODELS)
    if turn.format is not ANTHROPIC:
        data = [_openai(name) for name in names]
        return Reply(200, msgspec.json.encode({"object": "list", "data": data}))
    asked = {name: values[-1] for name, values in parse_qs(turn.request.query).items()}
    if asked.get("after_id") in names:
        names = names[names.index(asked["after_id"]) + 1 :]
    if asked.get("before_id") in names:
        names = names[: names.index(asked["before_id"])]
    limit = asked.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit) <= 1000:
        raise invalid("limit: Input should be between 1 and 1000")
    page = names[: int(limit)]
    listed = {
        "data": [_anthropic(name) for name in page],
        "has_more": len(page) < len(names),
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }
    return Reply(200, msgspec.json.encode(listed))


def serve_one(turn: Turn) -> Reply:
    if turn.format is GEMINI:
        return gemini_models.serve_one(turn)
    name = turn.parts["model"]
    turn.enter("", known=True)
    turn.check_model(name)
    return Reply(200, msgspec.json.encode(_anthropic(name) if turn.format is ANTHROPIC else _openai(name)))


def _openai(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED_S, "owned_by": "simulator"}


def _anthropic(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": _CREATED,
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "capabilities": None,
    }


ROUTES: Final = (
    Route("GET", "/v1/models", serve_list, OPENAI),
    Route("GET", "/v1/models/{model*}", serve_one, OPENAI),
)
