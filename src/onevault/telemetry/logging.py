"""Structured log lines on standard error: JSON for machines, columns for people; redaction comes first."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

from onevault.telemetry.output import standard_error
from onevault.telemetry.redact import redact

_NEVER = frozenset(
    {
        "authorization",
        "api_key",
        "apikey",
        "x-api-key",
        "password",
        "secret",
        "token",
        "prompt",
        "messages",
        "content",
        "body",
    }
)
_encode = msgspec.json.Encoder(enc_hook=str, order=None).encode


def _redacted(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name in _NEVER:
            event[name] = "[redacted]"
        elif type(value) is str and len(value) > 16:
            event[name] = redact(value)
    return event


def _as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> bytes:
    return _encode(event)


def configure(*, level: str, json: bool) -> None:
    """Sets the process's logging up, the libraries' included. `level` is a name such as `info`."""
    minimum = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _redacted,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    output: Any = standard_error()
    factory: Any
    if json:
        processors = [*shared, structlog.processors.format_exc_info, _as_json]
        factory = structlog.BytesLoggerFactory(output)
    else:
        processors = [*shared, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        factory = structlog.PrintLoggerFactory(output)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(minimum),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Handed()]
    root.setLevel(max(minimum, logging.WARNING))


class _Handed(logging.Handler):
    """Hands what libraries log to the same lines, redacted like our own; never their arguments unformatted."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(record.levelno, redact(record.getMessage()), library=record.name)
