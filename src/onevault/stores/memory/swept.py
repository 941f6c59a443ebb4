"""A mapping that forgets what is idle as it grows, a little at a time, so that no sweep ever stops the loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

ENTRIES_LOOKED_AT: Final = 2
"""Per new entry: two leave faster than one comes, so what is kept stays near what is in use."""


class Swept(Generic[K, V]):
    """Entries by key. Adding one looks at the two that were looked at longest ago and drops those that `is_idle`."""

    __slots__ = ("_entries", "_is_idle", "_turn", "get")

    def __init__(self, is_idle: Callable[[V, int], bool]) -> None:
        """`is_idle(entry, now_ns)`: nothing would be lost if the entry were made anew."""
        self._entries: dict[K, V] = {}
        self._turn: deque[K] = deque()
        self._is_idle = is_idle
        self.get = self._entries.get

    def add(self, key: K, entry: V, now_ns: int) -> V:
        """Keeps a new entry, which is returned."""
        for _ in range(min(ENTRIES_LOOKED_AT, len(self._turn))):
            looked_at = self._turn.popleft()
            if self._is_idle(self._entries[looked_at], now_ns):
                del self._entries[looked_at]
            else:
                self._turn.append(looked_at)
        self._entries[key] = entry
        self._turn.append(key)
        return entry

    def __len__(self) -> int:
        return len(self._entries)
