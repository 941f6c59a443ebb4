"""The Lua programs as they are sent to the store: whole texts, called by their SHA-1."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

import msgspec

from onevault.stores.redis.settings import DAYS_AROUND, MONTHS_AROUND, RedisSettings

_PARTS: Final = ("numbers", "records", "minutes", "rates", "ledger", "batch")
_MS: Final = 1000


class Script(msgspec.Struct, frozen=True):
    """`sha` is what EVALSHA calls it by. `asking` is what does the same on a node that a slot is being moved to; None: nothing does."""

    text: str
    sha: str
    asking: Script | None = None


def batch_script(settings: RedisSettings) -> Script:
    """The program that decides a batch of operations, with its settings written into it."""
    head = (
        f"local settings = {{ lease_ms = {int(settings.lease_s * _MS)}, settled_ms = {int(settings.settled_kept_s * _MS)}, "
        f"put_down_ms = {int(settings.put_down_kept_s * _MS)}, "
        f"spend_expired = {'true' if settings.spend_expired_holds else 'false'}, "
        f"expired_at_once = {settings.expired_per_batch_max}, "
        f"days_around = {DAYS_AROUND}, months_around = {MONTHS_AROUND} }}\n"
    )
    whole = head + "".join(_source(part) for part in _PARTS)
    # Of several keys that are declared all would have to exist there. So one is, and the others come as an argument.
    asking = _script(f"local KEYS, ONE_BY_ONE = cmsgpack.unpack(ARGV[4]), true\n{whole}")
    return msgspec.structs.replace(_script(f"local ONE_BY_ONE = false\n{whole}"), asking=asking)


def restore_script() -> Script:
    """The program that fills an empty store."""
    return _script(_source("restore"))


def standing_script() -> Script:
    """The program that reads the mark of a filled store: `=` and what was kept with it, or empty."""
    return _script("return redis.call('GET', KEYS[1]) or ''")


def left_script() -> Script:
    """The program that finds what processes that are gone have begun."""
    return _script(_source("left"))


def reconciled_script() -> Script:
    """The program that notes for which filling of the store a journal was counted (ARGV: journal, filling), and tells it."""
    return _script(
        "if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end "
        "return redis.call('HGET', KEYS[1], ARGV[1]) or ''"
    )


def holds_script() -> Script:
    """The program that reads what is held."""
    return _script(_source("holds"))


def _source(name: str) -> str:
    return files("onevault.stores.redis").joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _script(text: str) -> Script:
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
