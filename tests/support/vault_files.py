"""Reads a vault's files from outside, as an auditor would, and holds the gateway's own figures against them."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CALLS = """
SELECT h.api_request_bk, d.model_asked, d.held, d.amount_held_nanos, d.cost_nanos, d.usage_source, d.outcome, d.fault,
       d.stream, d.scopes, s.prompt_tokens, s.completion_tokens,
       (SELECT count(*) FROM api_request_attempt_s a WHERE a.load_date = h.load_date AND a.api_request_hk = h.api_request_hk)
FROM api_request_h h
JOIN api_request_detail_s d ON d.load_date = h.load_date AND d.api_request_hk = h.api_request_hk
JOIN api_request_s s ON s.load_date = h.load_date AND s.api_request_hk = h.api_request_hk
"""


@dataclass(frozen=True)
class Row:
    """One call as the vault has it. Money in nanos."""

    call_id: str
    model_asked: str
    held: bool
    amount_held: int
    cost: int
    source: str
    outcome: str
    fault: str
    stream: bool
    scopes: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    attempts: int


def rows(data_dir: Path) -> list[Row]:
    """Every call in the vault. AssertionError where one is there twice."""
    with closing(sqlite3.connect(f"file:{data_dir / 'gateway.db'}?mode=ro", uri=True, isolation_level=None)) as vault:
        vault.execute("BEGIN")  # both reads see one state
        found = [_row(values) for values in vault.execute(_CALLS)]
        hubs, facts, details = vault.execute(
            "SELECT (SELECT count(*) FROM api_request_h), (SELECT count(*) FROM api_request_s), "
            "(SELECT count(*) FROM api_request_detail_s)"
        ).fetchone()
    twice = [call_id for call_id, times in Counter(row.call_id for row in found).items() if times > 1]
    assert not twice, f"more than once in the vault: {twice[:5]}"
    assert hubs == facts == details == len(found)
    return found


def _row(values: tuple[Any, ...]) -> Row:
    return Row(*values[:2], bool(values[2]), *values[3:8], bool(values[8]), tuple(json.loads(values[9])), *values[10:])


def spent(calls: list[Row], scope: str) -> int:
    """What a scope's calls cost together, in nanos."""
    return sum(row.cost for row in calls if scope in row.scopes)
