"""What an import tells of each line."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onevault.admin.outputs import Output


class ImportedLine(Output):
    line: int = Field(description="From 1, empty lines counted.")
    object: Literal["organization", "team", "user", "api_key"]
    id: str | None = Field(description="Of what was made or was there; null in a dry run for what would be made.")
    outcome: Literal["created", "exists", "skipped"]
    differs: list[str] = Field(
        description="Of what exists: in which fields the line says something else. Nothing is changed."
    )
    api_key: str | None = Field(description="With `new_keys`, the key that was made: here and never again.")


class RefusedLine(Output):
    line: int
    field: str | None = Field(description="What is wrong in it; null: the line as a whole.")
    message: str


class ImportOut(Output):
    object: Literal["import"] = "import"
    dry_run: bool
    lines: int = Field(description="That are not empty.")
    created: int
    existing: int = Field(description="Were there already, by their name or e-mail address, and stay as they are.")
    skipped: int = Field(description="API keys, without `new_keys`.")
    failed: int
    errors: list[RefusedLine]
    entries: list[ImportedLine]


class Report:
    """Collects the outcomes of lines in any order and tells them in that of the file."""

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._entries: list[ImportedLine] = []
        self._errors: list[RefusedLine] = []

    def add(self, outcome: ImportedLine | RefusedLine) -> None:
        if isinstance(outcome, RefusedLine):
            self._errors.append(outcome)
        else:
            self._entries.append(outcome)

    def out(self) -> ImportOut:
        entries = sorted(self._entries, key=lambda entry: entry.line)
        counts = dict.fromkeys(("created", "exists", "skipped"), 0)
        for entry in entries:
            counts[entry.outcome] += 1
        return ImportOut(
            dry_run=self._dry_run,
            lines=len(entries) + len(self._errors),
            created=counts["created"],
            existing=counts["exists"],
            skipped=counts["skipped"],
            failed=len(self._errors),
            errors=sorted(self._errors, key=lambda error: error.line),
            entries=entries,
        )
