"""Reads secrets that a document names by the file they are in: `file:/run/secrets/openai`, as Docker and Kubernetes give them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from onevault.config.problems import Problem
from onevault.config.provider_kind import SECRETS

PREFIX: Final = "file:"
FILE_BYTES_MAX: Final = 64 << 10
_OF_SECURITY: Final = ("admin_key", "master_key", "master_key_previous")
_EXPECTED: Final = "a file that holds the secret and nothing else"


def read_in(document: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Path, ...], list[Problem]]:
    """The document with the secrets of such files in it, the files, and what is wrong with them. Only fields that hold secrets
    are looked at; what is read is never quoted."""
    files: list[Path] = []
    problems: list[Problem] = []

    def section(path: str, values: Any, names: tuple[str, ...]) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {
            name: _read(f"{path}.{name}", value, files, problems) if name in names else value
            for name, value in values.items()
        }

    found = dict(document)
    if isinstance(entries := found.get("providers"), Mapping):
        found["providers"] = {name: section(f"providers.{name}", entry, SECRETS) for name, entry in entries.items()}
    if "security" in found:
        found["security"] = section("security", found["security"], _OF_SECURITY)
    return found, tuple(dict.fromkeys(files)), problems


def _read(path: str, value: Any, files: list[Path], problems: list[Problem]) -> Any:
    if not isinstance(value, str) or not value.startswith(PREFIX):
        return value
    file = Path(value.removeprefix(PREFIX)).expanduser()
    files.append(file)
    try:
        with file.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            problems.append(Problem(path, f"{file} is larger than 64 KiB", _EXPECTED))
            return None
        text = data.decode().strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = (error.strerror or "it cannot be read") if isinstance(error, OSError) else "it is not a text"
        problems.append(Problem(path, f"{file} cannot be read: {reason}", _EXPECTED))
        return None
    if not text:
        problems.append(Problem(path, f"{file} is empty", _EXPECTED))
        return None
    return text
