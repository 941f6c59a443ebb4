"""Puts the commands together."""

from __future__ import annotations

from typing import Annotated

import typer

from onevault import __version__
from onevault.cli import bulk, check, entities, serve, simulate
from onevault.cli.migrate import migrate
from onevault.cli.verify import verify

app = typer.Typer(
    name="onevault",
    help="OneVault Gateway: one service between applications and AI providers, exact about money.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"onevault {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("serve")(serve.serve)
app.command("simulate")(simulate.simulate)
app.command("check-config")(check.check_config)
app.command("doctor")(check.doctor)
app.add_typer(migrate, name="migrate")
app.add_typer(entities.orgs, name="orgs")
app.add_typer(entities.teams, name="teams")
app.add_typer(entities.users, name="users")
app.add_typer(entities.keys, name="keys")
app.add_typer(verify, name="verify")
app.command("export")(bulk.export)
app.command("import")(bulk.import_)


def main() -> None:
    """Runs the command line. Exit code 0: done; 1: refused or failed; 2: misused."""
    app(prog_name="onevault")
