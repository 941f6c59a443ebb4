"""Says which handler answers which path."""

from __future__ import annotations

from typing import Final

import msgspec
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from onevault import __version__
from onevault.api.account import Account
from onevault.api.app import Gateway
from onevault.api.asgi import App
from onevault.api.generate import Bounds, Generate
from onevault.api.health import Health
from onevault.api.live_events import LiveStream
from onevault.api.openapi import document
from onevault.api.pages import pages
from onevault.bootstrap.call_path import CallPath
from onevault.bootstrap.foundation import Foundation
from onevault.bootstrap.siblings import Render
from onevault.bootstrap.system import new_id
from onevault.core.codec import Ingress
from onevault.core.live import Live
from onevault.dialects.registry import INGRESS
from onevault.upstream.relay import RELAY_PATH, Relay

LIVE_PATH: Final = "/v1/events"
SOCKET_PATHS: Final = frozenset({LIVE_PATH.encode()})
"""Where a WebSocket is spoken with who offers to."""
_RELAYED: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def surface(
    base: Foundation, calls: CallPath, account: Account, *, events: Live, admin: FastAPI, metrics: Render
) -> Gateway:
    """All that answers, as one application. `metrics` renders what is scraped."""
    in_flight = base.in_flight
    gateway = base.settings.gateway
    bounds = Bounds(gateway.body_bytes_max, gateway.body_timeout_s, gateway.heartbeat_s)

    def generate(ingress: Ingress) -> Generate:
        return Generate(ingress, calls.exchange, base.observer, base.clock, new_id, bounds, in_flight)

    def described() -> bytes:
        return msgspec.json.encode(document(admin.openapi(), version=__version__))

    live = LiveStream(
        calls.exchange.authenticate,
        events,
        base.observer,
        new_id,
        lambda: in_flight.draining,
        gateway.heartbeat_s,
        (SQLAlchemyError,),
    )
    health = Health(
        lambda: not in_flight.draining, metrics if base.settings.monitoring.prometheus else None, __version__
    )
    generating = {path: generate(ingress) for ingress in INGRESS.values() for path in ingress.paths}
    relay = generate(Relay(lambda: calls.sender.endpoints))
    return Gateway(
        exact={path: {"POST": handler} for path, handler in generating.items()}
        | {path: {"GET": handler} for path, handler in _reading(account, health, live).items()}
        | {path: {"GET": page} for path, page in pages(described).items()},
        below={
            "/v1/models/": {"GET": account.model},
            "/v1beta/models/": {"GET": account.google_model},
            "/v1/requests/": {"GET": account.request},
            RELAY_PATH: dict.fromkeys(_RELAYED, relay),
        },
        admin=admin,
        within={_around_model(path): {"POST": handler} for path, handler in generating.items() if "{model}" in path},
    )


def _reading(account: Account, health: Health, live: LiveStream) -> dict[str, App]:
    return {
        "/v1/models": account.models,
        "/v1/ai/models": account.models,
        "/api/v1/ai/health": account.health,
        "/v1beta/models": account.google_models,
        "/v1/usage": account.usage,
        "/v1/requests": account.request_list,
        LIVE_PATH: live,
        "/health": health.live,
        "/livez": health.live,
        "/health/liveliness": health.live,
        "/readyz": health.readiness,
        "/health/readiness": health.readiness,
        "/metrics": health.scrape,
    }


def _around_model(path: str) -> tuple[str, str]:
    """What comes before and after the model's name in a path."""
    before, _, after = path.partition("{model}")
    return before, after
