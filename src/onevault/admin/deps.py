"""What the admin API is given to work with; bootstrap names the concrete ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from onevault.admin.errors import StatusOf
from onevault.admin.office import RandomBytes, as_written
from onevault.config.schema import ProviderSettings
from onevault.core.delivery import Deliveries, NoticeStore
from onevault.core.directory import ChangeLog, Directory, Entity
from onevault.core.identity import AdminKey
from onevault.core.ports import Answers, Clock, IdSource, Journal, Ledger, Rates, Requests, Sealer
from onevault.pipeline.sign_in import SignIn
from onevault.policy.limits import NO_DEFAULTS, DefaultLimits


class Health(msgspec.Struct, frozen=True):
    """How a component is. `detail` is shown to admins: it names no secret."""

    ok: bool
    detail: str = ""


HealthCheck = Callable[[], Awaitable[Health]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminDeps:
    """The admin API's surroundings.

    `on_change` applies a changed entity to the identities in memory before the admin's answer is sent.
    `admin_key_sha256s` are the SHA-256 of the configured admin keys, which are owners; `admin_key` finds those that were made
    here by their SHA-256, in memory, as of less than a second ago; `sign_in` checks tokens of identity providers. `time_zone` is the
    tenant's.
    `sealer` seals secrets for the vault (None: nothing can be kept secret), `providers` are the configured entries by name.
    `status_of` chooses the status of a fault. `defaults` are the limits that hold where none is set.
    `check_webhook` raises ValueError for a URL that nothing would be sent to; `webhook_secret` is what a webhook's deliveries are
    signed with; `notices` is what was told (None: this process keeps none), and `deliveries` how that went to webhooks.
    `store_failures` are the errors by which the stores' drivers say that they cannot be reached.
    """

    directory: Directory
    change_log: ChangeLog
    answers: Answers
    ledger: Ledger
    rates: Rates
    journal: Journal
    requests: Requests
    clock: Clock
    ids: IdSource
    random_bytes: RandomBytes
    admin_key_sha256s: tuple[bytes, ...]
    admin_key: Callable[[bytes], AdminKey | None]
    sign_in: SignIn
    on_change: Callable[[Entity], None]
    status_of: StatusOf
    sealer: Sealer | None = None
    providers: Callable[[], Mapping[str, ProviderSettings]] = dict
    health: Mapping[str, HealthCheck] = field(default_factory=dict)
    defaults: Callable[[], DefaultLimits] = lambda: NO_DEFAULTS
    check_webhook: Callable[[str], Awaitable[None]] = as_written
    webhook_secret: Callable[[str], str] | None = None
    notices: NoticeStore | None = None
    deliveries: Deliveries | None = None
    store_failures: tuple[type[Exception], ...] = ()
    tenant_id: str = "default"
    time_zone: str = "UTC"
    version: str = ""
