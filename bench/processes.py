"""Starts processes on one core with a bare environment, and reads what their whole tree costs in CPU time and memory."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil  # type: ignore[import-untyped]

from bench.settings import START_TIMEOUT_S

_STOP_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.004
_CPU_CLOCK_OF_PROCESS: Final = 2
"""`clock_getcpuclockid(3)` gives `(~pid << 3) | 2`: user and system time of all threads, dead ones too, in nanoseconds."""


class BenchError(Exception):
    """The bench cannot go on with this gateway; the message says why."""


@dataclass(frozen=True)
class Memory:
    """Of a process tree, in bytes. `pss_bytes` counts pages shared with others in part."""

    rss_bytes: int
    pss_bytes: int


class Process:
    """A process on one core. Its output goes to a file, whose end is part of every error."""

    def __init__(
        self, command: Sequence[str], *, core: int, log: Path, environment: Mapping[str, str], pipes: bool = False
    ) -> None:
        self.log = log
        self._output = log.open("ab")
        self.started_s = time.perf_counter()
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipes else self._output,
            stderr=self._output,
            env={**bare_environment(), **environment},
            start_new_session=True,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )

    @property
    def stdin(self) -> IO[str]:
        assert self.popen.stdin is not None
        return self.popen.stdin

    @property
    def stdout(self) -> IO[str]:
        assert self.popen.stdout is not None
        return self.popen.stdout

    def tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.popen.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            raise self.died() from None

    def cpu_s(self) -> float:
        """CPU time of every process of the tree, and of its dead children that were waited for."""
        total = 0.0
        for process in self.tree():
            with contextlib.suppress(OSError, psutil.NoSuchProcess):
                total += time.clock_gettime((~process.pid << 3) | _CPU_CLOCK_OF_PROCESS)
                times = process.cpu_times()
                total += times.children_user + times.children_system
        return total

    def memory(self) -> Memory:
        rss = pss = 0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                info = process.memory_full_info()
                rss, pss = rss + info.rss, pss + info.pss
        return Memory(rss, pss)

    def wait_until_ready(self, port: int, path: str, *, timeout_s: float = START_TIMEOUT_S) -> float:
        """Seconds from the process's start until a GET of `path` gives 200. Raises BenchError."""
        deadline = self.started_s + timeout_s
        while time.perf_counter() < deadline:
            if status_of(port, path) == 200:
                return time.perf_counter() - self.started_s
            if self.popen.poll() is not None:
                raise self.died()
            time.sleep(_POLL_S)
        raise BenchError(f"not ready at {path} after {timeout_s:.0f} s; its output ends:\n{self.output_end()}")

    def died(self) -> BenchError:
        return BenchError(f"process ended with code {self.popen.poll()}; its output ends:\n{self.output_end()}")

    def output_end(self, bytes_max: int = 2_000) -> str:
        return self.log.read_bytes()[-bytes_max:].decode(errors="replace")

    def stop(self) -> None:
        """Asks the process to end, and ends what is left of its own session after a while."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(_STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(_STOP_TIMEOUT_S)
        for pipe in (self.popen.stdin, self.popen.stdout, self._output):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@contextlib.contextmanager
def running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.stop()


def bare_environment() -> dict[str, str]:
    """No proxy, credential or setting of the caller reaches a gateway."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": ""}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def status_of(port: int, path: str) -> int | None:
    """The status of a GET, or None where nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())
            head = connection.recv(64)
        return int(head.split(b" ", 2)[1])
    except (OSError, ValueError, IndexError):
        return None
