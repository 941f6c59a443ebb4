"""Says of a signature which dialect's provider made it, where the dialect that carries it has no place for that.

Thinking signatures and encrypted reasoning are good only at the provider that made them. A caller of another dialect gets them
with the maker's name before them (`gemini#CiQB…`) and gives them back as they are. What has no such tag is the native maker's:
signatures are base64, in which `#` does not occur.
"""

from __future__ import annotations

import re

LEFT_OUT = ("thinking",)
"""What `WireRequest.dropped` calls thinking that another provider signed and that the target is not sent."""

_TAG = re.compile(r"([a-z][a-z-]{0,39})#")


def tagged(value: str, by: str, native: str) -> str:
    """`value` with its maker's name, unless the maker is `native` (whom callers of this dialect take for granted) or unknown."""
    return value if not by or by == native else f"{by}#{value}"


def untagged(text: str, native: str) -> tuple[str, str]:
    """The value and its maker: the one that the tag names, or `native` where there is no tag."""
    found = _TAG.match(text)
    return (text[found.end() :], found[1]) if found else (text, native)


def is_anothers(text: str | None, native: str) -> bool:
    """Whether the tag names another maker than `native`."""
    return text is not None and "#" in text and untagged(text, native)[1] != native
