"""The response headers by which the gateway tells of itself: route, cost, and what is left of the limits."""

from __future__ import annotations

from collections.abc import Sequence

from onevault.api.asgi import Headers
from onevault.core.faults import LimitReached
from onevault.core.identity import Metric, Window
from onevault.core.money import Nanos, format_usd
from onevault.core.operations import Dialect
from onevault.core.ports import QuotaStanding, RateStanding, Standing
from onevault.core.windows import seconds_to_next_day, seconds_to_next_month
from onevault.pipeline.answer import Answer

DROPPED_BYTES_MAX = 1024
"""Clients and proxies refuse answers with heads that are too large, and callers invent fields."""

_MINUTE_S, _HOUR_MINUTES = 60, 60
_Names = tuple[bytes, bytes, bytes]
"""Of limit, remaining and reset."""


def _names(kind: str) -> _Names:
    limit, remaining, reset = (f"x-ratelimit-{what}-{kind}".encode() for what in ("limit", "remaining", "reset"))
    return limit, remaining, reset


_REQUESTS, _REQUESTS_DAY, _REQUESTS_MONTH = _names("requests"), _names("requests-day"), _names("requests-month")
_TOKENS, _TOKENS_DAY, _TOKENS_MONTH = _names("tokens"), _names("tokens-day"), _names("tokens-month")
_NAMES = {
    (Metric.REQUESTS, Window.MINUTE): _REQUESTS,
    (Metric.REQUESTS, Window.DAY): _REQUESTS_DAY,
    (Metric.REQUESTS, Window.MONTH): _REQUESTS_MONTH,
    (Metric.TOKENS, Window.MINUTE): _TOKENS,
    (Metric.TOKENS, Window.DAY): _TOKENS_DAY,
    (Metric.TOKENS, Window.MONTH): _TOKENS_MONTH,
}
_ANTHROPIC = ("anthropic-messages", "anthropic-count-tokens")


def id_headers(call_id: str, dialect: Dialect) -> Headers:
    """The call's id; for Anthropic's clients also under the name they look for."""
    encoded = call_id.encode()
    if dialect in _ANTHROPIC:
        return [(b"x-request-id", encoded), (b"request-id", encoded)]
    return [(b"x-request-id", encoded)]


def route_headers(answer: Answer, *, now_ns: int) -> Headers:
    """Where the call went, known as soon as an answer has begun."""
    receipt = answer.receipt
    target = receipt.target
    headers = id_headers(receipt.request.call_id, answer.incoming.dialect)
    headers += [
        (b"x-gateway-provider", target.provider.encode() if target else b""),
        (b"x-gateway-model", _ascii(target.model) if target else b""),
        (b"x-gateway-route-reason", _ascii(answer.plan.reason)),
        (b"x-gateway-attempts", b"%d" % len(receipt.attempts)),
        (b"x-gateway-cache", b"bypass"),
    ]
    if receipt.grace or answer.admission.grace:
        headers.append((b"x-gateway-ledger", b"grace"))
    if receipt.output_limit is not None:
        headers.append((b"x-gateway-output-limit", b"%d" % receipt.output_limit))
    if receipt.dropped:
        headers.append((b"x-gateway-dropped", _listed(receipt.dropped)))
    rate_headers(answer, headers, now_ns=now_ns)
    return headers


def rate_headers(answer: Answer, headers: Headers, *, now_ns: int) -> None:
    """`x-ratelimit-*` in OpenAI's form where a limit per minute applies; with `-day` or `-month` behind it for one of those."""
    admission, standing = answer.admission, answer.receipt.standing
    if admission.requests is not None:
        _rate(admission.requests, _REQUESTS, headers)
    if standing is not None and standing.tokens is not None:
        _rate(standing.tokens, _TOKENS, headers)
    time_zone = answer.principal.time_zone
    for quota in admission.quotas:
        _quota(quota, _REQUESTS_DAY, _REQUESTS_MONTH, headers, now_ns=now_ns, time_zone=time_zone)
    for quota in standing.quotas if standing is not None else ():
        _quota(quota, _TOKENS_DAY, _TOKENS_MONTH, headers, now_ns=now_ns, time_zone=time_zone)


def reached_headers(reached: LimitReached | None) -> Headers:
    """Where the caller stands in the limit that refused its call, under the same names as in an answer."""
    if reached is None:
        return []
    limit = reached.limit
    if limit.metric is Metric.MONEY:
        return money_headers(Standing(Nanos(reached.spent), Nanos(limit.maximum), Nanos(reached.left)))
    names = _NAMES.get((limit.metric, limit.window))
    if names is None:
        return []
    headers: Headers = [(names[0], b"%d" % limit.maximum), (names[1], b"%d" % reached.left)]
    if reached.reset_s is not None:
        headers.append((names[2], _duration(reached.reset_s)))
    return headers


def _rate(standing: RateStanding, names: _Names, headers: Headers) -> None:
    limit, remaining, reset = names
    headers += (
        (limit, b"%d" % standing.limit),
        (remaining, b"%d" % max(0, standing.remaining)),
        (reset, _duration(standing.reset_s)),
    )


def _quota(
    quota: QuotaStanding, of_day: _Names, of_month: _Names, headers: Headers, *, now_ns: int, time_zone: str
) -> None:
    is_day = quota.window is Window.DAY
    limit, remaining, reset = of_day if is_day else of_month
    ends_s = seconds_to_next_day(now_ns, time_zone) if is_day else seconds_to_next_month(now_ns, time_zone)
    headers += ((limit, b"%d" % quota.limit), (remaining, b"%d" % quota.remaining), (reset, _duration(ends_s)))


def _duration(seconds: float) -> bytes:
    """As OpenAI writes it: `12ms`, `1.5s`, `6m0s`, `23h59m0s`."""
    if seconds < 1:
        return b"%dms" % max(0, round(seconds * 1000))
    if seconds < _MINUTE_S:
        return f"{seconds:.3g}s".encode()
    minutes, rest = divmod(int(seconds), _MINUTE_S)
    if minutes < _HOUR_MINUTES:
        return b"%dm%ds" % (minutes, rest)
    return b"%dh%dm%ds" % (*divmod(minutes, _HOUR_MINUTES), rest)


def money_headers(standing: Standing | None) -> Headers:
    """What the caller has used and has left: in the money limit with the least left, or in the user's month if there is none.

    None of them where that is not known (the ledger's store did not answer): an answer that was paid for is not refused for its headers.
    """
    if standing is None:
        return []
    headers = [(b"x-gateway-usage-usd", format_usd(standing.spent).encode())]
    if standing.limit is not None:
        headers += (
            (b"x-gateway-limit-usd", format_usd(standing.limit).encode()),
            (b"x-gateway-remaining-usd", format_usd(standing.left).encode()),
        )
    return headers


def overhead_header(answer: Answer, *, now_ns: int) -> tuple[bytes, bytes]:
    """The gateway's own share of the time until now: everything but waiting for providers."""
    receipt = answer.receipt
    own_ms = (now_ns - receipt.request.started_ns) / 1e6 - receipt.waited_s * 1000
    return (b"x-gateway-overhead-ms", b"%.2f" % max(0.0, own_ms))


def _listed(names: Sequence[str]) -> bytes:
    """Names in a header; of too many the first ones, and three dots."""
    text = _ascii(",".join(names))
    if len(text) <= DROPPED_BYTES_MAX:
        return text
    whole, _, _ = text[:DROPPED_BYTES_MAX].rpartition(b",")
    return (whole or text[:DROPPED_BYTES_MAX]) + b",..."


def _ascii(text: str) -> bytes:
    """Header values carry ASCII without control characters; a model's name as a caller typed it may not."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(character if " " <= character <= "~" else "?" for character in text).encode()
