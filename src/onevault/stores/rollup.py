"""What the journal and the vault tell each other: how far has been loaded, and what each scope has used up to there."""

from __future__ import annotations

import msgspec

from onevault.core.identity import ScopeId, Window


class JournalPosition(msgspec.Struct, frozen=True, order=True):
    """Everything before `offset` in the segment named `segment`, and every segment whose name sorts before it, is loaded."""

    segment: str = ""
    offset: int = 0


class ScopeUsage(msgspec.Struct, frozen=True):
    """What one scope settled in one window; `label` is `2026-11-21`, `2026-11`, or "" for the total. Money in nanos."""

    scope: ScopeId
    window: Window
    label: str
    money: int
    tokens: int
    requests: int
    overshoot: int
