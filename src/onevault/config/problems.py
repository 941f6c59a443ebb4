"""What can be wrong with a configuration, said so that it can be put right: where, what, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong. `path` is where in the file (`providers.openai.timeout`) or the name of an environment variable;
    it is "" for the file as a whole. `line` counts from 1, None where the value came from elsewhere."""

    path: str
    message: str
    expected: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = self.path or "configuration"
        if self.line is not None:
            where += f" (line {self.line})"
        return f"{where}: {self.message}" + (f"; expected {self.expected}" if self.expected else "")


class ConfigurationError(Exception):
    """A configuration that is refused, with every problem that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What was probably meant and what there is: for `expected`."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"{near[0]} (known: {listed})" if near else f"one of: {listed}"
