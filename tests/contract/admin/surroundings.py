"""What the admin API stands on in these tests: a real server on a real socket, the ledger in memory, a clock that is set."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvicorn
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from onevault.admin.app import create_admin
from onevault.admin.deps import AdminDeps, Health
from onevault.admin.office import office_of
from onevault.admin.people import DirectoryPeople
from onevault.api.errors import status_of
from onevault.config.schema import ProviderSettings
from onevault.core.directory import Change, Changes, Directory, Snapshot
from onevault.core.faults import Fault
from onevault.core.identity import ScopeId
from onevault.core.records import Record, Settled
from onevault.pipeline.sign_in import SignIn
from onevault.policy.access import Access
from onevault.policy.purpose import master_key
from onevault.stores.keys.keyring import Keyring
from onevault.stores.keys.masters import LocalMasterKeys
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.rates import MemoryRates
from onevault.stores.sql.answers import VaultAnswers
from onevault.stores.sql.change_log import VaultChangeLog
from onevault.stores.sql.deliveries import VaultDeliveries
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault
from onevault.stores.sql.notices import VaultNotices
from onevault.stores.sql.schema import metadata
from onevault.upstream.auth.oidc import Issuers
from onevault.upstream.http1 import LeanTransport
from onevault.upstream.transport_settings import TransportSettings

ADMIN_KEY = "adm_a-long-and-random-admin-key"
MASTER = master_key(base64.b64encode(bytes(range(32))).decode())
ENTRIES = {
    "openai": ProviderSettings(name="openai", kind="openai"),
    "anthropic": ProviderSettings(name="anthropic", kind="anthropic"),
    "azure": ProviderSettings(name="azure", kind="azure", base_url="https://operator.openai.azure.com"),
    "bedrock": ProviderSettings(name="bedrock", kind="bedrock", region="eu-central-1"),
    "vertex": ProviderSettings(name="vertex", kind="vertex", region="europe-west4", project="operators"),
}
NOON_NS = 1_795_262_400 * 1_000_000_000
"""2026-11-21T12:00:00Z."""


class SetClock:
    def __init__(self) -> None:
        self.ns = NOON_NS

    def wall_ns(self) -> int:
        return self.ns

    def monotonic_s(self) -> float:
        return self.ns / 1e9

    async def sleep(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)
        await asyncio.sleep(0)


class Interruptible:
    """A directory that can be cut off, and counts how many entities were read from it."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.entities_read = 0
        self.down = False

    async def snapshot(self) -> Snapshot:
        self._check()
        return await self.directory.snapshot()

    async def changes(self, since: int) -> Changes:
        self._check()
        changes = await self.directory.changes(since)
        self.entities_read += len(changes.entities)
        return changes

    async def put(self, change: Change) -> None:
        self._check()
        await self.directory.put(change)

    async def put_each(self, changes: Sequence[Change]) -> list[Fault | None]:
        self._check()
        return await self.directory.put_each(changes)

    def _check(self) -> None:
        if self.down:
            raise OperationalError("SELECT canary", None, Exception("unable to open database file"))


class ListJournal:
    def __init__(self) -> None:
        self.records: list[Record] = []

    async def append(self, record: Record) -> None:
        self.records.append(record)


class DictRequests:
    def __init__(self) -> None:
        self.settled: dict[str, Settled] = {}

    async def find(self, call_id: str) -> Settled | None:
        return self.settled.get(call_id)

    async def recent(self, scope: ScopeId, *, limit: int, before: str | None) -> list[Settled]:
        return []


@dataclass
class Surroundings:
    vault: Vault
    directory: Interruptible = field(init=False)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    rates: MemoryRates = field(default_factory=MemoryRates)
    journal: ListJournal = field(default_factory=ListJournal)
    requests: DictRequests = field(default_factory=DictRequests)
    clock: SetClock = field(default_factory=SetClock)
    access: Access = field(default_factory=lambda: Access(Snapshot(version=0, organizations={}, users={}, keys={})))
    health: dict[str, Any] = field(default_factory=dict)
    numbers: int = 0
    keyring: Keyring = field(init=False)

    def __post_init__(self) -> None:
        self.directory = Interruptible(VaultDirectory(self.vault, self.clock))
        self.keyring = Keyring(
            self.directory,
            LocalMasterKeys([MASTER], os.urandom),
            self.clock,
            ids=self.new_id,
            random_bytes=os.urandom,
            tenant_id="default",
        )

    def new_id(self) -> str:
        self.numbers += 1
        return f"{self.numbers:032x}"

    def sign_in(self) -> SignIn:
        """It trusts no issuer."""
        office = office_of(self.directory, clock=self.clock, ids=self.new_id, random_bytes=os.urandom)
        issuers = Issuers((), LeanTransport(TransportSettings()), self.clock)
        return SignIn(issuers, DirectoryPeople(office), self.access, self.clock)

    def deps(self) -> AdminDeps:
        return AdminDeps(
            directory=self.directory,
            change_log=VaultChangeLog(self.vault),
            answers=VaultAnswers(self.vault),
            ledger=self.ledger,
            rates=self.rates,
            journal=self.journal,
            requests=self.requests,
            clock=self.clock,
            ids=self.new_id,
            random_bytes=os.urandom,
            sealer=self.keyring,
            providers=lambda: ENTRIES,
            admin_key_sha256s=(hashlib.sha256(ADMIN_KEY.encode()).digest(),),
            admin_key=self.access.admin_key,
            sign_in=self.sign_in(),
            on_change=self.access.apply,
            status_of=status_of,
            health=self.health,
            webhook_secret=lambda webhook_id: f"whsec_of_{webhook_id}",
            notices=VaultNotices(self.vault),
            deliveries=VaultDeliveries(self.vault),
            store_failures=(SQLAlchemyError,),
            version="0.0.1",
        )


async def everything_kept(admin: Client, directory: Path) -> bytes:
    """The files of the data directory, and every row of a vault that is on a server."""
    kept = b"".join(path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file())

    def rows(connection: Connection) -> bytes:
        every = (connection.execute(table.select()) for table in metadata.sorted_tables)
        return b"\n".join(
            value if isinstance(value, bytes) else str(value).encode()
            for found in every
            for row in found
            for value in row
        )

    return kept + await admin.around.vault.read(rows)


async def well() -> Health:
    return Health(ok=True, detail="fine")


@dataclass
class Answer:
    status: int
    headers: Any
    body: Any

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["error"]
        return found


@dataclass
class Client:
    """Speaks to the server as an admin does."""

    port: int
    session: aiohttp.ClientSession
    around: Surroundings
    org_id: str = ""
    user_id: str = ""
    key_id: str = ""
    api_key: str = ""

    async def __call__(
        self, method: str, path: str, body: object = None, *, key: str | None = ADMIN_KEY, **more: Any
    ) -> Answer:
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        if body is not None:
            more["data"] = body if isinstance(body, bytes) else msgspec.json.encode(body)
            headers.setdefault("content-type", "application/json")
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **more) as answer:
            raw = await answer.read()
            if answer.content_type == "application/x-ndjson":
                return Answer(answer.status, answer.headers, [msgspec.json.decode(line) for line in raw.splitlines()])
            return Answer(answer.status, answer.headers, msgspec.json.decode(raw) if raw else None)

    async def changes(self) -> int:
        """How many changes the directory has taken."""
        return (await self.around.directory.directory.snapshot()).version

    async def organization(self, name: str = "Acme", **more: object) -> str:
        made = await self("POST", "/admin/organizations", {"name": name, "monthly_budget_usd": 100, **more})
        assert made.status == 201, made.body
        return str(made.body["org_id"])

    async def user(self, org_id: str, email: str = "a@acme.test", **more: object) -> str:
        made = await self("POST", "/admin/users", {"org_id": org_id, "email": email, **more})
        assert made.status == 201, made.body
        return str(made.body["user_id"])


@asynccontextmanager
async def serving(around: Surroundings) -> AsyncIterator[Client]:
    # asyncio turns Nagle's delay off only for sockets that say that they are TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    settings = uvicorn.Config(create_admin(around.deps()), log_level="error", lifespan="off")
    server = uvicorn.Server(settings)
    serve = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(listener.getsockname()[1], session, around)
    finally:
        serve.cancel()  # its own way out takes a fifth of a second, and nothing is in flight
        with suppress(asyncio.CancelledError):
            await serve
        for asyncio_server in server.servers:
            asyncio_server.close()
        listener.close()
