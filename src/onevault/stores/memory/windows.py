"""What one scope has used, window by window: the figures that the ledger in memory keeps."""

from __future__ import annotations

from typing import Final

TOTAL: Final = ""
"""The label of the window that never ends."""
_DAYS_KEPT: Final = 3
"""A clock or an organization's time zone can move back by up to two days (from UTC+14 to UTC-11)."""
_MONTHS_KEPT: Final = 2
_DAY_LABEL_LENGTH: Final = len("2026-11-21")


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
    """Begins a window, and forgets the one of its kind that was begun first and that nothing is held in.

    Not the one with the oldest label: after a clock that ran ahead has been put right, the labels to forget are the newest.
    """
    length = len(label)
    kept = _DAYS_KEPT if length == _DAY_LABEL_LENGTH else _MONTHS_KEPT
    alike = [other for other in windows if len(other) == length]
    for old in alike[: max(0, len(alike) + 1 - kept)]:
        if not windows[old].held and not windows[old].tokens_held:
            del windows[old]
    added = windows[label] = WindowUsage(label)
    return added
