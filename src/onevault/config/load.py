"""Loads the configuration: file and environment to settings, or every problem in one error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from onevault.config import document
from onevault.config.assemble import assembled
from onevault.config.environment import overlaid
from onevault.config.problems import ConfigurationError, Problem
from onevault.config.schema import Settings
from onevault.config.secret_files import read_in
from onevault.config.validate import validated
from onevault.config.variables import replaced

DEFAULT_FILE: Final = Path("onevault.yaml")
CONFIG_VARIABLE: Final = "ONEVAULT_CONFIG"


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """The settings of the file at `path`, else at `ONEVAULT_CONFIG`, else of `onevault.yaml` where there is one, else of the
    environment alone. Raises ConfigurationError with all problems; reads nothing but the file, `environment`, and the files of
    secrets and service accounts' keys that they name."""
    source = chosen_file(path, environment)
    written, lines = document.read(source) if source is not None else ({}, {})
    return settings_from(written, environment, source=source, lines=lines)


def chosen_file(path: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Which file `load` reads, and so which one to watch."""
    if path is not None:
        return path
    if named := environment.get(CONFIG_VARIABLE):
        return Path(named).expanduser()
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def settings_from(
    written: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    source: Path | None = None,
    lines: Mapping[str, int] | None = None,
) -> Settings:
    """The settings of a parsed document. Raises ConfigurationError."""
    plain, unset = replaced(dict(written), environment)
    overlaid_document, origins, refused = overlaid(plain, environment)
    overlaid_document, files, unread = read_in(overlaid_document)
    read, invalid = validated(overlaid_document)
    settings: Settings | None = None
    problems = [*unset, *refused, *unread, *invalid]
    if read is not None:
        settings, crossed = assembled(read, source=source)
        problems += [problem for problem in crossed if not _follows(problem.path, problems)]
    if problems or settings is None:
        raise ConfigurationError(_once(problems, origins, lines or {}))
    return msgspec.structs.replace(settings, secret_files=files)


def _follows(path: str, problems: list[Problem]) -> bool:
    """Whether something at this place, or around it, is already known to be wrong."""
    return any(
        path == known.path or path.startswith((f"{known.path}.", f"{known.path}[")) for known in problems if known.path
    )


def _once(problems: list[Problem], origins: Mapping[str, str], lines: Mapping[str, int]) -> list[Problem]:
    """One problem for each place, the first said, under the name and at the line where it was written."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.path, problem)
    return [
        Problem(origins[path], problem.message, problem.expected)
        if path in origins
        else Problem(path, problem.message, problem.expected, problem.line or _line(path, lines))
        for path, problem in first.items()
    ]


def _line(path: str, lines: Mapping[str, int]) -> int | None:
    """The line of a path, or of the nearest thing around it that was written."""
    while path:
        if path in lines:
            return lines[path]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return None
