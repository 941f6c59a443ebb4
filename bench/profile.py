"""Where OneVault's CPU time goes under load: `python -m bench.profile [--case whole]`, by py-spy from outside the process.

It prints microseconds per call (or event) for each function, by itself and with what it calls, and keeps the folded stacks
for a flame graph.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from operator import itemgetter
from pathlib import Path
from typing import Final

from bench.figures import CASES, EXTRAS
from bench.gateways import started
from bench.gateways.onevault import OneVault
from bench.generator import generator
from bench.processes import BenchError, Process
from bench.settings import INSTALLED, LOAD_CORE, PROFILER_VERSION
from bench.upstream import upstream

_INSTALL_TIMEOUT_S: Final = 300
_WARM_S: Final = 3.0
_MARGIN_S: Final = 1.0
_OTHER_THREADS: Final = "Thread._bootstrap"


def _profiler(home: Path = INSTALLED / "profile") -> Path:
    """py-spy in a virtualenv of its own. Raises BenchError."""
    program = home / "bin/py-spy"
    if not program.is_file():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=120)
            pip = [str(home / "bin/pip"), "install", "-q", "--disable-pip-version-check", f"py-spy=={PROFILER_VERSION}"]
            subprocess.run(pip, check=True, timeout=_INSTALL_TIMEOUT_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise BenchError(f"py-spy=={PROFILER_VERSION} cannot be installed with pip: {error}") from None
    return program


def _thread_cpu_s(gateway: Process) -> tuple[float, float]:
    """CPU time of the main thread, and of all others together."""
    spent = {thread.id: thread.user_time + thread.system_time for thread in gateway.tree()[0].threads()}
    main_s = spent.pop(gateway.popen.pid)
    return main_s, sum(spent.values())


def _weighed(folded: str, main_us: float, others_us: float) -> tuple[dict[str, float], dict[str, float]]:
    """Microseconds per function by itself and with what it calls. A folded line is `a;b;c 12`.

    Samples say how a thread's time is divided; how much time it had is known from the system, since a thread that waits for
    the interpreter's lock is sampled as if it ran.
    """
    stacks: list[tuple[list[str], bool, int]] = []
    for line in folded.splitlines():
        stack, _, number = line.rpartition(" ")
        if number.isdecimal() and number.isascii():  # a sample taken while names were moved is not one
            stacks.append((stack.split(";"), not stack.startswith(_OTHER_THREADS), int(number)))
    samples = {is_main: sum(count for _, of_main, count in stacks if of_main is is_main) for is_main in (True, False)}
    alone: dict[str, float] = defaultdict(float)
    within: dict[str, float] = defaultdict(float)
    for frames, is_main, count in stacks:
        spent_us = (main_us if is_main else others_us) * count / samples[is_main]
        alone[frames[-1]] += spent_us
        for frame in set(frames):
            within[frame] += spent_us
    return alone, within


def main() -> None:
    cases = {case.name: case for case in CASES + EXTRAS}
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--case", choices=sorted(cases), default="whole")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--native", action="store_true", help="frames of C extensions too")
    parser.add_argument("--lines", action="store_true", help="by line instead of by function")
    parser.add_argument("--top", type=int, default=40)
    arguments = parser.parse_args()
    case = cases[arguments.case]
    profiler = _profiler()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="onevault-profile-") as temporary:
        directory = Path(temporary)
        with (
            upstream(directory) as fake,
            generator(directory) as load,
            started(OneVault(), fake, directory / "gateway") as gateway,
        ):
            to = gateway.destination(case)
            load.closed(to, case, seconds=_WARM_S)
            output = INSTALLED / "profile" / f"{case.name}.folded"
            command = [
                str(profiler),
                "record",
                "--pid",
                str(gateway.process.popen.pid),
                "--duration",
                f"{arguments.seconds:.0f}",
            ]
            command += ["--rate", "500", "--nonblocking", "--format", "raw", "--output", str(output)]
            command += ["--native"] * arguments.native + ["--function"] * (not arguments.lines)
            recording = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            before = _thread_cpu_s(gateway.process)
            result = load.closed(to, case, seconds=arguments.seconds + _MARGIN_S)
            after = _thread_cpu_s(gateway.process)
            recording.wait(arguments.seconds + 30)
        units = result["calls"] * max(1, case.events)
        main_us, others_us = ((now - then) * 1e6 / units for now, then in zip(after, before, strict=True))
        alone, within = _weighed(output.read_text(), main_us, others_us)
    per = "event" if case.events else "call"
    print(f"{case.name}: {main_us:.1f} µs per {per} in the main thread, {others_us:.1f} in others; stacks in {output}")
    for title, microseconds in (("by itself", alone), ("with what it calls", within)):
        print(f"\n    µs  {title}")
        for frame, spent_us in sorted(microseconds.items(), key=itemgetter(1), reverse=True)[: arguments.top]:
            print(f"{spent_us:6.1f}  {frame}")


if __name__ == "__main__":
    main()
