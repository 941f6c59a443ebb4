"""`onevault check-config` says what a configuration means or all that is wrong with it; `onevault doctor` what is wrong around it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from onevault.bootstrap.doctor import examine
from onevault.cli.output import REFUSED, Json, show, told
from onevault.config.describe import describe
from onevault.config.load import load

Config = Annotated[
    Path | None, typer.Option("--config", help="The configuration file; else ONEVAULT_CONFIG, else onevault.yaml.")
]


def check_config(config: Config = None, json: Json = False) -> None:
    """Checks the configuration and says what it means. Shows no secret."""
    with told(as_json=json):
        settings = load(config, os.environ)
    lines = describe(settings)
    text = "\n".join(["The configuration is valid.", *(f"  {line}" for line in lines)])
    show({"valid": True, "settings": lines}, as_json=json, text=text)


def doctor(config: Config = None, json: Json = False) -> None:
    """Examines the configuration, the data directory, the port and the providers' reachability."""
    with told(as_json=json):
        findings = asyncio.run(examine(load(config, os.environ)))
    failed = [finding for finding in findings if not finding.ok]
    document = {"healthy": not failed, "checks": [{"name": f.name, "ok": f.ok, "detail": f.detail} for f in findings]}
    show(
        document, as_json=json, text="\n".join(f"{'ok  ' if f.ok else 'FAIL'}  {f.name}: {f.detail}" for f in findings)
    )
    if failed:
        raise typer.Exit(REFUSED)
