"""Counts the searches that an answer says were done for it; a stream says them again with each piece."""

from __future__ import annotations

from collections.abc import Iterable

QUERIES_KEPT_MAX = 1_000


class SearchCounter:
    """Each query counts once."""

    __slots__ = ("_queries",)

    def __init__(self) -> None:
        self._queries: set[str] = set()

    @property
    def count(self) -> int:
        return len(self._queries)

    def add(self, queries: Iterable[str]) -> bool:
        """Whether there were new ones."""
        before = len(self._queries)
        for query in queries:
            if len(self._queries) < QUERIES_KEPT_MAX:
                self._queries.add(query)
        return len(self._queries) > before
