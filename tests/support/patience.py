"""How long tests wait for what comes at once on a calm machine."""

from __future__ import annotations

from typing import Final

PATIENCE_S: Final = 90.0
"""A busy machine takes its time, and a wait that ends early finds no fault; what is promised within a time is asserted by itself."""
