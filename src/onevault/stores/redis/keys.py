"""How the keys in the store are called: all of one tenant share a hash tag, so that one script may touch any of them on a cluster."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import quote

from onevault.core.identity import ScopeId

KEYS_OF_SCOPE: Final = 3


class TenantKeys:
    """`{onevault:TENANT}:…`. A call counts in scopes up to the tenant, in all of them or none: that needs one slot."""

    __slots__ = ("leases", "of_scopes", "prefix", "ready", "reconciled", "restoring", "tenant_id")

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        prefix = self.prefix = f"{{onevault:{quote(tenant_id, safe='')}}}:"
        self.leases = f"{prefix}leases"
        self.ready = f"{prefix}ready"
        self.restoring = f"{prefix}restoring"
        self.reconciled = f"{prefix}reconciled"
        self.of_scopes = lru_cache(maxsize=16_384)(self._of_scopes)
        """The keys of scopes, three of each, in the order that the script knows. Cached, so the same tuple means the same keys."""

    def call(self, call_id: str) -> str:
        """What is known of a call: that it runs, what is held for it, that it is settled."""
        return f"{self.prefix}call:{call_id}"

    def scope(self, scope: ScopeId) -> str:
        """The figures of a scope in all its windows."""
        return f"{self.prefix}scope:{scope}"

    def _of_scopes(self, scopes: tuple[ScopeId, ...]) -> tuple[str, ...]:
        found: list[str] = []
        for scope in scopes:
            found += (self.scope(scope), f"{self.prefix}attempts:{scope}", f"{self.prefix}tokens:{scope}")
        return tuple(found)
