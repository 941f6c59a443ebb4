"""What is known of Google's models by their names, where the wire format depends on it.

Sources: Gemini API documentation, "Thinking", "Thought signatures", "Function calling", "Embeddings"; Vertex AI, "Text embeddings".
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class ModelFacts(NamedTuple):
    """How a model that generates is told what.

    `thinks_by`: a `level`, a `budget` in tokens (from `budget_min` to `budget_max`), or `none` where it does not think.
    `levels` are those it has, the least first. `thinking_stops`: a budget of 0 switches thinking off. `shows_results`: a
    function's response may have images and files in it. `wants_signatures`: a turn's first function call must be signed.
    `validates_calls`: it knows the mode in which calls keep to their schemas. `penalizes`: it takes penalties other than 0, which
    models since Gemini 2.5 answer with "Penalty is not enabled for this model".
    """

    thinks_by: Literal["level", "budget", "none"]
    levels: tuple[str, ...] = ()
    budget_min: int = 0
    budget_max: int = 0
    thinking_stops: bool = False
    shows_results: bool = False
    wants_signatures: bool = False
    validates_calls: bool = True
    penalizes: bool = False


_NEWEST = ModelFacts(
    "level", levels=("minimal", "low", "medium", "high"), budget_max=32_768, shows_results=True, wants_signatures=True
)
_UNTHINKING = ModelFacts("none", validates_calls=False)
_OLD = _UNTHINKING._replace(penalizes=True)
_FACTS = (
    ("gemini-3-pro", _NEWEST._replace(levels=("low", "high"))),
    ("gemini-3.1-pro", _NEWEST._replace(levels=("low", "medium", "high"))),
    ("gemini-2.5-pro", ModelFacts("budget", budget_min=128, budget_max=32_768)),
    ("gemini-2.5-flash-lite", ModelFacts("budget", budget_min=512, budget_max=24_576, thinking_stops=True)),
    ("gemini-2.5-flash-image", _UNTHINKING),
    ("gemini-2.5", ModelFacts("budget", budget_max=24_576, thinking_stops=True)),
    ("gemini-2.0", _OLD),
    ("gemini-1", _OLD),
    ("gemma", _UNTHINKING),
    ("gemini", _NEWEST),
)
_UNKNOWN = ModelFacts("budget", budget_max=24_576, thinking_stops=True, validates_calls=False, penalizes=True)
"""A tuned model's name says nothing. Newer models take a budget, too."""

UNTOLD_PURPOSES = ("gemini-embedding-2",)
"""Embedding models that leave `taskType` and `title` unread."""

ONE_BY_ONE = ("gemini-embedding-001",)
"""Embedding models that Vertex AI takes one text a request of."""

EMBED_CONTENT_ON_VERTEX = ("gemini-embedding-2",)
"""Embedding models that Vertex AI has behind `:embedContent` instead of `:predict`; that takes one text a request, too."""


def facts_of(model: str) -> ModelFacts:
    """By the last part of the name (`publishers/google/models/gemini-2.5-pro`), the first row that it begins with."""
    name = model.rpartition("/")[2].lower()
    return next((facts for beginning, facts in _FACTS if name.startswith(beginning)), _UNKNOWN)


def is_one_of(model: str, beginnings: tuple[str, ...]) -> bool:
    """Whether the last part of the name begins with one of these."""
    return model.rpartition("/")[2].startswith(beginnings)
