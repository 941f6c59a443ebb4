"""`onevault serve`: the gateway."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from onevault.bootstrap.serve import run
from onevault.cli.output import Json, refuse, told
from onevault.config.forms import WORKERS_MAX
from onevault.config.load import chosen_file, load
from onevault.config.schema import Settings

Config = Annotated[
    Path | None, typer.Option("--config", help="The configuration file; else ONEVAULT_CONFIG, else onevault.yaml.")
]


def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Where to listen; the configuration's otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes any free port.", min=0, max=65535)] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes; more than one share a ledger in Redis.", min=1, max=WORKERS_MAX),
    ] = None,
    json: Json = False,
) -> None:
    """Runs the gateway until it is told to stop: the first SIGINT or SIGTERM drains, a second one ends at once."""

    def settings() -> Settings:
        loaded = load(config, os.environ)
        gateway = loaded.gateway
        changed = msgspec.structs.replace(
            gateway,
            host=host or gateway.host,
            port=gateway.port if port is None else port,
            workers=workers or gateway.workers,
        )
        if changed.workers > 1 and changed.redis_url is None:
            refuse(
                f"{changed.workers} worker processes would each keep a ledger of their own and could spend every budget "
                f"{changed.workers} times over. More than one share a ledger in Redis: set ONEVAULT_REDIS_URL, or use --workers 1.",
                code="UNSUPPORTED_PARAMETER",
                as_json=json,
                param="workers",
            )
        return msgspec.structs.replace(loaded, gateway=changed)

    with told(as_json=json):
        code = run(settings, watched=chosen_file(config, os.environ))
    if code:
        raise typer.Exit(code)
