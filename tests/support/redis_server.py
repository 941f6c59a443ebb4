"""Starts a real Redis on a free port in a directory of its own, and stops, kills and pauses it."""

from __future__ import annotations

import atexit
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.support.patience import PATIENCE_S
from tests.support.processes import free_port

READY_TIMEOUT_S = PATIENCE_S
PORT_MAX = 55_535
"""A cluster's nodes talk to each other on a port ten thousand above."""
PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer:
    """One server; starting it again keeps its port, and its data if it was told to `keep` them (append-only file, synced always).

    `within` is the command that starts it in another network, where it takes connections from everywhere; it is asked at `host`.
    """

    def __init__(self, *options: str, keep: bool = False, host: str = "127.0.0.1", within: Sequence[str] = ()) -> None:
        if PROGRAM is None:
            pytest.skip("no redis-server on the PATH: install Redis 6.2 or newer, or Valkey")
        self.directory = Path(tempfile.mkdtemp(prefix="onevault-redis-"))
        self.port = next(port for port in iter(free_port, None) if port <= PORT_MAX)
        self.host = host
        self.url = f"redis://{host}:{self.port}/0"
        saved = ("--appendonly", "yes", "--appendfsync", "always") if keep else ("--appendonly", "no")
        self._arguments = [
            *(*within, PROGRAM, "--port", str(self.port), "--dir", str(self.directory)),
            *(("--bind", "0.0.0.0", "--protected-mode", "no") if within else ("--bind", host)),
            *("--save", "", "--daemonize", "no", *saved, *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> RedisServer:
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(self._arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        began = time.monotonic()
        while time.monotonic() - began < READY_TIMEOUT_S:
            if self._process.poll() is not None:
                break
            try:
                if self.command("PING") == "+PONG":
                    return self
            except OSError:
                pass
            time.sleep(0.01)
        said = (self.directory / "redis.log").read_text(errors="replace")
        self.remove()
        raise AssertionError(f"no Redis:\n{said}")

    def command(self, *parts: str) -> str:
        """A command and the first line of its answer, by a connection of its own."""
        return self._ask(parts, lambda answer: answer.readline().decode().rstrip("\r\n"))

    def text(self, *parts: str) -> str:
        """A command and the text that it answers."""

        def whole(answer: BinaryIO) -> str:
            return answer.read(int(answer.readline()[1:])).decode()

        return self._ask(parts, whole)

    def _ask(self, parts: Sequence[str], read: Callable[[BinaryIO], str]) -> str:
        text = f"*{len(parts)}\r\n" + "".join(f"${len(part.encode())}\r\n{part}\r\n" for part in parts)
        with socket.create_connection((self.host, self.port), timeout=5) as connection:
            connection.sendall(text.encode())
            with connection.makefile("rb") as answer:
                return read(answer)

    def empty(self) -> None:
        """Forgets all data; scripts stay known."""
        assert self.command("FLUSHALL") == "+OK"

    def pause(self) -> None:
        """SIGSTOP: connections stay open, and nobody answers."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        self._running.kill()
        self._running.wait()
        self._process = None

    def stop(self) -> None:
        """SIGTERM, and waits for the end. Does nothing where it does not run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(READY_TIMEOUT_S)
            self._process = None

    def remove(self) -> None:
        """Stops it and deletes its directory."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it does not run"
        return self._process


_shared: list[RedisServer] = []


def shared_redis() -> RedisServer:
    """One server for all tests of this process that neither stop it nor mind that others empty it. Skips where there is none."""
    if not _shared:
        server = RedisServer()
        atexit.register(server.remove)
        _shared.append(server.start())
    return _shared[0]
