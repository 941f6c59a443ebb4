"""The system's own clock, dice and ids, handed to everything that needs them."""

from __future__ import annotations

import asyncio
import os
import time


class SystemClock:
    """Implements `ports.Clock`."""

    wall_ns = staticmethod(time.time_ns)
    monotonic_s = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


def new_id() -> str:
    """48 bits of milliseconds and 80 of chance, in hexadecimal: sorts by time, cannot be guessed."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
