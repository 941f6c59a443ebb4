"""Sends scripts to one store and takes their answers, within hard timeouts; says whether what failed may have been done.

Connections are made when they are needed and given up after any failure, so a store that comes back is found by the next call.
redis-py makes them (URL, TLS, credentials); keeping them and the timeouts are done here, which takes a third of the time that its
pool does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from onevault.stores.redis.scripts import Script
from onevault.stores.redis.settings import RedisSettings

_REASON_LENGTH_MAX = 200


class Unreachable(Exception):
    """The store gave no usable answer. `is_known_undone`: it cannot have carried the script out, nor will it."""

    def __init__(self, error: BaseException | str, *, is_known_undone: bool) -> None:
        reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        super().__init__(reason[:_REASON_LENGTH_MAX])
        self.is_known_undone = is_known_undone


class RedisConnection:
    """Connections to the store at a URL (`redis://`, `rediss://`, `unix://`), to be closed after use.

    As many as scripts run at the same time, which the callers bound.
    """

    def __init__(self, url: str, settings: RedisSettings) -> None:
        self._settings = settings
        self._idle: list[AbstractConnection] = []
        self._is_closed = False
        self._factory = ConnectionPool.from_url(
            url, protocol=2, socket_timeout=None, retry=Retry(NoBackoff(), 0), health_check_interval=0
        )

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[bytes | str | int]) -> bytes:
        """The script's answer. Raises Unreachable. The script must change nothing when it is run a second time."""
        packed = _packed("EVALSHA", script.sha, keys, arguments)
        try:
            while self._idle:
                # One that the store has closed meanwhile (it was restarted) says so only when it is used.
                try:
                    return await self._ask(self._idle.pop(), packed)
                except ConnectionResetError:
                    continue
            return await self._ask(await self._connected(), packed)
        except NoScriptError:
            packed = _packed("EVAL", script.text, keys, arguments)
        except ConnectionResetError as error:
            raise Unreachable(error, is_known_undone=False) from None
        try:
            return await self._ask(await self._connected(), packed)
        except (ConnectionResetError, NoScriptError) as error:
            raise Unreachable(error, is_known_undone=False) from None

    async def close(self) -> None:
        """Closes what is idle, and what is in use as soon as it is not."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().disconnect()

    async def _connected(self) -> AbstractConnection:
        if self._idle:
            return self._idle.pop()
        connection: AbstractConnection = self._factory.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise Unreachable(error, is_known_undone=True) from None
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _ask(self, connection: AbstractConnection, packed: bytes) -> bytes:
        """Raises ConnectionResetError where the connection is lost, NoScriptError, Unreachable for all else."""
        is_whole = False
        try:
            async with asyncio.timeout(self._settings.command_timeout_s):
                await connection.send_packed_command(packed, check_health=False)
                answer: bytes = await connection.read_response(disconnect_on_error=False)
            is_whole = True
        except NoScriptError:
            is_whole = True
            raise
        except ResponseError as error:
            is_whole = True
            raise Unreachable(error, is_known_undone=True) from None
        except TimeoutError as error:
            raise Unreachable(error, is_known_undone=False) from None
        except (RedisError, OSError) as error:
            raise ConnectionResetError(str(error)) from None
        finally:
            if is_whole and not self._is_closed:
                self._idle.append(connection)
            else:
                # An answer that is still on its way must never be taken for that of the next command.
                await connection.disconnect(nowait=True)
        return answer


def _packed(command: str, script: str, keys: Sequence[str], arguments: Sequence[bytes | str | int]) -> bytes:
    """The command as the protocol writes it. (hiredis declares a tuple of one; it takes any.)"""
    whole: Any = (command, script, len(keys), *keys, *arguments)
    packed: bytes = pack_command(whole)
    return packed
