"""The response headers by which the gateway tells of itself: route, cost, and what is left of the limits."""

from __future__ import annotations

from collections.abc import Sequence

from onevault.api.asgi import Headers
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Metric, Principal, Window
from onevault.core.money import Nanos, format_usd
from onevault.core.operations import Dialect
from onevault.core.ports import Admission, Figures, Ledger, RateStanding
from onevault.pipeline.answer import Answer

DROPPED_BYTES_MAX = 1024
"""Clients and proxies refuse answers with heads that are too large, and callers invent fields."""

_ANTHROPIC = ("anthropic-messages", "anthropic-count-tokens")


def id_headers(call_id: str, dialect: Dialect) -> Headers:
    """The call's id; for Anthropic's clients also under the name they look for."""
    encoded = call_id.encode()
    if dialect in _ANTHROPIC:
        return [(b"x-request-id", encoded), (b"request-id", encoded)]
    return [(b"x-request-id", encoded)]


def route_headers(answer: Answer) -> Headers:
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
    rate_headers(answer.admission, headers)
    return headers


def rate_headers(admission: Admission, headers: Headers) -> None:
    """`x-ratelimit-*` in OpenAI's form, where a limit per minute applies."""
    if admission.requests is not None:
        _standing(admission.requests, b"requests", headers)
    if admission.tokens is not None:
        _standing(admission.tokens, b"tokens", headers)


def _standing(standing: RateStanding, kind: bytes, headers: Headers) -> None:
    headers.append((b"x-ratelimit-limit-" + kind, b"%d" % standing.limit))
    headers.append((b"x-ratelimit-remaining-" + kind, b"%d" % max(0, standing.remaining)))
    headers.append((b"x-ratelimit-reset-" + kind, _duration(standing.reset_s)))


def _duration(seconds: float) -> bytes:
    """As OpenAI writes it: `12ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return b"%dms" % max(0, round(seconds * 1000))
    minutes, rest = divmod(seconds, 60)
    return b"%dm%ds" % (minutes, rest) if minutes else f"{rest:.3g}s".encode()


async def money_headers(ledger: Ledger, principal: Principal, *, now_ns: int) -> Headers:
    """What the caller has used and has left: in the money limit with the least left, or in the user's month if there is none.

    None of them while the ledger's store does not answer: an answer that was paid for is not refused for its headers.
    """
    try:
        return await _money_headers(ledger, principal, now_ns=now_ns)
    except Fault as fault:
        if fault.kind is not FaultKind.STORE_UNAVAILABLE:
            raise
        return []


async def _money_headers(ledger: Ledger, principal: Principal, *, now_ns: int) -> Headers:
    tightest: tuple[Nanos, Nanos, Nanos] | None = None
    seen: dict[str, Figures] = {}
    for limit in principal.limits:
        if limit.metric is not Metric.MONEY or limit.window is Window.NOW or limit.scope.startswith("tenant:"):
            continue  # a limit of one call is never used up; what all organizations have used together is none of a caller's business
        figures = seen.get(limit.scope)
        if figures is None:
            figures = await ledger.figures(limit.scope, time_zone=principal.time_zone, now_ns=now_ns)
            seen[limit.scope] = figures
        spent, left = figures.spent(limit.window), figures.left(limit.window, limit.maximum)
        if tightest is None or left < tightest[2]:
            tightest = (spent, Nanos(limit.maximum), left)
    if tightest is None:
        user = next(scope for scope in principal.scopes if scope.startswith("user:"))
        figures = await ledger.figures(user, time_zone=principal.time_zone, now_ns=now_ns)
        return [(b"x-gateway-usage-usd", format_usd(figures.spent_month).encode())]
    used, most, left = tightest
    return [
        (b"x-gateway-usage-usd", format_usd(used).encode()),
        (b"x-gateway-limit-usd", format_usd(most).encode()),
        (b"x-gateway-remaining-usd", format_usd(left).encode()),
    ]


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
