"""Feeds one decoder what a coverage-guided fuzzer thinks of: `python -m tests.fuzz.decoder DIALECT whole|stream [libFuzzer options]`.

An answer may be anything; decoding it may end in a Fault of the provider's and in nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["onevault.dialects"]):
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
