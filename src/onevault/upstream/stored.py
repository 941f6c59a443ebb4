"""Gives the endpoint of a provider with a credential from the vault: decrypted when a call needs it, kept for the next ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from onevault.config.credential import Credential, credential_of
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ProviderKey
from onevault.core.ports import Clock, Sealer
from onevault.core.secret_places import Place
from onevault.policy.routing.retry import refuses_credential
from onevault.upstream.endpoint import Endpoint

OPENED_MAX: Final = 1_024
"""How many credentials are kept open at a time; the one used longest ago is closed first."""
_NOTED_AGAIN_MS: Final = 3600 * 1000
TABLE: Final = "gateway.customer_provider_keys_s"
COLUMN: Final = "api_key_encrypted"


class _Opened(NamedTuple):
    key: ProviderKey
    bare: Endpoint
    endpoint: Endpoint


class StoredCredentials:
    """`find` knows every provider key as of less than a second ago, by id or, for those of the tenant, by name. `rebuild` makes an
    entry's endpoint with another credential; None where the entry is gone."""

    def __init__(
        self,
        find: Callable[[str], ProviderKey | None],
        sealer: Sealer,
        clock: Clock,
        rebuild: Callable[[str, Credential], Endpoint | None],
    ) -> None:
        self._find = find
        self._sealer = sealer
        self._clock = clock
        self._rebuild = rebuild
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self.taken: dict[str, tuple[ProviderKey, int]] = {}
        """By id: the key as its provider last took it, to the hour, and when."""

    async def endpoint(self, bare: Endpoint, name: str) -> Endpoint:
        """The endpoint with the credential of this id or name. What was opened serves as long as neither the key nor the
        configuration changes. Raises Fault FORBIDDEN for a key that is gone, STORE_UNAVAILABLE for one that does not open."""
        key = self._find(name)
        if key is None or not key.works_at(self._clock.wall_ns() // 1_000_000):
            raise Fault(
                FaultKind.FORBIDDEN, f"The key to be used at the provider {bare.provider} was revoked or has expired."
            )
        opened = self._opened.get(name)
        if opened is not None and opened.key is key and opened.bare is bare:
            self._opened.move_to_end(name)
            return opened.endpoint
        credential = credential_of(await self._sealer.open(key.sealed, place_of(key.provider_key_id)))
        endpoint = self._rebuild(bare.provider, credential)
        if endpoint is None:
            raise Fault(FaultKind.PROVIDER_ERROR, f"The provider {bare.provider} is no longer configured.")
        self._opened[name] = _Opened(key, bare, endpoint)
        if len(self._opened) > OPENED_MAX:
            self._opened.popitem(last=False)
        return endpoint

    def note_taken(self, name: str) -> None:
        """The provider answered a call with this key."""
        key = self._find(name)
        if key is None:
            return
        now_ms = self._clock.wall_ns() // 1_000_000
        before = self.taken.get(key.provider_key_id)
        if before is None or before[0] is not key or now_ms - before[1] > _NOTED_AGAIN_MS:
            self.taken[key.provider_key_id] = (key, now_ms)

    def drop_changed(self) -> None:
        """Closes what was opened of keys that have changed or ended since: called whenever the directory changes."""
        for name in [name for name, opened in self._opened.items() if self._find(name) is not opened.key]:
            del self._opened[name]
        now_ms = self._clock.wall_ns() // 1_000_000
        for name in [name for name, opened in self._opened.items() if not opened.key.works_at(now_ms)]:
            del self._opened[name]


def place_of(provider_key_id: str) -> Place:
    """Where a provider key's credential belongs."""
    return Place(TABLE, provider_key_id, COLUMN)


def own_key_refused(fault: Fault, provider: str) -> Fault | None:
    """What is told where a provider refuses a customer's own key: whose it is, never what it is. None for other faults. It is not
    tried again, and not elsewhere: another key would be another account."""
    if not refuses_credential(fault):
        return None
    status = f" (status {fault.provider_status})" if fault.provider_status else ""
    told = Fault(
        FaultKind.FORBIDDEN,
        f"The provider {provider} refused your organization's own key{status}. The gateway's key was not used in its place: "
        "have an administrator check or replace the key at /admin/provider-keys.",
        provider_status=fault.provider_status,
        provider_text=fault.provider_text,
    )
    told.attempts = fault.attempts
    return told
