"""`onevault migrate`: brings the vault to this version of the schema, and changes what no running gateway changes by itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from onevault.bootstrap.migrate import Migrated, migrate_vault
from onevault.bootstrap.rotate import rotate_keys
from onevault.cli.output import Json, show, told
from onevault.config.load import load
from onevault.stores.keys.rotation import Rotated

Config = Annotated[
    Path | None, typer.Option("--config", help="The configuration file; else ONEVAULT_CONFIG, else onevault.yaml.")
]

migrate = typer.Typer(
    help="Brings the vault to this version of the schema, or changes what is stored.", invoke_without_command=True
)


@migrate.callback()
def vault(context: typer.Context, config: Config = None, json: Json = False) -> None:
    """Brings the vault to this version of the schema. A start does so too; here it is done before, and by whom you choose."""
    if context.invoked_subcommand is not None:
        return
    with told(as_json=json):
        done = asyncio.run(migrate_vault(load(config, os.environ)))
    show(done._asdict() | {"changed": done.before != done.after}, as_json=json, text=_migrated(done))


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
    show(msgspec.to_builtins(done), as_json=json, text=_rotated(done))


def _migrated(done: Migrated) -> str:
    if done.before == done.after:
        return f"{done.vault} has schema version {done.after} already: nothing to do."
    if done.before == 0:
        return f"{done.vault}: created, schema version {done.after}."
    return f"{done.vault}: brought from schema version {done.before} to {done.after}."


def _rotated(done: Rotated) -> str:
    return (
        f"The master key is {done.master_key_id}. Data keys: {done.data_keys_rewrapped} wrapped anew, {done.data_keys_made} made, "
        f"{done.data_keys_retired} retired. Provider keys: {done.provider_keys_resealed} sealed anew, "
        f"{done.provider_keys_renamed} now named under it. Webhooks: {done.webhooks_resealed} sealed anew."
    )
