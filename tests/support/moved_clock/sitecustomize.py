"""Moves the wall clock of a Python process, before anything of it is imported: found by PYTHONPATH, led by a file with seconds.

(libfaketime would do it below Python; it makes `time.sleep` fail, which waits for a moment of the clock that must not be moved.)
"""

from __future__ import annotations

import os
import time

_PATH = os.environ["MOVED_CLOCK"]
_LOOK_EVERY_S = 0.2
_time_ns = time.time_ns
_monotonic = time.monotonic
_ahead_ns = 0
_looked_s = float("-inf")


def _moved_ns() -> int:
    global _ahead_ns, _looked_s  # one clock for the whole process
    now_s = _monotonic()
    if now_s - _looked_s > _LOOK_EVERY_S:
        with open(_PATH, encoding="ascii") as file:  # nothing more may be imported here
            _ahead_ns = int(float(file.read()) * 1_000_000_000)
        _looked_s = now_s
    return _time_ns() + _ahead_ns


time.time_ns = _moved_ns
time.time = lambda: _moved_ns() / 1_000_000_000
