"""Feeds decoders what a coverage-guided fuzzer thinks of: `python -m tests.fuzz.decoder DIALECT[,DIALECT…] whole|stream [options]`.

An answer may be anything; decoding it may end in a Fault of the provider's and in nothing else. Each dialect has a process of its
own, forked once everything is imported; `{dialect}` in an option of libFuzzer is its name.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Callable

import atheris

from onevault import dialects


def instrumented(names: list[str]) -> list[str]:
    """The modules whose branches guide the fuzzer: a dialect's own package, the longest that its name begins with, and `wire`."""
    packages = sorted((module.name for module in pkgutil.iter_modules(dialects.__path__)), key=len, reverse=True)
    own = {next((name for name in packages if named.replace("-", "_").startswith(name)), None) for named in names}
    return (
        ["onevault.dialects"]
        if None in own
        else [*(f"onevault.dialects.{name}" for name in own), "onevault.dialects.wire"]
    )


with atheris.instrument_imports(include=instrumented(sys.argv[1].split(",")), enable_loader_override=False):
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
    program, named, form, *options = sys.argv
    for dialect in named.split(","):
        child = os.fork()
        if child == 0:
            chosen = [option.replace("{dialect}", dialect) for option in options]
            atheris.Setup([program, *chosen], fed(dialect, stream=form == "stream"))
            atheris.Fuzz()
        if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            sys.exit(f"{dialect}: ended with {code}")


if __name__ == "__main__":
    main()
