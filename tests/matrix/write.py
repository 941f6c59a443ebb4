"""Writes the golden files anew: `python -m tests.matrix.write`. What changed is for a person to read in the diff."""

from __future__ import annotations

from tests.matrix.cases import PAIRS
from tests.matrix.golden import made, path_of, written


def main() -> None:
    for caller, target in PAIRS:
        path = path_of(caller, target)
        path.parent.mkdir(exist_ok=True)
        path.write_text(written(made(caller, target)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
