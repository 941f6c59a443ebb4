"""Finds every dialect that the gateway speaks, on both sides.

A dialect is a module or package beside this one with `INGRESS` (how its callers are read and answered) or `CODECS` (how its
providers are spoken to), or both. It is taken up by being there.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from onevault import dialects
from onevault.core.codec import Codec, Ingress
from onevault.core.operations import Dialect


def _found() -> tuple[dict[Dialect, Ingress], dict[Dialect, Codec]]:
    ingress: dict[Dialect, Ingress] = {}
    codecs: dict[Dialect, Codec] = {}
    for module in sorted(pkgutil.iter_modules(dialects.__path__), key=lambda module: module.name):
        if module.name == "registry":
            continue
        spoken = importlib.import_module(f"{dialects.__name__}.{module.name}")
        ingress |= {side.dialect: side for side in getattr(spoken, "INGRESS", ())}
        codecs |= {side.dialect: side for side in getattr(spoken, "CODECS", ())}
    return ingress, codecs


INGRESS: Mapping[Dialect, Ingress]
CODECS: Mapping[Dialect, Codec]
INGRESS, CODECS = _found()
