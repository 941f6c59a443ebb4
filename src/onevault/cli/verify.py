"""`onevault verify ledger`: proves that journal, calls and sums agree, or says where they do not."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from onevault.bootstrap.verify import verify_ledger
from onevault.cli.output import REFUSED, Json, show, told
from onevault.config.load import load
from onevault.core.money import Nanos, format_usd
from onevault.stores.verify.words import Verdict

Config = Annotated[
    Path | None, typer.Option("--config", help="The configuration file; else ONEVAULT_CONFIG, else onevault.yaml.")
]

verify = typer.Typer(help="Proves that what is recorded agrees.", no_args_is_help=True)


@verify.callback()
def _verify() -> None:
    pass


@verify.command("ledger")
def ledger(config: Config = None, json: Json = False) -> None:
    """Recomputes what every scope has spent from journals and vault, and compares it with the stored sums,
    and with what Redis counts where several processes share it.

    Reads only; a gateway may run meanwhile. Exit code 0: all agrees; 1: something differs; 2: there is no ledger here.
    """
    with told(as_json=json):
        settings = load(config, os.environ)
        verdict, running = asyncio.run(verify_ledger(settings))
    is_shared = settings.gateway.redis_url is not None
    show(_document(verdict, running), as_json=json, text=_text(verdict, running, is_shared=is_shared))
    if not verdict.agrees:
        raise typer.Exit(REFUSED)


def _document(verdict: Verdict, running: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(verdict)
    return {
        "agrees": verdict.agrees,
        "gateway_process": running[0] if running else None,
        "gateway_processes": running,
    } | found


def _text(verdict: Verdict, running: list[int], *, is_shared: bool) -> str:
    lines = [difference.message for difference in verdict.differences]
    if (more := verdict.differences_found - len(lines)) > 0:
        lines.append(f"… and {more} more.")
    lines += [
        f"{verdict.calls} calls in the vault, ${_usd(verdict.settled_nanos)}; {verdict.sums} sums of {verdict.scopes} scopes "
        f"compared; {verdict.records} records in {verdict.segments} journal segments.",
        f"Not settled yet: {verdict.held_calls} calls hold ${_usd(verdict.held_nanos)}{_when(running)}. "
        f"Settled and not in the vault yet: {verdict.waiting_calls} calls, ${_usd(verdict.waiting_nanos)}.",
    ]
    if verdict.shared_scopes is not None:
        lines.append(
            f"Compared with the shared ledger: {verdict.shared_scopes} scopes, and {verdict.shared_held_calls} calls that it holds."
        )
        if verdict.grace_calls:
            lines.append(f"Granted while it was away, and to be counted in it yet: {verdict.grace_calls} calls.")
    elif is_shared:
        lines.append("Not compared with the shared ledger: it does not answer, or has not been filled.")
    if verdict.agrees:
        lines.append("Everything agrees: no call is settled twice, and none is lost.")
    else:
        lines.append(f"{verdict.differences_found} differences.")
    return "\n".join(lines)


def _usd(nanos: int) -> str:
    return format_usd(Nanos(nanos))


def _when(running: list[int]) -> str:
    if not running:
        return " (the next start settles them at that)"
    if len(running) == 1:
        return f" (process {running[0]} is at work)"
    return f" (processes {', '.join(map(str, running))} are at work)"
