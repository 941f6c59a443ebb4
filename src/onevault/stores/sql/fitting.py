"""Makes a call such that PostgreSQL can keep it: its texts have no NUL, and its addresses are addresses."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final

import msgspec

from onevault.core.records import Settled

NUL_SHOWN: Final = "\u2400"
"""What stands for a NUL that a caller or a provider put into a text: its picture."""


def kept_everywhere(record: Settled) -> Settled:
    """The record, changed only where it must be. Its rows' digest is then that of what is kept."""
    changed: Settled = msgspec.convert(_without_nul(msgspec.to_builtins(record)), Settled)
    return msgspec.structs.replace(changed, request_ip=_address(changed.request_ip))


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", NUL_SHOWN)
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return [_without_nul(each) for each in value] if isinstance(value, list | tuple) else value


def _address(text: str) -> str:
    """Without a zone (`fe80::1%eth0`), which only means something on the machine that has it; "" for what is none."""
    bare = text.partition("%")[0]
    try:
        ip_address(bare)
    except ValueError:
        return ""
    return bare
