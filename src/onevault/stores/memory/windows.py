"""What one scope has used, window by window: the figures that the ledger in memory keeps."""

from __future__ import annotations

from typing import Final

from onevault.stores.memory.labels import far_from

TOTAL: Final = ""
"""The label of the window that never ends."""


class WindowUsage:
    """Money in nanos. What is held is not in `money` and `tokens`; a limit counts both."""

    __slots__ = ("held", "label", "money", "overshoot", "requests", "tokens", "tokens_held")

    def __init__(self, label: str) -> None:
        self.label = label
        self.money = 0
        self.held = 0
        self.tokens = 0
        self.tokens_held = 0
        self.requests = 0
        self.overshoot = 0

    def clear(self) -> None:
        """Nothing spent; what calls in flight hold stays held."""
        self.money = self.tokens = self.requests = 0


WindowsOfScope = dict[str, WindowUsage]
"""By label: `2026-11-21`, `2026-11`, TOTAL."""


def open_window(windows: WindowsOfScope, label: str) -> WindowUsage:
    """Begins a window, and forgets those far from it that nothing is held in."""
    for far in far_from(label, windows):
        if not windows[far].held and not windows[far].tokens_held:
            del windows[far]
    begun = windows[label] = WindowUsage(label)
    return begun
