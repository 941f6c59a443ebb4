"""Fills a store that is new or has lost its data with what the vault knows of each window, before it counts anything.

A store without its mark refuses every operation, so figures that were lost are never taken for zero.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ScopeId, Window
from onevault.core.money import NANOS_PER_USD
from onevault.stores.redis.connection import RedisConnection, Unreachable
from onevault.stores.redis.keys import TenantKeys
from onevault.stores.redis.scripts import Script, reconciled_script, restore_script, standing_script
from onevault.stores.redis.settings import RedisSettings
from onevault.stores.rollup import ScopeUsage

_MS: Final = 1000


class Restore:
    """Any number of processes may do it at once: one does, the others are told so."""

    def __init__(self, connection: RedisConnection, settings: RedisSettings) -> None:
        self._connection = connection
        self._settings = settings
        self._script = restore_script()
        self._standing = standing_script()
        self._reconciling = reconciled_script()

    async def __call__(self, tenant_id: str, sums: Sequence[ScopeUsage], *, standing: str = "") -> bool:
        """True where this call filled the store; False where it was filled already, and nothing was changed. (Also False where the
        answer to the last step was lost; `standing` tells then whose filling it is.)

        `sums` are the vault's, all of one moment; `standing` says which (up to where every journal was loaded then). It is kept
        with the store, so that each process can settle what its journal has from there on: settling twice changes nothing.
        Raises Fault STORE_UNAVAILABLE when the store does not answer, CONFLICT while another process is filling it (or died over
        it, less than `restore_silence_s` ago): ask again.
        """
        keys = TenantKeys(tenant_id)
        who = secrets.token_hex(8)
        most = self._settings.restore_scopes_per_step_max
        scopes: dict[ScopeId, dict[str, tuple[int, ...]]] = {}
        for row in sums:
            scopes.setdefault(row.scope, {})[row.label] = _figures(row)
        named = list(scopes)
        for start in range(0, max(1, len(named)), most):
            step = named[start : start + most]
            names = [keys.ready, keys.restoring, *(keys.scope(scope) for scope in step)]
            written = [scopes[scope] for scope in step]
            is_last = int(start + most >= len(named))
            silence_ms = int(self._settings.restore_silence_s * _MS)
            given = (who, silence_ms, is_last, standing, msgspec.msgpack.encode(written))
            answer = await self._step(names, given)
            if answer == b"FILLED":
                return False
            if answer == b"BUSY":
                raise Fault(
                    FaultKind.CONFLICT,
                    "Another process is filling the store.",
                    retry_after_s=self._settings.retry_after_s,
                )
        return True

    async def _step(self, names: Sequence[str], given: Sequence[bytes | str | int]) -> bytes:
        """One step, also where its answer is lost: it sets, so to repeat it is harmless, and to begin anew would have to wait
        `restore_silence_s` for oneself."""
        for tries_left in reversed(range(self._settings.restore_tries_per_step_max)):
            try:
                return await self._connection.run(
                    self._script, names, given, timeout_s=self._settings.restore_step_timeout_s
                )
            except Unreachable:
                if not tries_left:
                    raise self._away() from None
        raise self._away()

    async def standing(self, tenant_id: str) -> str | None:
        """What was kept when the store was filled; None where it was not. Raises Fault STORE_UNAVAILABLE."""
        answer = await self._asked(self._standing, TenantKeys(tenant_id).ready)
        return answer.decode()[1:] if answer else None

    async def reconciled(self, tenant_id: str, journal: str) -> str:
        """For which filling of the store (`mark_reconciled`) a journal has been counted; "" for none. Raises Fault STORE_UNAVAILABLE."""
        return await self._reconciled(tenant_id, journal, "")

    async def mark_reconciled(self, tenant_id: str, journal: str, filling: str) -> None:
        """What a journal had when this filling of the store was made counts by now. Raises Fault STORE_UNAVAILABLE."""
        await self._reconciled(tenant_id, journal, filling)

    async def _reconciled(self, tenant_id: str, journal: str, filling: str) -> str:
        answer = await self._asked(self._reconciling, TenantKeys(tenant_id).reconciled, journal, filling)
        return answer.decode() if answer else ""

    async def _asked(self, script: Script, key: str, *given: str) -> bytes:
        try:
            return await self._connection.run(script, (key,), given)
        except Unreachable:
            raise self._away() from None

    def _away(self) -> Fault:
        message = "The store that counts limits and budgets does not answer."
        return Fault(FaultKind.STORE_UNAVAILABLE, message, retry_after_s=self._settings.retry_after_s)


def _figures(row: ScopeUsage) -> tuple[int, ...]:
    """In the order of `records.lua`. Attempts are known as far as they were held; what is held or running is not."""
    attempts = 0 if row.window is Window.TOTAL else row.requests
    money, overshoot = divmod(row.money, NANOS_PER_USD), divmod(row.overshoot, NANOS_PER_USD)
    return (*money, 0, 0, row.tokens, 0, row.requests, *overshoot, attempts, 0)
