"""The lists of models, as each provider writes them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec

from onevault.simulator.faults import Dialect, invalid
from onevault.simulator.reply import Reply
from onevault.simulator.settings import DEFAULT_MODELS, Settings

_CREATED_S = 1_735_689_600
_CREATED = "2025-01-01T00:00:00Z"


def list_reply(settings: Settings, dialect: Dialect, query: str) -> Reply:
    """Anthropic's list has pages: `limit`, `after_id` and `before_id`."""
    names = list(settings.models or DEFAULT_MODELS)
    if dialect == "openai":
        data = [_openai(name) for name in names]
        return Reply(200, msgspec.json.encode({"object": "list", "data": data}))
    asked = {name: values[-1] for name, values in parse_qs(query).items()}
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


def model_reply(settings: Settings, dialect: Dialect, name: str) -> Reply:
    """Raises Refused for a model that is not among the settings' own."""
    check(settings, dialect, name)
    return Reply(200, msgspec.json.encode(_openai(name) if dialect == "openai" else _anthropic(name)))


def check(settings: Settings, dialect: Dialect, name: str) -> None:
    """Raises Refused in the dialect's words when the settings name models and this is none of them."""
    if not settings.models or name in settings.models:
        return
    if dialect == "anthropic":
        raise invalid(f"model: {name}", status=404)
    message = f"The model `{name}` does not exist or you do not have access to it."
    raise invalid(message, code="model_not_found", status=404)


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
