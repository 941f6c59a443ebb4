"""`onevault migrate …`: changes of what is stored that no running gateway makes by itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from onevault.bootstrap.rotate import rotate_keys
from onevault.cli.output import Json, show, told
from onevault.config.load import load
from onevault.stores.keys.rotation import Rotated

Config = Annotated[
    Path | None, typer.Option("--config", help="The configuration file; else ONEVAULT_CONFIG, else onevault.yaml.")
]

migrate = typer.Typer(help="Changes what is stored.", no_args_is_help=True)


@migrate.callback()
def _migrate() -> None:
    pass


@migrate.command("rotate-keys")
def rotate(
    data_keys: Annotated[
        bool, typer.Option("--data-keys", help="Also make a new data key and seal everything anew with it.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Wraps the data keys with the master key in ONEVAULT_MASTER_KEY; the one before is given in ONEVAULT_MASTER_KEY_PREVIOUS.

    Gateways may run meanwhile, if they know both master keys. What died half-way is finished by running it again. Afterwards the
    old master key can go, from the gateways first.
    """
    with told(as_json=json):
        done = asyncio.run(rotate_keys(load(config, os.environ), data_keys=data_keys))
    show(msgspec.to_builtins(done), as_json=json, text=_text(done))


def _text(done: Rotated) -> str:
    return (
        f"The master key is {done.master_key_id}. Data keys: {done.data_keys_rewrapped} wrapped anew, {done.data_keys_made} made, "
        f"{done.data_keys_retired} retired. Provider keys: {done.provider_keys_resealed} sealed anew, "
        f"{done.provider_keys_renamed} now named under it."
    )
