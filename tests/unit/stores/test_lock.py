"""A data directory serves one process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from onevault.core.faults import Fault, FaultKind
from onevault.stores.journal.lock import locked

CHILD = """
import sys, time
from pathlib import Path
from onevault.stores.journal.lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_directory_that_another_process_uses_is_refused_by_its_number_and_free_when_it_is_killed(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "data"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(directory)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child, child.stdout:
        assert child.stdout.readline() == "locked\n"
        with pytest.raises(Fault, match=f"in use by process {child.pid}") as refusal, locked(directory):
            pass
        assert refusal.value.kind is FaultKind.CONFLICT
        child.send_signal(signal.SIGKILL)
    with locked(directory):
        assert (directory / "lock").read_text() == f"{os.getpid()}\n"
        assert stat.S_IMODE((directory / "lock").stat().st_mode) == 0o600
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    with locked(directory):
        pass


def test_a_directory_that_cannot_be_written_is_a_clear_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="cannot be used"), locked(tmp_path / "file" / "data"):
        pass
