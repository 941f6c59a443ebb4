"""Where notices go: into the log."""

from __future__ import annotations

import structlog

from onevault.core.notices import Notice

_log = structlog.get_logger("onevault.notices")


class LoggedNotices:
    """Implements `ports.Notices`."""

    def tell(self, notice: Notice) -> None:
        """As `ports.Notices.tell`."""
        _log.info(notice.kind.value, org=notice.org_id or "", once=notice.once, **notice.facts)
