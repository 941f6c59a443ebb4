"""Examines what a gateway needs around it: its directory, its vault, its port, its providers."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket

import msgspec

from onevault.bootstrap.redis_to_read import redis_to_read
from onevault.config.schema import Settings
from onevault.core.faults import Fault
from onevault.stores.sql.engine import VaultUnusable, open_vault
from onevault.upstream.endpoints import endpoints

_FREE_BYTES_MIN = 256 << 20
_CONNECT_S = 3.0


class Finding(msgspec.Struct, frozen=True):
    """What was examined, whether it is well, and what was seen or should be done."""

    name: str
    ok: bool
    detail: str


async def examine(settings: Settings) -> list[Finding]:
    """Every finding. Sends nothing to a provider: it only connects."""
    findings = [Finding("configuration", True, str(settings.source or "environment and defaults"))]
    findings += [await _directory(settings), _port(settings)]
    if settings.gateway.database_url is not None:
        findings.append(await _database(settings))
    if settings.gateway.redis_url is not None:
        findings.append(await _shared_ledger(settings))
    found = endpoints(settings, simulator_url=None)
    if not found:
        findings.append(Finding("providers", True, "none configured: the built-in simulator answers"))
    for endpoint in found.values():
        findings.append(await _reachable(endpoint.provider, endpoint.origin.host, endpoint.origin.port))
    return findings


async def _directory(settings: Settings) -> Finding:
    directory = settings.gateway.data_dir
    name = f"data directory {directory}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            return Finding(
                name, False, "cannot be written; give the gateway's user the right, or set ONEVAULT_DATA_DIR"
            )
        free = shutil.disk_usage(directory).free
        if free < _FREE_BYTES_MIN:
            return Finding(
                name, False, f"only {free >> 20} MiB are free; calls are refused when the journal cannot be written"
            )
        if settings.gateway.database_url is not None:
            return Finding(name, True, f"writable, {free >> 20} MiB free")
        async with open_vault(directory):
            return Finding(name, True, f"writable, {free >> 20} MiB free, vault opens")
    except (OSError, VaultUnusable) as error:
        return Finding(name, False, str(error))


async def _database(settings: Settings) -> Finding:
    """The vault on its server. Its name shows no password."""
    try:
        async with open_vault(settings.gateway.data_dir, database_url=settings.gateway.vault_url) as vault:
            return Finding(f"vault {vault.database.where}", True, "opens")
    except VaultUnusable as error:
        return Finding("vault", False, str(error))


async def _shared_ledger(settings: Settings) -> Finding:
    """Names no address: it may hold a password."""
    name = "shared ledger"
    try:
        async with redis_to_read(settings) as redis:
            if redis is None:
                return Finding(name, True, "none")
            if await redis.restore.standing(settings.tenant.tenant_id) is None:
                return Finding(
                    name, True, "Redis answers and is empty; the first gateway to start fills it from the vault"
                )
            return Finding(name, True, "Redis answers and counts")
    except OSError as error:
        return Finding(name, False, str(error))
    except Fault:
        return Finding(name, False, "Redis does not answer; see that gateway.redis_url is right and that it runs")


def _port(settings: Settings) -> Finding:
    host, port = settings.gateway.host, settings.gateway.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        except OSError as error:
            return Finding(
                f"port {port}", False, f"{error.strerror}: a gateway is running already, or set another port"
            )
    return Finding(f"port {port}", True, "free")


async def _reachable(provider: str, host: str, port: int) -> Finding:
    name = f"provider {provider}"
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except TimeoutError:
        return Finding(name, False, f"{host}:{port} did not take a connection within {_CONNECT_S:g} s")
    except OSError as error:
        return Finding(name, False, f"{host}:{port} cannot be reached: {error.strerror or error}")
    return Finding(name, True, f"{host}:{port} takes connections")
