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
from msgspec import msgpack
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from onevault.stores.redis.link import CommandTimeout, Link
from onevault.stores.redis.scripts import Script
from onevault.stores.redis.settings import RedisSettings

_REASON_LENGTH_MAX = 200
_TRY_AGAIN_S = 0.01
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


class _Leaving(_Moved):
    """The slot is being moved, and what it was asked for is not here (any more): the node that it goes to is to be asked."""


class _TryAgain(Exception):
    """The slot is being moved, and some of the keys are here and some are not."""


class _Node:
    """One server, with the connections to it that nobody uses at the moment."""

    __slots__ = ("factory", "idle")

    def __init__(self, factory: ConnectionPool) -> None:
        self.factory = factory
        self.idle: list[Link] = []


class RedisConnection:
    """Connections to the store at a URL (`redis://`, `rediss://`, `unix://`), to be closed after use.

    As many as scripts run at the same time, which the callers bound. The URL may be of any node of a cluster: where it says that
    another has the keys, that one is connected to, as the URL says but for the address. While a slot is being moved, the new node is asked
    once every key of the script has left the old one; before that nobody can decide, and the script is tried again for as long as a
    command may take, then refused (it is known to be undone).
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
        timeout_s = timeout_s or self._settings.command_timeout_s
        moves_left = _MOVES_MAX
        waits_left = int(timeout_s / _TRY_AGAIN_S)
        while moves_left:
            node = self._moved.get(tag, self._first)
            try:
                try:
                    return await self._run(node, script, keys, arguments, timeout_s)
                except _Leaving as leaving:
                    return await self._asking(
                        node, self._node(leaving.host, leaving.port), script, keys, arguments, timeout_s
                    )
            except _TryAgain as undecided:
                if not waits_left:
                    raise Unreachable(f"its slot is being moved: {undecided}", is_known_undone=True) from None
                waits_left -= 1
                await asyncio.sleep(_TRY_AGAIN_S)
            except _Moved as moved:
                moves_left -= 1
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
        was_sent = False
        try:
            while node.idle:
                # The store may have closed it meanwhile (it was restarted).
                link = node.idle.pop()
                is_open = link.is_open
                try:
                    return await self._ask(node, link, packed, timeout_s)
                except _NoScript:
                    packed = _packed("EVAL", script.text, keys, arguments)
                except ConnectionResetError:
                    # Or it is lost just now, and the script has been carried out.
                    was_sent = was_sent or is_open
            try:
                return await self._ask(node, await self._connected(node), packed, timeout_s)
            except _NoScript:
                packed = _packed("EVAL", script.text, keys, arguments)
            return await self._ask(node, await self._connected(node), packed, timeout_s)
        except (ConnectionResetError, _NoScript) as error:
            raise Unreachable(error, is_known_undone=False) from None
        except Unreachable as error:
            if was_sent and error.is_known_undone:
                raise Unreachable(str(error), is_known_undone=False) from None
            raise

    async def _asking(
        self,
        old: _Node,
        new: _Node,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[bytes | str | int],
        timeout_s: float,
    ) -> bytes:
        """Runs a script on the node that a slot is being moved to. Raises _TryAgain as long as a key is still on the old one: keys that
        have left never come back, and new ones are made on the new node alone, so what was once gone for good is decided there."""
        asking = script if len(keys) == 1 else script.asking
        if asking is None:
            raise _TryAgain("not while it is moved")
        looks = b"".join(_command("EXISTS", key) for key in keys)
        for found in await self._each(old, looks, len(keys), timeout_s):
            if not (isinstance(found, Exception) and isinstance(_refusal(str(found)), _Leaving)):
                raise _TryAgain("keys are on both nodes")
        given = arguments if len(keys) == 1 else (*arguments, msgpack.encode(keys))
        for command, text in (("EVALSHA", asking.sha), ("EVAL", asking.text)):
            packed = _command("ASKING") + _packed(command, text, keys[-1:] if len(keys) == 1 else keys[1:2], given)
            answer = (await self._each(new, packed, 2, timeout_s))[1]
            if not isinstance(answer, Exception):
                whole: bytes = answer
                return whole
            refusal = _refusal(str(answer))
            if not isinstance(refusal, _NoScript):
                raise refusal
        raise Unreachable("the store forgets scripts", is_known_undone=True)

    async def _each(self, node: _Node, packed: bytes, commands: int, timeout_s: float) -> list[Any]:
        """The answers to commands that are written at once, errors among them."""
        try:
            answers: list[Any] = await self._answer(
                node, await self._connected(node), packed, timeout_s, commands=commands
            )
        except ConnectionResetError as error:
            raise Unreachable(error, is_known_undone=False) from None
        return answers

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
        """Raises ConnectionResetError where the connection is lost, _NoScript, _Moved, _Leaving, _TryAgain, Unreachable for all else."""
        answer = await self._answer(node, link, packed, timeout_s)
        if isinstance(answer, Exception):
            raise _refusal(str(answer))
        whole: bytes = answer
        return whole

    async def _answer(self, node: _Node, link: Link, packed: bytes, timeout_s: float, *, commands: int = 1) -> Any:
        """Raises ConnectionResetError, Unreachable."""
        try:
            answer = await link.ask(packed, timeout_s, commands=commands)
        except CommandTimeout as error:
            raise Unreachable(error, is_known_undone=False) from None
        except BaseException:
            link.close()
            raise
        if self._is_closed:
            link.close()
        else:
            node.idle.append(link)
        return answer


def _refusal(said: str) -> Exception:
    """What an error of the store's is to us."""
    kind = said.partition(" ")[0]
    if kind == "NOSCRIPT":
        return _NoScript(said)
    if kind == "MOVED":
        return _Moved(said)
    if kind == "ASK":
        return _Leaving(said)
    if kind == "TRYAGAIN":
        return _TryAgain(said)
    return Unreachable(said, is_known_undone=True)


def _packed(command: str, script: str, keys: Sequence[str], arguments: Sequence[bytes | str | int]) -> bytes:
    return _command(command, script, len(keys), *keys, *arguments)


def _command(*whole: Any) -> bytes:
    """As the protocol writes it. (hiredis declares a tuple of one; it takes any.)"""
    packed: bytes = pack_command(whole)
    return packed
