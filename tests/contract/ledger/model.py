"""A model of the ledger and the rates that is too simple to be wrong: it remembers what happened, and sums it up anew each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from onevault.core.identity import Limit, Metric, ScopeId, Window
from onevault.core.money import Nanos
from onevault.core.ports import QuotaStanding, Standing
from onevault.core.records import Held, QuotaReset, Settled
from onevault.core.windows import day_and_month


@dataclass(frozen=True)
class Attempted:
    """A call that was let in."""

    call_id: str
    at_ns: int
    time_zone: str
    scopes: tuple[ScopeId, ...]


class Model:
    """Every event in order; every figure is summed up anew from them."""

    def __init__(self) -> None:
        self.events: list[Held | Settled | QuotaReset | Attempted] = []
        self.expired: set[str] = set()
        """Calls whose process is taken for dead: their holds were given back."""
        self.running: dict[str, Attempted] = {}

    def sums(self, scope: ScopeId, label: str) -> dict[str, int]:
        money = tokens = requests = overshoot = attempts = 0
        for event in self.events:
            if isinstance(event, Settled) and scope in event.scopes and label in _labels(event.started_ns, event):
                money += event.cost
                tokens += event.usage.total_tokens
                requests += 1
                overshoot += max(0, event.cost - event.amount_held)
            if isinstance(event, Attempted) and scope in event.scopes and label in _labels(event.at_ns, event):
                attempts += 1
            if isinstance(event, QuotaReset) and event.scope == scope:
                reset_labels = day_and_month(event.at_ns, event.time_zone)
                if label in reset_labels:
                    money = tokens = requests = attempts = 0
        ended = {event.call_id for event in self.events if isinstance(event, Settled)} | self.expired
        open_holds = [
            event
            for event in self.events
            if isinstance(event, Held) and event.call_id not in ended and scope in event.scopes
        ]
        inside = [event for event in open_holds if label in _labels(event.at_ns, event)]
        return {
            "money": money,
            "tokens": tokens,
            "requests": requests,
            "attempts": attempts,
            "overshoot": overshoot,
            "held": sum(event.amount for event in inside),
            "tokens_held": sum(event.tokens for event in inside),
        }

    def refusals(self, hold: Held, limits: Sequence[Limit], before: Held | None = None) -> list[Limit]:
        """The limits that a hold, or the enlargement of one, goes past."""
        found = []
        for limit in limits:
            is_money = limit.metric is Metric.MONEY
            needed = hold.amount if is_money else hold.tokens
            used, more = 0, needed
            label = _label(limit, hold.at_ns, hold.time_zone)
            if label is not None:
                if before is not None:
                    more -= before.amount if is_money else before.tokens
                sums = self.sums(limit.scope, label)
                used = sums["money"] + sums["held"] if is_money else sums["tokens"] + sums["tokens_held"]
            if needed and used + more > limit.maximum:
                found.append(limit)
        return found

    def money_left(self, hold: Held, limits: Sequence[Limit]) -> int:
        """What all limits of money together afford for a call that holds nothing yet."""
        left = []
        for limit in limits:
            if limit.metric is Metric.MONEY:
                label = _label(limit, hold.at_ns, hold.time_zone)
                sums = self.sums(limit.scope, label) if label is not None else {"money": 0, "held": 0}
                left.append(limit.maximum - sums["money"] - sums["held"])
        return max(0, min(left))

    def standing(self, record: Held | Settled, at_ns: int, limits: Sequence[Limit]) -> Standing:
        """The limit of money with the least left (of several alike the first), and the quotas of tokens with the least left."""
        money: list[tuple[int, int, int]] = []
        quotas: dict[Window, list[tuple[int, int]]] = {Window.DAY: [], Window.MONTH: []}
        for limit in limits:
            label = _label(limit, at_ns, record.time_zone)
            if label is None:
                continue
            sums = self.sums(limit.scope, label)
            if limit.metric is Metric.MONEY:
                money.append((limit.maximum - sums["money"] - sums["held"], sums["money"], limit.maximum))
            elif limit.window in quotas:
                quotas[limit.window].append((limit.maximum - sums["tokens"] - sums["tokens_held"], limit.maximum))
        told = tuple(
            QuotaStanding(Metric.TOKENS, window, tightest[1], max(0, tightest[0]))
            for window, known in quotas.items()
            if known and (tightest := min(known, key=itemgetter(0)))
        )
        if money:
            left, spent, maximum = min(money, key=itemgetter(0))
            return Standing(Nanos(spent), Nanos(maximum), Nanos(max(0, left)), told)
        user = next((scope for scope in record.scopes if scope.startswith("user:")), record.scopes[0])
        return Standing(Nanos(self.sums(user, day_and_month(at_ns, record.time_zone)[1])["money"]), quotas=told)

    def attempt_refusals(self, attempt: Attempted, limits: Sequence[Limit]) -> list[Limit]:
        """The limits of requests per day and month, and of calls at one time, that one more would go past."""
        found = []
        for limit in limits:
            if limit.metric is Metric.CONCURRENCY:
                used = sum(limit.scope in running.scopes for running in self.running.values())
            else:
                used = self.sums(limit.scope, _label(limit, attempt.at_ns, attempt.time_zone) or "")["attempts"]
            if used >= limit.maximum:
                found.append(limit)
        return found

    def attempts_left(self, attempt: Attempted, limits: Sequence[Limit]) -> dict[Window, int]:
        """What is left of requests per day and month."""
        left: dict[Window, int] = {}
        for limit in limits:
            if limit.metric is Metric.REQUESTS:
                label = _label(limit, attempt.at_ns, attempt.time_zone) or ""
                of_limit = limit.maximum - self.sums(limit.scope, label)["attempts"]
                left[limit.window] = min(of_limit, left.get(limit.window, of_limit))
        return left


def _label(limit: Limit, at_ns: int, time_zone: str) -> str | None:
    """Of the window that a limit counts in; None for the limit of one call."""
    day, month = day_and_month(at_ns, time_zone)
    return {Window.DAY: day, Window.MONTH: month, Window.TOTAL: ""}.get(limit.window)


def _labels(at_ns: int, event: Held | Settled | Attempted) -> tuple[str, ...]:
    return (*day_and_month(at_ns, event.time_zone), "")
