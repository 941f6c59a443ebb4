"""Where in the vault a secret belongs: it opens nowhere else."""

from __future__ import annotations

import msgspec


class Place(msgspec.Struct, frozen=True):
    """`gateway.data_key_s`, the row's business key, the column."""

    table: str
    row: str
    column: str
