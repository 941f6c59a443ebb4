"""Runs the gateway in the foreground: listen, serve, follow the configuration, drain."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
import uvloop
from watchfiles import awatch

from onevault.api.server import server
from onevault.bootstrap.gateway import RunningGateway, running
from onevault.bootstrap.surface import SOCKET_PATHS
from onevault.bootstrap.workers import Worker, Workers, reserved, worker_command, worker_of
from onevault.config.problems import ConfigurationError
from onevault.config.schema import Settings
from onevault.telemetry.logging import configure
from onevault.telemetry.output import standard_output

_SWITCH_INTERVAL_S = 0.0005
"""How long another thread (the loader) may keep the event loop waiting for the interpreter. Python's own 5 ms would be added
to every call whose journal write meets a batch being loaded."""
_YOUNG_OBJECTS_MAX = 3_000
_FILES_MAX = 1 << 16
"""Two connections for each of the calls that may be in flight, and some more."""
_log = structlog.get_logger("onevault.serve")


def run(load: Callable[[], Settings], *, watched: Path | None) -> int:
    """Serves until told to stop; the exit code. Raises ConfigurationError, Fault or OSError for what keeps it from starting.

    `load` reads the configuration; it is called again when the `watched` file changes or SIGHUP comes. With more workers than one
    this process serves nothing itself: it starts them, each as this program again.
    """
    settings = load()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    configure(level=settings.monitoring.log_level, json=settings.monitoring.log_format == "json")
    _allow_files()
    worker = worker_of(os.environ)
    if worker is None and settings.gateway.workers > 1:
        return _run_workers(settings, watched)
    uvloop.run(_serve(settings, load, watched.absolute() if watched else None, worker=worker))
    return 0


def _allow_files() -> None:
    """Lifts the limit on open files as far as this user may: what systems give at first (1,024) is less than the calls in flight."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # then it serves as many as it may
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _run_workers(settings: Settings, watched: Path | None) -> int:
    gateway = settings.gateway
    with (
        reserved(gateway.host, gateway.port) as address,
        tempfile.TemporaryDirectory(prefix="onevault-") as siblings,
    ):
        command = worker_command(
            workers=gateway.workers,
            host=gateway.host,
            port=address.getsockname()[1],
            config=str(watched) if watched else None,
        )
        return asyncio.run(Workers(command, gateway.workers, siblings=Path(siblings)).run())


async def _serve(
    settings: Settings, load: Callable[[], Settings], watched: Path | None, *, worker: Worker | None
) -> None:
    # The loop notes every asynchronous generator that starts, only to close those left at its end: here all are closed by
    # whoever opened them, and each call has seven.
    sys.set_asyncgen_hooks(firstiter=None)
    gateway = settings.gateway
    listener = _listen(gateway.host, gateway.port, shared=worker is not None)
    number, siblings = (worker.number, Path(worker.siblings)) if worker is not None else (1, None)
    try:
        base_url = _url(gateway.host, listener.getsockname()[1])
        async with running(settings, base_url=base_url, worker=number, siblings=siblings) as running_gateway:
            http = server(
                running_gateway.app,
                header_bytes_max=gateway.header_bytes_max,
                header_timeout_s=gateway.header_timeout_s,
                body_timeout_s=gateway.body_timeout_s,
                idle_timeout_s=gateway.idle_timeout_s,
                drain_timeout_s=gateway.drain_timeout_s,
                on_drain=running_gateway.drain,
                busy=lambda: running_gateway.in_flight.calls > 0,
                heartbeat_s=gateway.heartbeat_s,
                socket_paths=SOCKET_PATHS,
            )
            following = asyncio.create_task(_follow(running_gateway, settings, load, watched))
            _settle_memory()
            if number == 1:
                standard_output().write(running_gateway.greeting + "\n")
            if worker is not None:
                worker.tell_ready()
                worker.end_with_the_process_above()
            try:
                await http.serve(sockets=[listener])
            finally:
                following.cancel()
                await asyncio.wait((following,))
    finally:
        listener.close()


def _settle_memory() -> None:
    """What stands by now stays: the collector need not look at it again, nor come by every few calls.

    Nothing on the path of a call makes reference cycles that live on, so it finds next to nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS_MAX, 10, 10)


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    """`shared` with other workers. Raises OSError that names the address, before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return listener


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


async def _follow(
    gateway: RunningGateway, settings: Settings, load: Callable[[], Settings], watched: Path | None
) -> None:
    """Reloads when the file changes or SIGHUP comes; an invalid configuration is refused and the old one stays."""
    changed = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, changed.set)
    files = _files(settings, watched)
    watching = asyncio.create_task(_watch(files, changed)) if files else None
    try:
        while True:
            await changed.wait()
            changed.clear()
            try:
                settings = await asyncio.to_thread(load)
                await gateway.apply(settings)
            except ConfigurationError as error:
                _log.error("configuration refused", problems=[str(problem) for problem in error.problems])
            except OSError as error:
                _log.error("configuration refused", problems=[str(error)])
            else:
                _log.info("configuration applied")
                if (now := _files(settings, watched)) != files:
                    files = now
                    if watching is not None:
                        watching.cancel()
                    watching = asyncio.create_task(_watch(files, changed)) if files else None
    finally:
        if watching is not None:
            watching.cancel()


def _files(settings: Settings, watched: Path | None) -> frozenset[Path]:
    """What a change of the configuration is seen by: its file, and those that its secrets are in."""
    files = {file.absolute() for file in settings.secret_files if file.parent.is_dir()}
    return frozenset(files | ({watched} if watched is not None else set()))


async def _watch(files: frozenset[Path], changed: asyncio.Event) -> None:
    """Editors and Kubernetes replace files, so their directories are watched."""
    directories = {file.parent for file in files}
    async for changes in awatch(*directories, step=100, debounce=400, recursive=False, stop_event=None):
        if any(Path(path) in files or "..data" in path for _, path in changes):
            changed.set()
