"""Feeds one decoder what a coverage-guided fuzzer thinks of: `python -m tests.fuzz.decoder DIALECT whole|stream [libFuzzer options]`.

An answer may be anything; decoding it may end in a Fault of the provider's and in nothing else.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable

import atheris

from onevault import dialects


def instrumented(dialect: str) -> list[str]:
    """The modules whose branches guide the fuzzer: the dialect's own package, the longest that its name begins with, and `wire`."""
    packages = sorted((module.name for module in pkgutil.iter_modules(dialects.__path__)), key=len, reverse=True)
    own = next((name for name in packages if dialect.replace("-", "_").startswith(name)), None)
    return ["onevault.dialects"] if own is None else [f"onevault.dialects.{own}", "onevault.dialects.wire"]


with atheris.instrument_imports(include=instrumented(sys.argv[1]), enable_loader_override=False):
    from onevault.core.faults import Fault, FaultKind
    from onevault.dialects.registry import CODECS

CALLERS_OWN = frozenset({FaultKind.INTERNAL, FaultKind.UNAUTHENTICATED, FaultKind.FORBIDDEN, FaultKind.NOT_FOUND})
"""What no provider's bytes may be taken for."""


def fed(dialect: str, *, stream: bool) -> Callable[[bytes], None]:
    codec = CODECS[dialect]

    def feed(data: bytes) -> None:
        cut = data[0] if data else 0
        decoder = codec.decoder(stream=stream, passing=None)
        try:
            decoder.feed(data[1 : 1 + cut])
            decoder.feed(data[1 + cut :])
            decoder.close()
        except Fault as fault:
            if fault.kind in CALLERS_OWN:
                raise

    return feed


def main() -> None:
    program, dialect, form, *options = sys.argv
    atheris.Setup([program, *options], fed(dialect, stream=form == "stream"))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
