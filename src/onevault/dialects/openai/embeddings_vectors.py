"""Vectors as bytes: 32-bit floating point numbers, the lowest byte first, as OpenAI's base64 has them."""

from __future__ import annotations

import sys
from array import array


def little_endian(numbers: array[float]) -> array[float]:
    """The same numbers with their bytes in the other order where this machine's is not that of the wire."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
