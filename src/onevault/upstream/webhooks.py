"""Sends to addresses that tenants name: each is checked where the connection is made, so no name can lead elsewhere meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Final

import aiohttp

from onevault.core.delivery import Posted
from onevault.policy.outbound import Network, destination, is_allowed
from onevault.upstream.transport_settings import TransportSettings, tls_context

RESOLVE_S: Final = 3.0


class _Refused(OSError):
    """The address is none that may be spoken to."""


class WebhookPoster:
    """Implements `core.delivery.Poster`. Uses no proxy: behind one nobody here would know where a name leads."""

    def __init__(self, settings: TransportSettings, networks: Sequence[Network] = (), *, timeout_s: float) -> None:
        """Raises OSError or ssl.SSLError for unusable certificate files."""
        self._networks = tuple(networks)
        self._timeout_s = timeout_s
        self._tls = tls_context(settings)

    async def post(self, url: str, *, headers: dict[str, str], body: bytes) -> Posted:
        try:
            destination(url, self._networks)
        except ValueError as refused:
            return Posted(None, f"the URL {refused}")
        connector = aiohttp.TCPConnector(
            ssl=self._tls, use_dns_cache=False, force_close=True, socket_factory=self._checked_socket
        )
        sent = {"content-type": "application/json", "user-agent": "OneVault-Webhooks", **headers}
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
                ) as session,
                session.post(
                    url,
                    data=body,
                    headers=sent,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                ) as answer,
            ):
                return Posted(answer.status, "" if 200 <= answer.status < 300 else "the answer was no success")
        except TimeoutError:
            return Posted(None, f"no answer within {self._timeout_s:g} s")
        except aiohttp.ClientConnectorError as error:
            refused_address = isinstance(error.os_error, _Refused)
            return Posted(None, "leads to an internal or special address" if refused_address else "no connection")
        except (aiohttp.ClientError, OSError, ValueError):
            return Posted(None, "the connection or the answer broke")

    async def check(self, url: str) -> None:
        """A name that cannot be resolved at the moment passes: each delivery checks where it leads."""
        there = destination(url, self._networks)
        if there.address is not None:
            return
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = await asyncio.get_running_loop().getaddrinfo(there.host, there.port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            return
        if not all(self._is_allowed(entry[4]) for entry in found):
            raise ValueError("must not lead to an internal or special address")

    def _checked_socket(self, info: Any) -> socket.socket:
        """Called for every connection with the address that it is made to, whether a name led there or not."""
        family, kind, protocol, _, address = info
        if not self._is_allowed(address):
            raise _Refused("not an address of the public internet")
        return socket.socket(family, kind, protocol)

    def _is_allowed(self, address: Any) -> bool:
        return is_allowed(ip_address(str(address[0]).partition("%")[0]), self._networks)
