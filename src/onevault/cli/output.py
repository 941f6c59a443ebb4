"""How commands speak: text for people, one JSON document with `--json`, a sentence and an exit code for what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from onevault.config.problems import ConfigurationError
from onevault.core.faults import Fault, FaultKind

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
REFUSED, MISUSED = 1, 2
_MISUSES = (FaultKind.INVALID_REQUEST, FaultKind.UNSUPPORTED_PARAMETER)


def show(document: Mapping[str, Any], *, as_json: bool, text: str) -> None:
    """The result of a command."""
    sys.stdout.write((as_text(document) if as_json else text) + "\n")


def as_text(document: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def refuse(message: str, *, code: str, as_json: bool, param: str | None = None, exit_code: int = REFUSED) -> NoReturn:
    """Ends the command with a sentence on standard error, and the same as JSON on standard output where that is asked for."""
    if as_json:
        sys.stdout.write(as_text({"error": {"message": message, "param": param, "code": code}}) + "\n")
    sys.stderr.write(f"onevault: {message}\n")
    raise typer.Exit(exit_code)


@contextmanager
def told(*, as_json: bool) -> Generator[None]:
    """Turns what a user can run into – a bad configuration, a refusal, a system error – into sentences, never a traceback."""
    try:
        yield
    except ConfigurationError as error:
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        problems = [
            {"path": p.path, "message": p.message, "expected": p.expected, "line": p.line} for p in error.problems
        ]
        if as_json:
            sys.stdout.write(as_text({"valid": False, "problems": problems}) + "\n")
        sys.stderr.write(f"onevault: the configuration has {_count(error.problems)}:\n{lines}\n")
        raise typer.Exit(REFUSED) from None
    except Fault as fault:
        exit_code = MISUSED if fault.kind in _MISUSES else REFUSED
        refuse(fault.message, code=fault.kind.value, as_json=as_json, param=fault.param, exit_code=exit_code)
    except OSError as error:
        of_file = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        refuse(of_file, code="REFUSED", as_json=as_json)
    except ValueError as error:
        refuse(str(error), code="REFUSED", as_json=as_json)


def _count(problems: list[Any]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
