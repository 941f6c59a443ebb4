"""The commands that move many entities at once, as JSON lines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from onevault.admin.bulk import numbered_lines
from onevault.admin.exporting import exported
from onevault.admin.import_report import ImportOut
from onevault.admin.importing import Import
from onevault.admin.office import Actor
from onevault.bootstrap.office import open_office
from onevault.cli.output import REFUSED, Json, show, told

_ACTOR = Actor("command line")
_CHUNK_BYTES = 256 * 1024
_ERRORS_SHOWN_MAX = 20
Config = Annotated[Path | None, typer.Option(help="The configuration file; default onevault.yaml where there is one.")]


def export(
    output: Annotated[Path | None, typer.Option(help="The file to write, mode 0600; default standard output.")] = None,
    org: Annotated[str | None, typer.Option(help="Only this organization.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Writes organizations, teams, users and API keys as JSON lines, without any secret."""

    async def run() -> int:
        lines = 0
        async with open_office(config) as office:
            with sys.stdout.buffer if output is None else _private(output) as file:
                async for page in exported(office, actor=_ACTOR, org_id=org):
                    file.write(page)
                    lines += page.count(b"\n")
                file.flush()
        return lines

    with told(as_json=json):
        lines = asyncio.run(run())
    if output is not None:
        show({"lines": lines, "file": str(output)}, as_json=json, text=f"Wrote {lines} lines to {output}.")


def import_(
    file: Annotated[Path, typer.Argument(help="JSON lines as `onevault export` writes them; `-`: standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would become of each line.")] = False,
    new_keys: Annotated[
        bool, typer.Option("--new-keys", help="Make API keys, too: new ones, shown in the report this once.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Makes what a file of JSON lines tells of, each line whole or not at all. A second time it makes nothing twice."""

    async def run() -> ImportOut:
        async with open_office(config) as office:
            work = Import(office, actor=_ACTOR, dry_run=dry_run, new_keys=new_keys)
            async for lines in numbered_lines(_chunks(file), work):
                await work.feed(lines)
            return work.report.out()

    with told(as_json=json):
        report = asyncio.run(run())
    show(report.model_dump(mode="json"), as_json=json, text=_text(report))
    if report.failed:
        raise typer.Exit(REFUSED)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with sys.stdin.buffer if str(path) == "-" else path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _private(path: Path) -> Any:
    path.touch(mode=0o600)
    return path.open("wb")


def _text(report: ImportOut) -> str:
    would = "would be " if report.dry_run else ""
    lines = [f"{report.lines} lines: {report.created} {would}created, {report.existing} there already, "]
    lines[0] += f"{report.skipped} skipped, {report.failed} refused."
    lines += [f"line {error.line}: {error.message}" for error in report.errors[:_ERRORS_SHOWN_MAX]]
    if report.failed > _ERRORS_SHOWN_MAX:
        lines.append(f"and {report.failed - _ERRORS_SHOWN_MAX} more; --json tells all")
    lines += [f"line {entry.line}: {entry.id} {entry.api_key}" for entry in report.entries if entry.api_key]
    return "\n".join(lines)
