"""The canonical form of a request for embeddings."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Purpose(StrEnum):
    """What the vectors are for, where a provider makes different ones."""

    QUERY = "query"
    DOCUMENT = "document"
    SIMILARITY = "similarity"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"
    CODE_QUERY = "code_query"
    QUESTION = "question"
    FACT_CHECK = "fact_check"


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts (or lists of a tokenizer's numbers) of which vectors are wanted, one each. `hints` are the names of fields that
    only tune and that the canonical form does not carry."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    purpose: Purpose | None = None
    title: str | None = None
    user: str | None = None
    hints: tuple[str, ...] = ()
