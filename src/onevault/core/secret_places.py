"""Where in the vault a secret belongs: it opens nowhere else."""

from __future__ import annotations

import msgspec


class Place(msgspec.Struct, frozen=True):
    """`gateway.data_key_s`, the row's business key, the column."""

    table: str
    row: str
    column: str


def webhook_secret(webhook_id: str) -> Place:
    """Of a webhook's secret, the present one and the one before."""
    return Place("gateway.webhook_s", webhook_id, "sealed")
