"""The names of the engines of SQL, as their connections know them."""

from __future__ import annotations

from typing import Final

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
