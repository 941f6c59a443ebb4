"""Tells of what happens: into the log at once, and on to where it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from onevault.core.notices import Notice
from onevault.core.ports import Clock, Notices
from onevault.jobs.notices import NoticeQueue
from onevault.policy.key_notices import Put, notices_of

_log = structlog.get_logger("onevault.notices")


class LoggedNotices:
    """Implements `ports.Notices`: into the log at once, and on to where they are kept."""

    def __init__(self, onward: NoticeQueue) -> None:
        self.queue = onward

    def tell(self, notice: Notice) -> None:
        """As `ports.Notices.tell`."""
        _log.info(notice.kind.value, org=notice.org_id or "", once=notice.once, **notice.facts)
        self.queue.tell(notice)


def key_teller(notices: Notices, clock: Clock, *, tenant_id: str) -> Callable[[Sequence[Put]], None]:
    """What tells of changes of keys that this process makes."""

    def tell(puts: Sequence[Put]) -> None:
        for notice in notices_of(puts, tenant_id=tenant_id, at_ns=clock.wall_ns()):
            notices.tell(notice)

    return tell
