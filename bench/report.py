"""Writes what was measured: the table on the terminal, `RESULTS.md` for people, `results.json` for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.gateways import Gateway
from bench.rows import RATIOS, ROWS, Row
from bench.settings import CONNECTIONS, STREAM_EVENTS, STREAM_EVENTS_PER_S

ADMIN: Final = "## With 100,000 users and keys"
_QUIET_CORES_MAX: Final = 0.05
_OURS: Final = "OneVault"


@dataclass(frozen=True, kw_only=True)
class Results:
    """One run. `unavailable` says per gateway why it was not measured; `others_cores` how much else was running at most."""

    mode: str
    machine: Mapping[str, str]
    gateways: Sequence[Gateway]
    figures: Mapping[str, Mapping[str, Figure]]
    unavailable: Mapping[str, str]
    others_cores: float


def table(results: Results) -> list[list[str]]:
    """Header and rows as text: figure, target, each gateway's value, and whether OneVault's reaches the target."""
    names = [gateway.name for gateway in results.gateways if gateway.name in results.figures]
    lines = [["figure", "to reach", *names, "reached"]]
    ours = results.figures.get(_OURS, {})
    for row in ROWS:
        if not any(row.key in results.figures[name] for name in names):
            continue
        own = ours.get(row.key)
        reached = row.reached(own.value) if own is not None and own.value is not None else None
        cells = [_cell(row, results.figures[name].get(row.key)) for name in names]
        lines.append([row.title, row.to_reach, *cells, {True: "yes", False: "no", None: ""}[reached]])
    for other, least in RATIOS.items():
        ratio = times_less(results, other)
        if ratio is not None:
            cells = [f"{ratio:,.0f}×" if name == other else "" for name in names]
            title = f"CPU per whole call, same dialect: {other}'s by ours"
            lines.append([title, f"≥ {least:,.0f}×", *cells, "yes" if ratio >= least else "no"])
    return lines


def times_less(results: Results, other: str) -> float | None:
    own, theirs = (results.figures.get(name, {}).get("whole") for name in (_OURS, other))
    if own is None or theirs is None or not own.value or theirs.value is None:
        return None
    return theirs.value / own.value


def as_text(results: Results) -> str:
    lines = table(results)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def write(results: Results, directory: Path) -> None:
    """What `bench.admin` found stays behind the rest: it is written by hand, with its circumstances."""
    file = directory / "RESULTS.md"
    before = file.read_text() if file.exists() else ""
    admin = before[before.index(ADMIN) :] if ADMIN in before else ""
    file.write_text("\n".join(filter(None, [_markdown(results), admin])))
    document = {
        "mode": results.mode,
        "machine": dict(results.machine),
        "versions": {gateway.name: gateway.version for gateway in results.gateways},
        "unavailable": dict(results.unavailable),
        "others_cores_max": round(results.others_cores, 3),
        "figures": {
            name: {key: figure.as_dict() for key, figure in figures.items()}
            for name, figures in results.figures.items()
        },
        "ratios": {other: times_less(results, other) for other in RATIOS},
    }
    (directory / "results.json").write_text(json.dumps(document, indent=1) + "\n")


def _cell(row: Row, figure: Figure | None) -> str:
    if figure is None:
        return ""
    if figure.value is None:
        return "–"
    return f"{figure.value:,.{row.digits}f} {row.unit}{'*' if figure.note else ''}"


def _markdown(results: Results) -> str:
    header, *rows = table(results)
    parts = [
        "# Results of `make bench`",
        "",
        f"{results.machine['date']}, {results.mode} run. {results.machine['processor']}, {results.machine['cores']} cores, "
        f"{results.machine['memory']}; {results.machine['kernel']}, Python {results.machine['python']}, Node.js {results.machine['node']}.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        *_notes(results),
        "## What was compared",
        "",
        *(
            f"- **{gateway.name} {gateway.version}**: {gateway.set_up}."
            for gateway in results.gateways
            if gateway.name in results.figures
        ),
        *(f"- **{name}** was not measured: {reason}" for name, reason in results.unavailable.items()),
        "",
        "## How",
        "",
        f"One gateway at a time, alone on a core; the upstream (`onevault simulate`) and the load generator share another. "
        f"{CONNECTIONS} kept-alive connections call as fast as answers come; every answer's status and content are checked. "
        "CPU is user and system time of the gateway's whole process tree, work that it puts off until after the last answer "
        "included, divided by the calls; after warm-up, the median of the rounds. "
        f"Streams have {STREAM_EVENTS} events, {STREAM_EVENTS_PER_S} a second each, {CONNECTIONS} at a time; the CPU of the whole "
        "call is divided by its events. Added latency is the difference to the same calls made to the upstream directly, in the "
        "same round, arriving at random whether or not those before were answered. Wall times depend on the machine: compare ratios.",
        "",
        "To repeat: `make bench` (about twenty minutes) or `.venv/bin/python -m bench --quick` (under two); see [README.md](README.md). "
        "Every round's value is in `results.json`.",
        "",
    ]
    return "\n".join(parts)


def _notes(results: Results) -> list[str]:
    titles = {row.key: row.title for row in ROWS}
    notes = [
        f"- \\* {name}, {titles[key]}: {figure.note.splitlines()[0][:240]}"
        for name, figures in results.figures.items()
        for key, figure in figures.items()
        if figure.note and key in titles
    ]
    if results.others_cores > _QUIET_CORES_MAX:
        notes.append(
            f"- The machine was not quiet: other processes used up to {results.others_cores:.2f} of its cores meanwhile."
        )
    return [*notes, ""] if notes else []
