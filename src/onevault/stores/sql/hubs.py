"""Sees to it that the hubs a call hangs on exist before the call's rows do: tenant, customer, user, key, provider."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from onevault.core.records import Caller, Settled
from onevault.stores.sql.hashing import cached_hash_key
from onevault.stores.sql.moments import timestamp
from onevault.stores.sql.rows import SOURCE, Row, provider_key
from onevault.stores.sql.schema import providers, who
from onevault.stores.sql.statements import Statement, insert_ignoring

KNOWN_MAX = 200_000
"""How many callers are remembered as present; beyond it the memory starts anew, which only costs inserts that do nothing."""

_HUB = ("load_date", "record_source")
INSERT_TENANT = insert_ignoring(who.tenant_h, ("tenant_hk", "tenant_bk", *_HUB))
INSERT_CUSTOMER = insert_ignoring(who.customer_h, ("customer_hk", "customer_bk", "tenant_hk", *_HUB))
INSERT_USER = insert_ignoring(who.user_h, ("user_hk", "user_bk", "customer_hk", *_HUB))
INSERT_API_KEY = insert_ignoring(who.api_key_h, ("api_key_hk", "api_key_bk", "user_hk", *_HUB))
INSERT_PROVIDER = insert_ignoring(providers.ai_provider_h, ("provider_hk", "provider_bk", *_HUB))


class KnownHubs:
    """Remembers which hubs are in the vault, so that a call of a known caller costs two look-ups in memory."""

    def __init__(self) -> None:
        self._callers: set[Caller] = set()
        self._providers: set[str] = {""}  # the ghost is there from the start

    def missing(self, settled: Iterable[Settled]) -> MissingHubs:
        """The callers and providers of these calls that are not known to be there, each with its first moment."""
        callers: dict[Caller, int] = {}
        names: dict[str, int] = {}
        for record in settled:
            if record.caller not in self._callers and record.caller not in callers:
                callers[record.caller] = record.at_ns
            if record.provider not in self._providers and record.provider not in names:
                names[record.provider] = record.at_ns
        return MissingHubs(callers, names)

    def learn(self, present: MissingHubs) -> None:
        """Remembers what has been committed."""
        if len(self._callers) > KNOWN_MAX:
            self._callers.clear()
        self._callers.update(present.callers)
        self._providers.update(present.providers)


class MissingHubs:
    """Hubs to insert. Tenants live in another file than the rest and are inserted first, by themselves."""

    def __init__(self, callers: dict[Caller, int], providers: dict[str, int]) -> None:
        self.callers = callers
        self.providers = providers

    def __bool__(self) -> bool:
        return bool(self.callers or self.providers)

    def insert_tenants(self, connection: Connection) -> None:
        tenants = {caller.tenant_id: at_ns for caller, at_ns in reversed(self.callers.items())}
        _insert(connection, INSERT_TENANT, [(tenant,) for tenant in tenants], list(tenants.values()))

    def insert_others(self, connection: Connection) -> None:
        moments = list(self.callers.values())
        key = cached_hash_key
        _insert(
            connection, INSERT_CUSTOMER, [(caller.org_id, key(caller.tenant_id)) for caller in self.callers], moments
        )
        _insert(connection, INSERT_USER, [(caller.user_id, key(caller.org_id)) for caller in self.callers], moments)
        _insert(connection, INSERT_API_KEY, [(caller.key_id, key(caller.user_id)) for caller in self.callers], moments)
        rows: list[Row] = [
            (provider_key(name), name, timestamp(at_ns), SOURCE) for name, at_ns in self.providers.items()
        ]
        if rows:
            INSERT_PROVIDER.run(connection, sorted(rows))


def _insert(
    connection: Connection, statement: Statement, hubs: list[tuple[str, *tuple[bytes, ...]]], moments: list[int]
) -> None:
    rows: list[Row] = [
        (cached_hash_key(hub[0]), *hub, timestamp(at_ns), SOURCE) for hub, at_ns in zip(hubs, moments, strict=True)
    ]
    if rows:
        statement.run(
            connection, sorted(rows)
        )  # in one order by every process, so that none waits for another in a circle
