"""Runs a gateway as several processes: starts them, starts one again that dies, passes signals on, and ends when they have.

They listen on one address, and the system gives each new connection to one of them. What they share is in Redis and the vault.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

WORKER: Final = "ONEVAULT_WORKER"
"""By this variable a process learns that it is a worker: its number, the descriptors on which it tells that it serves and learns
that the process above has gone, and where the workers find each other."""
_AGAIN_FIRST_S: Final = 0.1
_AGAIN_MAX_S: Final = 10.0
_WELL_AFTER_S: Final = 30.0
"""A worker that has lived so long is started again at once when it dies."""
_log = structlog.get_logger("onevault.workers")


class Worker(msgspec.Struct, frozen=True):
    """What a worker is told of itself. `siblings` is a directory of the workers' own; `lifeline` ends with the process above."""

    number: int
    descriptor: int
    siblings: str
    lifeline: int

    def tell_ready(self) -> None:
        """Tells the process above that this one serves."""
        os.write(self.descriptor, b"1")
        os.close(self.descriptor)

    def end_with_the_process_above(self) -> None:
        """Has this process drain when that one dies, however that dies: nobody would start it again, and it would keep the next
        start from its journal."""
        loop = asyncio.get_running_loop()

        def has_gone() -> None:
            loop.remove_reader(self.lifeline)
            _log.error("the process above has gone: this worker drains", worker=self.number)
            signal.raise_signal(signal.SIGTERM)

        loop.add_reader(self.lifeline, has_gone)


def worker_of(environment: Mapping[str, str]) -> Worker | None:
    """Which worker this process is; None where it is nobody's."""
    said = environment.get(WORKER)
    return msgspec.json.decode(said, type=Worker) if said else None


class Workers:
    """`command` starts one worker, which finds its number in the environment. They find each other in `siblings`."""

    def __init__(self, command: Sequence[str], count: int, *, siblings: Path) -> None:
        self._command = command
        self._count = count
        self._siblings = siblings
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._ending = asyncio.Event()
        self._signals = 0
        self._failed = 0
        # Nobody writes to it. The one end that can be written to is this process's, and is closed when it has gone.
        self._lifeline, self._own_end = os.pipe()

    async def run(self) -> int:
        """Serves until told to stop; the exit code. The first worker is alone until it serves: it makes what a first start makes.
        A worker that cannot even start the first time ends all: something is wrong that starting again does not mend."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)
        first = asyncio.Event()
        keeping = {asyncio.create_task(self._keep(1, first))}
        waiting = asyncio.create_task(first.wait())
        await asyncio.wait((*keeping, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if first.is_set():
            keeping |= {asyncio.create_task(self._keep(n, asyncio.Event())) for n in range(2, self._count + 1)}
        await asyncio.wait(keeping)
        os.close(self._lifeline)
        os.close(self._own_end)
        return 1 if self._failed else 0

    async def _keep(self, number: int, ready: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        wait_s = _AGAIN_FIRST_S
        while not self._ending.is_set():
            began_s = loop.time()
            process = await self._started(number, ready)
            code = await process.wait()
            self._running.pop(number, None)
            if self._ending.is_set():
                # One that was still starting ends by the signal itself.
                self._failed += code not in (0, -signal.SIGTERM, -signal.SIGINT)
                return
            if not ready.is_set():
                _log.error("a worker cannot start", worker=number, exit_code=code)
                self._failed += 1
                self._stop(signal.SIGTERM)
                return
            wait_s = _AGAIN_FIRST_S if loop.time() - began_s >= _WELL_AFTER_S else min(2 * wait_s, _AGAIN_MAX_S)
            _log.error("a worker died and is started again", worker=number, exit_code=code, in_s=wait_s)
            try:
                async with asyncio.timeout(wait_s):
                    await self._ending.wait()
            except TimeoutError:
                continue

    async def _started(self, number: int, ready: asyncio.Event) -> asyncio.subprocess.Process:
        reads, writes = os.pipe()
        loop = asyncio.get_running_loop()

        def told() -> None:
            loop.remove_reader(reads)
            if os.read(reads, 1):
                ready.set()
            os.close(reads)

        loop.add_reader(reads, told)
        try:
            told_of_itself = msgspec.json.encode(Worker(number, writes, str(self._siblings), self._lifeline)).decode()
            environment = os.environ | {WORKER: told_of_itself}
            passed = (writes, self._lifeline)
            process = await asyncio.create_subprocess_exec(*self._command, env=environment, pass_fds=passed)
        finally:
            os.close(writes)
        self._running[number] = process
        if self._signals:
            self._pass_on(signal.SIGTERM)
        return process

    def _stop(self, number: signal.Signals) -> None:
        """The first signal drains every worker, the second ends each at once."""
        self._signals += 1
        self._ending.set()
        self._pass_on(number)

    def _pass_on(self, number: signal.Signals) -> None:
        for process in self._running.values():
            if process.returncode is None:
                process.send_signal(number)


def reserved(host: str, port: int) -> socket.socket:
    """Takes an address without listening on it, for workers that share it. Raises OSError where somebody else has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            # Sharing an address must be meant: another gateway of the same user would be let in as well.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((host, port))
            port = alone.getsockname()[1]
        taken = socket.socket(family, socket.SOCK_STREAM)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind((host, port))
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return taken


def worker_command(*, host: str, port: int, workers: int, config: str | None) -> list[str]:
    """How a worker is started: this program again."""
    named = ["--config", config] if config is not None else []
    address = ("--host", host, "--port", str(port))
    # Each must know how many there are: what they may grant by themselves is shared out among them.
    return [sys.executable, "-m", "onevault", "serve", *address, "--workers", str(workers), *named]
