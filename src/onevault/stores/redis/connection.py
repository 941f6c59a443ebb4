"""Sends scripts to one store and takes their answers, within hard timeouts; says whether what failed may have been done.

Connections are made when they are needed and given up after any failure, so a store that comes back is found by the next call.
redis-py makes them (URL, TLS, credentials); keeping them and the timeouts are done here, which takes a third of the time that its
pool does.

A node of a cluster that does not have a tenant's keys says which one does: that one is asked from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from onevault.stores.redis.link import CommandTimeout, Link
from onevault.stores.redis.scripts import Script
from onevault.stores.redis.settings import RedisSettings

_REASON_LENGTH_MAX = 200
_MOVES_MAX = 4
"""How often one script is sent on: nodes that disagree for longer are about to agree, and the next call asks again."""


class Unreachable(Exception):
    """The store gave no usable answer. `is_known_undone`: it cannot have carried the script out, nor will it."""

    def __init__(self, error: BaseException | str, *, is_known_undone: bool) -> None:
        reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        super().__init__(reason[:_REASON_LENGTH_MAX])
        self.is_known_undone = is_known_undone


class _NoScript(Exception):
    """The store does not know the script (yet)."""


class _Moved(Exception):
    """The keys are at another node of the cluster."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.host, _, port = said.rpartition(" ")[2].rpartition(":")
        self.port = int(port)


class _Node:
    """One server, with the connections to it that nobody uses at the moment."""

    __slots__ = ("factory", "idle")

    def __init__(self, factory: ConnectionPool) -> None:
        self.factory = factory
        self.idle: list[Link] = []


class RedisConnection:
    """Connections to the store at a URL (`redis://`, `rediss://`, `unix://`), to be closed after use.

    As many as scripts run at the same time, which the callers bound. The URL may be of any node of a cluster: where it says that
    another has the keys, that one is connected to, as the URL says but for the address. While a slot is being moved, its
    scripts are refused (they are known to be undone).
    """

    def __init__(self, url: str, settings: RedisSettings) -> None:
        self._settings = settings
        self._is_closed = False
        self._first = _Node(
            ConnectionPool.from_url(
                url, protocol=2, socket_timeout=None, retry=Retry(NoBackoff(), 0), health_check_interval=0
            )
        )
        self._others: dict[tuple[str, int], _Node] = {}
        self._moved: dict[str, _Node] = {}
        """Where the keys of a hash tag are, as far as they are not at the URL."""

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[bytes | str | int],
        *,
        timeout_s: float | None = None,
    ) -> bytes:
        """The script's answer. Raises Unreachable. The script must change nothing when it is run a second time.
        `timeout_s` is for scripts that may take longer than `command_timeout_s`."""
        tag = keys[0].partition("}")[0]
        for _ in range(_MOVES_MAX):
            node = self._moved.get(tag, self._first)
            try:
                return await self._run(node, script, keys, arguments, timeout_s or self._settings.command_timeout_s)
            except _Moved as moved:
                self._moved[tag] = self._node(moved.host, moved.port)
            except Unreachable:
                # A node that died may have been replaced: any other one knows.
                self._moved.pop(tag, None)
                raise
        raise Unreachable("the nodes of the cluster disagree on which has the keys", is_known_undone=True)

    async def close(self) -> None:
        """Closes what is idle, and what is in use as soon as it is not."""
        self._is_closed = True
        for node in (self._first, *self._others.values()):
            while node.idle:
                node.idle.pop().close()

    def _node(self, host: str, port: int) -> _Node:
        """The server of a cluster at an address; an empty host means the one that said so."""
        first = self._first.factory
        host = host or str(first.connection_kwargs.get("host", "localhost"))
        node = self._others.get((host, port))
        if node is None:
            given = first.connection_kwargs | {"host": host, "port": port}
            node = self._others[(host, port)] = _Node(ConnectionPool(first.connection_class, **given))
        return node

    async def _run(
        self,
        node: _Node,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[bytes | str | int],
        timeout_s: float,
    ) -> bytes:
        """Raises _Moved where the keys are elsewhere, else Unreachable."""
        packed = _packed("EVALSHA", script.sha, keys, arguments)
        try:
            while node.idle:
                # One that the store has closed meanwhile (it was restarted) says so only when it is used.
                try:
                    return await self._ask(node, node.idle.pop(), packed, timeout_s)
                except ConnectionResetError:
                    continue
            return await self._ask(node, await self._connected(node), packed, timeout_s)
        except _NoScript:
            packed = _packed("EVAL", script.text, keys, arguments)
        except ConnectionResetError as error:
            raise Unreachable(error, is_known_undone=False) from None
        try:
            return await self._ask(node, await self._connected(node), packed, timeout_s)
        except (ConnectionResetError, _NoScript) as error:
            raise Unreachable(error, is_known_undone=False) from None

    async def _connected(self, node: _Node) -> Link:
        if node.idle:
            return node.idle.pop()
        connection: AbstractConnection = node.factory.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise Unreachable(error, is_known_undone=True) from None
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return Link(connection)

    async def _ask(self, node: _Node, link: Link, packed: bytes, timeout_s: float) -> bytes:
        """Raises ConnectionResetError where the connection is lost, _NoScript, _Moved, Unreachable for all else."""
        try:
            answer = await link.ask(packed, timeout_s)
        except CommandTimeout as error:
            raise Unreachable(error, is_known_undone=False) from None
        except BaseException:
            link.close()
            raise
        if self._is_closed:
            link.close()
        else:
            node.idle.append(link)
        if isinstance(answer, Exception):
            raise _refusal(str(answer))
        whole: bytes = answer
        return whole


def _refusal(said: str) -> Exception:
    """What an error of the store's is to us."""
    kind = said.partition(" ")[0]
    if kind == "NOSCRIPT":
        return _NoScript(said)
    if kind == "MOVED":
        return _Moved(said)
    return Unreachable(said, is_known_undone=True)


def _packed(command: str, script: str, keys: Sequence[str], arguments: Sequence[bytes | str | int]) -> bytes:
    """The command as the protocol writes it. (hiredis declares a tuple of one; it takes any.)"""
    whole: Any = (command, script, len(keys), *keys, *arguments)
    packed: bytes = pack_command(whole)
    return packed
