"""Replaces `${NAME}` and `${NAME:-default}` in the texts of a parsed document; what comes in is never parsed as YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from onevault.config.problems import Problem

DEPTH_MAX: Final = 32
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def replaced(document: Any, environment: Mapping[str, str]) -> tuple[Any, list[Problem]]:
    """The document with its variables replaced, and what could not be: unset names without a default, malformed ones.

    An empty variable counts as unset, as with the shell's `:-`. In an entry that says `enabled: false` unset names are
    no problem: it may well stand in the file of a machine that has no key for it.
    """
    problems: list[Problem] = []
    return _replaced(document, environment, problems, path="", depth=0), problems


def _replaced(node: Any, environment: Mapping[str, str], problems: list[Problem], *, path: str, depth: int) -> Any:
    if depth > DEPTH_MAX:
        problems.append(Problem(path, "nested too deeply", f"at most {DEPTH_MAX} levels"))
        return None
    if isinstance(node, str):
        return _text(node, environment, problems, path)
    if isinstance(node, dict):
        found = [] if node.get("enabled") is False else problems
        return {
            key: _replaced(value, environment, found, path=f"{path}.{key}" if path else str(key), depth=depth + 1)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [
            _replaced(value, environment, problems, path=f"{path}[{index}]", depth=depth + 1)
            for index, value in enumerate(node)
        ]
    return node


def _text(text: str, environment: Mapping[str, str], problems: list[Problem], path: str) -> str | None:
    """The text with its variables replaced; None where one of them could not be, so that nothing more is said of it."""
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        parsed = _NAME.fullmatch(match[1])
        if parsed is None:
            problems.append(Problem(path, "malformed variable", "${NAME} or ${NAME:-default}"))
            missing = True
            return ""
        name, default = parsed[1], parsed[2]
        if environment.get(name):
            return environment[name]
        if default is None:
            missing = True
            problems.append(
                Problem(
                    path, f"the environment variable {name} is not set", f"a value for {name}, or ${{{name}:-default}}"
                )
            )
            return ""
        return default

    result = _VARIABLE.sub(value, text)
    return None if missing else result
