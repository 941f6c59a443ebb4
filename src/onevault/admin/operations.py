"""The routes by which operators look at the gateway: health, figures, single calls."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Literal

from fastapi import APIRouter

from onevault.admin.deps import Health, HealthCheck
from onevault.admin.http import ActorOf, Desk, StrictRoute, errors
from onevault.admin.outputs import Output, time_text
from onevault.admin.request_out import RequestOut, request_out
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import ApiKey, Organization, Status, User
from onevault.core.money import Nanos, usd_for_json
from onevault.policy.limits import organization_scope

CHECK_S = 2.0
_ORGANIZATION = re.compile(r"\borg_[0-9A-Za-z]+")
_CALL_ID = re.compile(r"[A-Za-z0-9_\-]{1,100}")
_FIGURES_PER_TURN = 200
"""Other requests are served in between, however many organizations are summed up."""


class ComponentOut(Output):
    status: Literal["ok", "failed"]
    detail: str
    latency_ms: float


class FailureModesOut(Output):
    """How many organizations have each."""

    fail_closed: int
    fail_open: int


class HealthOut(Output):
    status: Literal["ok", "degraded"]
    version: str
    time: str
    uptime_s: float
    components: dict[str, ComponentOut]
    failure_modes: FailureModesOut


class CountOut(Output):
    active: int
    suspended: int
    revoked: int
    deleted: int


class RunningOut(Output):
    """Summed over all organizations, each in its own running day and month."""

    month_usage_usd: float
    month_usage_nanos: int
    day_usage_usd: float
    day_usage_nanos: int
    total_usage_usd: float
    total_usage_nanos: int
    held_usd: float
    held_nanos: int
    overshoot_nanos: int
    request_count: int
    day_request_count: int
    token_count: int


class MetricsOut(Output):
    time: str
    organizations: CountOut
    users: CountOut
    api_keys: CountOut
    usage: RunningOut


def operation_routes(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix="/admin", tags=["operations"], route_class=StrictRoute)
    deps, register = desk.deps, desk.office.register
    started_s = deps.clock.monotonic_s()

    async def directory_answers() -> Health:
        await register.catch_up()
        return Health(ok=True)

    @routes.get("/health", responses=errors(), summary="How the gateway and what it stands on are")
    async def read_health(actor: ActorOf) -> HealthOut:
        """200 also when something failed: the answer says what."""
        checks = {"directory": directory_answers, **deps.health}
        names = sorted(checks)
        checked = await asyncio.gather(*(_checked(desk, checks[name]) for name in names))
        organizations = register.within(actor.org_id).all_organizations()
        modes = Counter(each.failure_mode for each in organizations if each.status is not Status.DELETED)
        return HealthOut(
            status="ok" if all(component.status == "ok" for component in checked) else "degraded",
            version=deps.version,
            time=time_text(desk.office.now_ms),
            uptime_s=round(deps.clock.monotonic_s() - started_s, 3),
            components={
                name: _of_others_nothing(component, actor.org_id)
                for name, component in zip(names, checked, strict=True)
            },
            failure_modes=FailureModesOut(fail_closed=modes["fail_closed"], fail_open=modes["fail_open"]),
        )

    @routes.get("/metrics", responses=errors(), summary="Basic figures of usage")
    async def read_metrics(actor: ActorOf) -> MetricsOut:
        seen = await desk.seen_by(actor)
        organizations = seen.all_organizations()
        return MetricsOut(
            time=time_text(desk.office.now_ms),
            organizations=_count(seen.count(Organization)),
            users=_count(seen.count(User)),
            api_keys=_count(seen.count(ApiKey)),
            usage=await _running(desk, [(each.org_id, each.time_zone) for each in organizations]),
        )

    @routes.get("/requests/{request_id}", responses=errors(404), summary="Read one past call")
    async def read_request(request_id: str, actor: ActorOf) -> RequestOut:
        found = await deps.requests.find(request_id) if _CALL_ID.fullmatch(request_id) else None
        if found is None or actor.org_id not in (None, found.caller.org_id):
            raise Fault(FaultKind.NOT_FOUND, "There is no such request.", param="request_id")
        return request_out(found)

    return routes


async def _checked(desk: Desk, check: HealthCheck) -> ComponentOut:
    clock = desk.deps.clock
    began_s = clock.monotonic_s()
    try:
        async with asyncio.timeout(CHECK_S):
            health = await check()
    except Fault as fault:
        health = Health(ok=False, detail=fault.message)
    except TimeoutError:
        health = Health(ok=False, detail=f"no answer within {CHECK_S:.0f} s")
    except OSError as error:
        health = Health(ok=False, detail=error.strerror or type(error).__name__)
    except desk.deps.store_failures as error:
        health = Health(ok=False, detail=type(error).__name__)
    latency_ms = round((clock.monotonic_s() - began_s) * 1000, 3)
    return ComponentOut(status="ok" if health.ok else "failed", detail=health.detail, latency_ms=latency_ms)


def _of_others_nothing(component: ComponentOut, org_id: str | None) -> ComponentOut:
    """What a key to one organization is told: no other's id."""
    if org_id is None:
        return component
    detail = _ORGANIZATION.sub(lambda found: found[0] if found[0] == org_id else "another", component.detail)
    return component.model_copy(update={"detail": detail})


def _count(by_status: Counter[Status]) -> CountOut:
    return CountOut(**{name: by_status[Status(name)] for name in CountOut.model_fields})


async def _running(desk: Desk, organizations: list[tuple[str, str]]) -> RunningOut:
    ledger, clock = desk.deps.ledger, desk.deps.clock
    now_ns = clock.wall_ns()
    sums: Counter[str] = Counter()
    for position, (org_id, time_zone) in enumerate(organizations, 1):
        figures = await ledger.figures(organization_scope(org_id), time_zone=time_zone, now_ns=now_ns)
        sums["month"] += figures.spent_month
        sums["day"] += figures.spent_day
        sums["total"] += figures.spent_total
        sums["held"] += figures.held
        sums["overshoot"] += figures.overshoot
        sums["requests"] += figures.requests_month
        sums["day_requests"] += figures.requests_day
        sums["tokens"] += figures.tokens_month
        if position % _FIGURES_PER_TURN == 0:
            await clock.sleep(0)
    return RunningOut(
        month_usage_usd=usd_for_json(Nanos(sums["month"])),
        month_usage_nanos=sums["month"],
        day_usage_usd=usd_for_json(Nanos(sums["day"])),
        day_usage_nanos=sums["day"],
        total_usage_usd=usd_for_json(Nanos(sums["total"])),
        total_usage_nanos=sums["total"],
        held_usd=usd_for_json(Nanos(sums["held"])),
        held_nanos=sums["held"],
        overshoot_nanos=sums["overshoot"],
        request_count=sums["requests"],
        day_request_count=sums["day_requests"],
        token_count=sums["tokens"],
    )
