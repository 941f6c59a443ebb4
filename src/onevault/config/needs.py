"""Finds what an entry lacks that its kind of provider needs, and what it states that its kind has no use for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from onevault.config import keys
from onevault.config.forms import NOT_AVAILABLE
from onevault.config.problems import Problem
from onevault.config.provider_kind import PLACES, SECRETS, ProviderKind
from onevault.config.written import ProviderWritten

_TOGETHER: Final = (
    ("access_key_id", "secret_access_key"),
    ("secret_access_key", "access_key_id"),
    ("session_token", "access_key_id"),
)
"""What is nothing without the other."""


def lacks(path: str, kind: ProviderKind, entry: ProviderWritten, *, project: str | None) -> list[Problem]:
    """The problems of an entry of a known kind. `project` is what its service account says."""
    stated = {name for name in ("base_url", *SECRETS, *PLACES) if getattr(entry, name) is not None}
    if project is not None:
        stated.add("project")
    return [*_unused(path, kind, stated), *_missing(path, kind, stated), *_stand_ins(path, entry)]


def _unused(path: str, kind: ProviderKind, stated: set[str]) -> Iterator[Problem]:
    for name in (*SECRETS, *PLACES):
        if name in stated and name not in kind.takes and not (name == "project" and "service_account" in stated):
            yield Problem(f"{path}.{name}", f"{NOT_AVAILABLE} for entries of type {kind.name}", "nothing: leave it out")


def _missing(path: str, kind: ProviderKind, stated: set[str]) -> Iterator[Problem]:
    for need in kind.needs:
        if stated.isdisjoint(need.fields):
            yield Problem(f"{path}.{need.fields[0]}", "missing", need.expected)
    for name, other in _TOGETHER:
        if name in stated and other not in stated and name in kind.takes:
            yield Problem(f"{path}.{other}", f"missing beside {name}", "both, as AWS gives them")


def _stand_ins(path: str, entry: ProviderWritten) -> Iterator[Problem]:
    for name in SECRETS:
        secret = getattr(entry, name)
        if secret is not None and keys.placeholder(secret.reveal()):
            yield Problem(f"{path}.{name}", "a placeholder", "the key that the provider gave")
