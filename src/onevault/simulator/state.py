"""What a simulator remembers between requests: its seed's text, its log, which calls failed, what was said."""

from __future__ import annotations

import random
from collections import OrderedDict

from onevault.simulator.calls import CallLog
from onevault.simulator.conversations import Conversations
from onevault.simulator.faults import Refused, fault_for
from onevault.simulator.settings import Settings
from onevault.simulator.tokens import Ring


class State:
    """Shared by every request to one simulator."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log = CallLog(keep=settings.record_calls, calls_kept_max=settings.limits.calls_kept_max)
        self.ring = Ring(settings.seed)
        self.served = 0
        limits = settings.limits
        self.conversations = Conversations(
            kept_max=limits.conversations_kept_max, bytes_max=limits.conversations_bytes_max
        )
        self._dice = random.Random(settings.seed)
        self._failed: OrderedDict[str, int] = OrderedDict()

    def fail_if_told(self, behaviour: Settings) -> None:
        """Raises Refused with the error that the behaviour asks for, by chance or by count."""
        if not behaviour.error:
            return
        if behaviour.error_times:
            failed = self._failed.get(behaviour.id, 0)
            if failed >= behaviour.error_times:
                return
            self._failed[behaviour.id] = failed + 1
            if len(self._failed) > self.settings.limits.ids_counted_max:
                self._failed.popitem(last=False)
        if behaviour.error_rate >= 1 or self._dice.random() < behaviour.error_rate:
            raise Refused(fault_for(behaviour.error))
