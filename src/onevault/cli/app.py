"""Puts the commands together. Only what is asked for is loaded: the whole product takes a second."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import Annotated, Any, Final

import typer

from onevault import __version__

_COMMANDS: Final = {
    "serve": "serve:serve",
    "simulate": "simulate:simulate",
    "check-config": "check:check_config",
    "doctor": "check:doctor",
    "export": "bulk:export",
    "import": "bulk:import_",
}
_FAMILIES: Final = {
    "migrate": "migrate:migrate",
    "orgs": "entities:orgs",
    "teams": "entities:teams",
    "users": "entities:users",
    "keys": "entities:keys",
    "verify": "verify:verify",
}


EVERY: Final = frozenset({*_COMMANDS, *_FAMILIES})


def command_line(wanted: Collection[str] = EVERY) -> typer.Typer:
    """The commands and families of these names."""
    app = typer.Typer(
        name="onevault",
        help="OneVault Gateway: one service between applications and AI providers, exact about money.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        add_completion=False,
    )
    app.callback()(_options)
    for name, place in _COMMANDS.items():
        if name in wanted:
            app.command(name)(_loaded(place))
    for name, place in _FAMILIES.items():
        if name in wanted:
            app.add_typer(_loaded(place), name=name)
    return app


def _loaded(place: str) -> Any:
    """The function or family of commands at this place."""
    module, name = place.split(":")
    return getattr(import_module(f"onevault.cli.{module}"), name)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"onevault {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command line. Exit code 0: done; 1: refused or failed; 2: misused."""
    gc.disable()  # what is loaded stays: looking for garbage in it takes a sixth of a start
    app = command_line(_wanted(sys.argv[1:]))
    gc.enable()
    app(prog_name="onevault")


def _wanted(arguments: Sequence[str]) -> Collection[str]:
    """What is named. Help, and telling what a typing error may have meant, takes them all."""
    if arguments[:1] == ["--version"]:
        return ()
    named = next((argument for argument in arguments if not argument.startswith("-")), "")
    return (named,) if named in EVERY else EVERY
