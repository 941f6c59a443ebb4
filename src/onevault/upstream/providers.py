"""The kinds of provider, as the rooms that reach them ask for them; the rows are in `config/providers/`."""

from __future__ import annotations

from onevault.config.kinds import KINDS
from onevault.config.provider_kind import ProviderKind

__all__ = ["KINDS", "ProviderKind"]
