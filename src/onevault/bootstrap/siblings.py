"""Lets each worker show the metrics of all: whichever of them is scraped asks the others, and labels every series with its worker.

Counts are not added up: a worker that is started again begins at nothing, and only series of its own let Prometheus see that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

_ANSWERS_WITHIN_S: Final = 2.0
_TEXT_BYTES_MAX: Final = 64 << 20

Render = Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def shown_to_siblings(directory: Path, number: int, own: Callable[[], bytes]) -> AsyncGenerator[Render]:
    """What renders the metrics of all workers, for as long as the block runs; this one's are shown to the others meanwhile.

    `directory` holds a socket for each worker, and is nobody else's. A worker that does not answer is left out.
    """

    async def show(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await asyncio.to_thread(own))
            await writer.drain()
        except ConnectionError:
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def render() -> bytes:
        others = _others(directory, number)
        asked = [_asked(directory / str(other)) for other in others]
        texts = await asyncio.gather(asyncio.to_thread(own), *asked)
        return merged(dict(zip((number, *others), texts, strict=True)))

    path = directory / str(number)
    path.unlink(missing_ok=True)  # of a worker of this number that was killed
    serving = await asyncio.start_unix_server(show, path)
    try:
        yield render
    finally:
        serving.close()
        path.unlink(missing_ok=True)


def merged(texts: dict[int, bytes]) -> bytes:
    """Metrics of several workers in the Prometheus text format as one text: each family once, each sample with its worker."""
    heads: dict[bytes, list[bytes]] = {}
    samples: dict[bytes, list[bytes]] = {}
    for number, text in sorted(texts.items()):
        label = b'worker="%d"' % number
        family = b""
        for line in text.splitlines():
            if line.startswith(b"# HELP "):
                family = line.split(b" ", 3)[2]
                heads.setdefault(family, [])
                if len(heads[family]) < 2:
                    heads[family] = [line]
            elif line.startswith(b"# TYPE "):
                if len(heads.setdefault(family, [])) < 2:
                    heads[family].append(line)
            elif line:
                samples.setdefault(family, []).append(_labelled(line, label))
    lines: list[bytes] = []
    for family, head in heads.items():
        lines += [*head, *samples.get(family, [])]
    return b"\n".join(lines) + b"\n"


def _labelled(sample: bytes, label: bytes) -> bytes:
    name, brace, rest = sample.partition(b"{")
    if brace and b" " not in name:
        return name + b"{" + label + b"," + rest
    name, _, rest = sample.partition(b" ")
    return name + b"{" + label + b"} " + rest


def _others(directory: Path, number: int) -> list[int]:
    return sorted(int(name) for name in os.listdir(directory) if name.isdigit() and name != str(number))


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < _TEXT_BYTES_MAX and (part := await reader.read(1 << 16)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


async def _asked(path: Path) -> bytes:
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await _all_of(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
