"""OpenAI's moderations: a text is flagged for every category that it names.

Written from platform.openai.com/docs/api-reference/moderations.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onevault.simulator.openai_format import OPENAI
from onevault.simulator.openai_reading import empty_array, read
from onevault.simulator.reply import Reply
from onevault.simulator.turn import Route, Turn

_CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
_SEEN_IN_IMAGES: Final = frozenset(
    ("self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic")
)
_FLAGGED: Final = 0.97
_SAFE: Final = 0.0001


class ModerationRequest(msgspec.Struct):
    input: str | list[str | dict[str, Any]]
    model: str = "omni-moderation-latest"


_decoder: Final = msgspec.json.Decoder(ModerationRequest)


def serve(turn: Turn) -> Reply:
    request = read(_decoder, turn.request.body)
    if request.input == []:
        raise empty_array("input")
    subjects = _subjects(request.input)
    turn.enter(request.model, text=subjects[-1][0])
    results = [_result(text, images=images) for text, images in subjects]
    digest = turn.state.ring.digest(turn.request.body)
    return Reply(200, msgspec.json.encode({"id": f"modr-{digest[:24]}", "model": request.model, "results": results}))


def _subjects(given: str | list[str | dict[str, Any]]) -> list[tuple[str, bool]]:
    """What gets a result of its own: each text; parts of a message together. Beside it whether an image is among it."""
    if isinstance(given, str):
        return [(given, False)]
    texts = [one for one in given if isinstance(one, str)]
    if len(texts) == len(given):
        return [(text, False) for text in texts]
    parts = [part for part in given if isinstance(part, dict)]
    words = [str(part.get("text", "")) for part in parts if part.get("type") == "text"]
    return [("\n".join(words), any(part.get("type") == "image_url" for part in parts))]


def _result(text: str, *, images: bool) -> dict[str, Any]:
    lowered = text.lower()
    flags = {name: name in lowered for name in _CATEGORIES}
    applied = {name: ["text"] + ["image"] * (images and name in _SEEN_IN_IMAGES) for name in _CATEGORIES}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": {name: _FLAGGED if flag else _SAFE for name, flag in flags.items()},
        "category_applied_input_types": applied,
    }


ROUTES: Final = (Route("POST", "/v1/moderations", serve, OPENAI),)
