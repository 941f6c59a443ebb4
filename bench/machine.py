"""What the figures were measured on, and whether anything else was running meanwhile."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.processes import Process


def description() -> dict[str, str]:
    """What a reader needs to compare figures; nothing that names the machine."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "node": _node(),
    }


@dataclass
class Others:
    """CPU time of everything that is not part of the bench, in cores: the largest share seen in any measurement."""

    cores: float = 0.0

    @contextmanager
    def watched(self, ours: Sequence[Process]) -> Iterator[None]:
        """Looks at one measurement, during which `ours` and this process are what should be running."""
        before_s, busy_s, began_s = self._ours_s(ours), _busy_s(), time.perf_counter()
        yield
        seconds = time.perf_counter() - began_s
        foreign_s = (_busy_s() - busy_s) - (self._ours_s(ours) - before_s)
        if seconds > 1:
            self.cores = max(self.cores, foreign_s / seconds)

    @staticmethod
    def _ours_s(ours: Sequence[Process]) -> float:
        return sum(process.cpu_s() for process in ours) + time.process_time()


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice + times.irq + times.softirq)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _node() -> str:
    try:
        return subprocess.run(
            ["node", "--version"], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "none"
