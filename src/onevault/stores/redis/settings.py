"""How long the engines in Redis wait, hold, remember and gather; every figure with its unit."""

from __future__ import annotations

import msgspec


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All processes that share a store should agree on the leases and on what becomes of expired holds.

    A command that gets no answer within `command_timeout_s` has failed, and its connection is given up. A call whose process is
    silent for `lease_s` is taken for dead; living ones are renewed every third of it.
    """

    connect_timeout_s: float = 1.0
    command_timeout_s: float = 0.5
    retry_after_s: float = 1.0
    """What callers are told while the store is away."""
    lease_s: float = 60.0
    settled_kept_s: float = 3600.0
    """How long the id of a settled call is known, so that settling it again changes nothing: about 150 bytes each."""
    put_down_kept_s: float = 62 * 86_400.0
    """For how long it is known what counts as spent for a call whose process died: until its month is over for certain."""
    spend_expired_holds: bool = False
    """What becomes of a hold whose lease ran out: False gives it back; True counts it as spent until its settlement is known,
    so that a call whose process died can never push a scope above its limit."""
    operations_per_batch_max: int = 256
    operations_waiting_max: int = 20_000
    """Beyond that, operations fail at once instead of waiting."""
    owed_max: int = 100_000
    """Settlements and leavings that wait for the store to come back."""
    owed_retry_s: float = 0.25
    expired_per_batch_max: int = 64
    sweeps_per_operation_max: int = 8
    """How often an operation that was refused is tried again after expired calls were swept away."""
    restore_scopes_per_step_max: int = 250
    """A step keeps the store from answering anybody else: about a millisecond."""
    restore_step_timeout_s: float = 5.0
    """Nobody's call waits for a step, so on a busy machine it gets more time than a command does."""
    restore_tries_per_step_max: int = 3
    restore_silence_s: float = 10.0
    """A process that fills the store and says nothing for so long is taken for dead, and another one begins anew."""
    close_timeout_s: float = 5.0


DAYS_AROUND = 3
MONTHS_AROUND = 1
"""Which windows of a scope are kept when another begins: those that a clock which is put right, or an organization that moves to
another time zone, can lead back to."""
