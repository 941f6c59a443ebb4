"""Finds every kind of provider that an entry of the configuration may have."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from onevault.config import providers
from onevault.config.provider_kind import ProviderKind

SIMULATOR: Final = "simulator"


def _found() -> Iterator[ProviderKind]:
    for module in sorted(pkgutil.iter_modules(providers.__path__), key=lambda module: module.name):
        yield from importlib.import_module(f"{providers.__name__}.{module.name}").KINDS


_FIRST: Final = ("openai", "anthropic", "google")


def _order(kind: ProviderKind) -> tuple[int, str]:
    return (_FIRST.index(kind.name) if kind.name in _FIRST else len(_FIRST), kind.name)


KINDS: Final[Mapping[str, ProviderKind]] = MappingProxyType({kind.name: kind for kind in sorted(_found(), key=_order)})
"""By name, in the order in which the environment makes entries of them."""
