"""What a key may read of itself, and the paths that need none, as they are described."""

from __future__ import annotations

from typing import Any

from onevault.api.openapi.operations import EVENTS, GOOGLE_KEY, KEY, faults, in_header, in_path, in_query, plain, read
from onevault.api.openapi.schema import (
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    Schema,
    array,
    nullable,
    reference,
    struct,
    told,
)

OPEN = "Operations"
_MODEL = [in_path("id", "A model; slashes are fine.", example="gpt-4o-mini")]
_GOOGLE: dict[str, Any] = {"error": "GoogleError", "security": GOOGLE_KEY}
_PAGE = [in_query("limit", INTEGER | {"minimum": 1, "maximum": 100, "default": 20}), in_query("before", STRING)]
_PAGES = [
    in_query("pageSize", INTEGER | {"minimum": 0, "default": 50}, "At most 1000 are given; 0 stands for 50."),
    in_query("pageToken", STRING),
]


def _open(summary: str, *, draining: bool = False) -> dict[str, Any]:
    responses = {"200": plain("The answer.", "Status")} | (
        {"503": plain("It is draining.", "Status")} if draining else {}
    )
    return {"summary": summary, "tags": [OPEN], "security": [], "responses": responses}


def _file(summary: str, content_type: str, description: str) -> dict[str, Any]:
    schema = {"type": "object" if content_type == "application/json" else "string"}
    answer = {"description": description, "content": {content_type: {"schema": schema}}}
    return {"summary": summary, "tags": [OPEN], "security": [], "responses": {"200": answer}}


OPERATIONS = {
    "GET /v1/models list_models": read("The models that the key may use", "ModelList"),
    "GET /v1/models/{id} read_model": read("One model", "Model", parameters=_MODEL),
    "GET /v1beta/models list_models_googles_way": read(
        "The models that the key may use (Google)", "GoogleModelList", parameters=_PAGES, **_GOOGLE
    ),
    "GET /v1beta/models/{id} read_model_googles_way": read(
        "One model (Google)", "GoogleModel", parameters=_MODEL, **_GOOGLE
    ),
    "GET /v1/ai/models list_models_below_ai": read("The models that the key may use", "ModelList"),
    "GET /api/v1/ai/health read_providers_health": read(
        "Whether calls are taken, and whose models the key may use", "Health"
    ),
    "GET /v1/usage read_usage": read("The caller's usage and what is left of its limits", "Usage"),
    "GET /v1/requests list_requests": read("The caller's calls, newest first", "RequestList", parameters=_PAGE),
    "GET /v1/requests/{id} read_request": read(
        "One call: cost, usage, and why it went where it went", "Request", parameters=[in_path("id", "`x-request-id`.")]
    ),
    "GET /v1/events listen_to_events": {
        "summary": "What happens to the caller's organization, as it happens",
        "description": "Server-sent events, or a WebSocket for who offers to upgrade. The answer has no end.",
        "tags": ["Account"],
        "security": KEY,
        "parameters": [
            in_query("kind", STRING, "Only these kinds of events, with commas between."),
            in_query("last_event_id", STRING, "As the header, for clients that cannot send it."),
            in_header("Last-Event-ID", STRING, "The id of the last event that was had: first comes what followed it."),
        ],
        "responses": {"200": {"description": "The events.", "content": {EVENTS: {"schema": STRING}}}}
        | faults("OpenAIError", ("400", "401", "403", "429", "503")),
    },
    "GET /health read_health": _open("Whether the process lives"),
    "GET /livez read_liveness": _open("Whether the process lives"),
    "GET /health/liveliness read_liveness_below_health": _open("Whether the process lives"),
    "GET /readyz read_readiness": _open("Whether the gateway takes calls", draining=True),
    "GET /health/readiness read_readiness_below_health": _open("Whether the gateway takes calls", draining=True),
    "GET /metrics read_prometheus_metrics": _file("Prometheus metrics", "text/plain", "The text format."),
    "GET /docs read_documentation": _file("This description as a page", "text/html", "The page."),
    "GET /openapi.json read_description": _file("This description", "application/json", "OpenAPI 3.1."),
}

SCHEMAS: dict[str, Schema] = {
    "Model": struct(
        {
            "id": STRING,
            "object": {"const": "model"},
            "owned_by": STRING,
            "context_length": nullable(INTEGER),
            "max_output_tokens": nullable(INTEGER),
            "operations": array(STRING),
            "model": told(STRING, "As its provider calls it."),
            "aliases": array(STRING),
            "modalities": told(nullable(OBJECT), "What it takes and gives; null: not known."),
            "capabilities": nullable(array(STRING)),
            "pricing": told(
                nullable(OBJECT), "US dollars per million tokens and per unit, with tiers; null: not known."
            ),
            "unpriced": told(nullable(STRING), "What is missing for a price."),
        },
        ("id", "object", "owned_by"),
    ),
    "ModelList": struct({"object": {"const": "list"}, "data": array(reference("Model"))}, ("data",)),
    "GoogleModel": struct({"name": STRING, "supportedGenerationMethods": array(STRING)}, ("name",)),
    "GoogleModelList": struct({"models": array(reference("GoogleModel")), "nextPageToken": STRING}, ("models",)),
    "Usage": struct(
        {"object": {"const": "usage"}, "month": STRING, "day": STRING, "key": OBJECT, "user": OBJECT},
        ("object", "month", "day"),
    ),
    "Request": struct(
        {
            "id": STRING,
            "object": {"const": "request"},
            "status": {"enum": ["SUCCESS", "ERROR", "TIMEOUT", "CANCELLED"]},
            "cost_usd": NUMBER,
            "cost_nanos": INTEGER,
            "usage": OBJECT,
            "explain": OBJECT,
        },
        ("id", "object", "status", "cost_usd", "cost_nanos"),
    ),
    "RequestList": struct({"object": {"const": "list"}, "data": array(reference("Request"))}, ("data",)),
    "Health": struct(
        {
            "status": {"enum": ["healthy", "draining"]},
            "version": STRING,
            "timestamp": {"type": "string", "format": "date-time"},
            "providers": array(struct({"name": STRING, "models": INTEGER}, ("name", "models"))),
        },
        ("status", "version", "timestamp", "providers"),
    ),
    "Status": struct({"status": STRING}, ("status",)),
}
