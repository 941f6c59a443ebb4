"""Runs `onevault` commands as processes that are forked from one which has imported it: the same code without a second's start."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onevault.cli import main
from onevault.cli.app import command_line
from tests.support.patience import PATIENCE_S
from tests.support.processes import clean_environment

TIMEOUT_S = PATIENCE_S

command_line()  # loads what the commands need

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Done:
    code: int | None
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """Runs commands in a directory, on the data directory below it. No run may end in a traceback or take long."""

    directory: Path

    def __call__(self, *arguments: str, **environment: str) -> Done:
        settings = {"ONEVAULT_DATA_DIR": str(self.directory / "data")} | environment
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            process = _processes.Process(
                target=_run, args=(arguments, clean_environment(settings), str(self.directory), out.name, err.name)
            )
            process.start()
            process.join(TIMEOUT_S)
            if process.exitcode is None:
                process.kill()
                process.join()
            done = Done(process.exitcode, Path(out.name).read_text(), Path(err.name).read_text())
            process.close()
        for said in (done.out, done.err):
            assert "Traceback" not in said, said
            assert 'File "' not in said, said
        assert done.code is not None, done
        assert done.code >= 0, f"it did not end: {done}"
        return done

    def file(self, name: str, text: str | bytes) -> str:
        (self.directory / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name


def _run(arguments: tuple[str, ...], environment: Mapping[str, str], directory: str, out: str, err: str) -> None:
    for number, name in ((1, out), (2, err)):
        file = os.open(name, os.O_WRONLY | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    warnings.simplefilter("error")
    sys.argv = ["onevault", *arguments]
    main()
