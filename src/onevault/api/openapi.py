"""The OpenAPI 3.1 document of the whole service: the data plane written here, the admin API as FastAPI derives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onevault.api.openapi_schemas import EXAMPLES, SCHEMAS, reference

_STATUSES = {
    "400": "The request is malformed or asks for what is not supported; `param` names the field.",
    "401": "The API key is absent, unknown, expired or revoked.",
    "402": "A budget does not afford the worst case of this call.",
    "403": "The key may not use this model or provider.",
    "404": "There is no such thing, or it is not the caller's.",
    "405": "The path does not take this method.",
    "413": "The body is too large.",
    "422": "The model has no known price, and a budget applies.",
    "429": "A rate limit or quota is used up; see `retry-after` and `x-should-retry`.",
    "500": "The gateway failed.",
    "502": "The provider, or every provider that could serve the call, failed.",
    "503": "The gateway is overloaded, draining, or cannot reach its store; see `retry-after`.",
    "504": "The provider did not answer in time.",
}
_CALL = tuple(status for status in _STATUSES if status != "405")
_READ = ("400", "401", "404")
_KEY: list[dict[str, list[str]]] = [{"bearer": []}, {"x-api-key": []}]
_HEADERS = {
    "x-request-id": "The call's id, for `GET /v1/requests/{id}`.",
    "x-gateway-provider": "The provider that answered.",
    "x-gateway-model": "The model as that provider names it.",
    "x-gateway-route-reason": "Why this target.",
    "x-gateway-attempts": "How many attempts it took.",
    "x-gateway-cost-usd": "What the call cost (whole answers; in a stream a comment before its end).",
    "x-gateway-usage-usd": "Spent in the window of the tightest money limit, or in the user's month.",
    "x-gateway-limit-usd": "That limit.",
    "x-gateway-remaining-usd": "What is left of it.",
    "x-gateway-overhead-ms": "The gateway's own share of the time.",
    "x-gateway-output-limit": "The output limit in tokens, where it was lowered to what the budget left pays for.",
    "x-gateway-dropped": "Tuning hints that the target could not express.",
}


def document(admin: Mapping[str, Any], *, version: str) -> dict[str, Any]:
    """The merged document. `admin` is the admin API's own OpenAPI document."""
    components = dict(admin.get("components", {}))
    components["schemas"] = SCHEMAS | components.get("schemas", {})
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key `gw_live_…` or `gw_test_…`."},
        "x-api-key": {
            "type": "apiKey",
            "in": "header",
            "name": "x-api-key",
            "description": "The same key, Anthropic's way.",
        },
    } | components.get("securitySchemes", {})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OneVault Gateway",
            "version": version,
            "description": "One service between applications and AI providers. Every dialect's own fields pass beside those named here.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _data_plane() | dict(admin.get("paths", {})),
        "components": components,
    }


def _data_plane() -> dict[str, Any]:
    chat = _call("Chat completion (OpenAI)", "ChatCompletionRequest", "ChatCompletion", stream=True)
    messages = _call("Messages (Anthropic)", "MessagesRequest", "Message", stream=True, error="AnthropicError")
    count = _call("Count tokens (Anthropic)", "CountTokensRequest", "TokenCount", error="AnthropicError")
    model = [_path("id", "A model; slashes are fine.")]
    page = [
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
        _query("before", {"type": "string"}),
    ]
    pages = [
        _query("pageSize", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50}),
        _query("pageToken", {"type": "string"}),
    ]
    call = [_path("id", "`x-request-id`.")]
    operations = {
        "POST /v1/chat/completions create_chat_completion": chat,
        "POST /api/chat/completions create_chat_completion_below_api": chat,
        "POST /v1/embeddings create_embeddings": _call("Embeddings (OpenAI)", "EmbeddingsRequest", "Embeddings"),
        "POST /v1/messages create_message": messages,
        "POST /v1/messages/count_tokens count_tokens": count,
        "GET /v1/models list_models": _read("The models that the key may use", "ModelList"),
        "GET /v1/models/{id} read_model": _read("One model", "Model", parameters=model),
        "GET /v1beta/models list_models_googles_way": _read(
            "The models that the key may use (Google)", "GoogleModelList", parameters=pages, error="GoogleError"
        ),
        "GET /v1beta/models/{id} read_model_googles_way": _read(
            "One model (Google)", "GoogleModel", parameters=model, error="GoogleError"
        ),
        "GET /v1/ai/models list_models_below_ai": _read("The models that the key may use", "ModelList"),
        "GET /api/v1/ai/health read_providers_health": _read(
            "Whether calls are taken, and whose models the key may use", "Health"
        ),
        "GET /v1/usage read_usage": _read("The caller's usage and what is left of its limits", "Usage"),
        "GET /v1/requests list_requests": _read("The caller's calls, newest first", "RequestList", parameters=page),
        "GET /v1/requests/{id} read_request": _read(
            "One call: cost, usage, and why it went where it went", "Request", parameters=call
        ),
        "GET /health read_health": _open("Whether the process lives"),
        "GET /livez read_liveness": _open("Whether the process lives"),
        "GET /health/liveliness read_liveness_below_health": _open("Whether the process lives"),
        "GET /readyz read_readiness": _open("Whether the gateway takes calls", draining=True),
        "GET /health/readiness read_readiness_below_health": _open("Whether the gateway takes calls", draining=True),
        "GET /metrics read_prometheus_metrics": _file("Prometheus metrics", "text/plain", "The text format."),
        "GET /docs read_documentation": _file("This description as a page", "text/html", "The page."),
        "GET /openapi.json read_description": _file("This description", "application/json", "OpenAPI 3.1."),
    }
    paths: dict[str, Any] = {}
    for name, operation in operations.items():
        method, path, operation_id = name.split(" ")
        paths[path] = {method.lower(): operation | {"operationId": operation_id}}
    return paths


def _file(summary: str, content_type: str, description: str) -> dict[str, Any]:
    schema = {"type": "object" if content_type == "application/json" else "string"}
    answer = {"description": description, "content": {content_type: {"schema": schema}}}
    return {"summary": summary, "tags": ["operations"], "security": [], "responses": {"200": answer}}


def _call(summary: str, asked: str, answer: str, *, stream: bool = False, error: str = "OpenAIError") -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": reference(answer)}}
    if stream:
        content["text/event-stream"] = {}  # no schema of OpenAPI 3.1 can say what a stream's events are
    headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()}
    return {
        "summary": summary,
        "tags": ["calls"],
        "security": _KEY,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": reference(asked), "example": EXAMPLES[asked]}},
        },
        "responses": {"200": {"description": "The answer.", "headers": headers, "content": content}}
        | _faults(_CALL, error),
    }


def _read(
    summary: str, answer: str, *, parameters: list[dict[str, Any]] | None = None, error: str = "OpenAIError"
) -> dict[str, Any]:
    return {
        "summary": summary,
        "tags": ["account"],
        "security": _KEY,
        "parameters": parameters or [],
        "responses": _ok(answer) | _faults(_READ, error),
    }


def _open(summary: str, *, draining: bool = False) -> dict[str, Any]:
    responses = _ok("Status") | ({"503": _plain("It is draining.", "Status")} if draining else {})
    return {"summary": summary, "tags": ["operations"], "security": [], "responses": responses}


def _ok(answer: str) -> dict[str, Any]:
    return {"200": _plain("The answer.", answer)}


def _plain(description: str, answer: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": reference(answer)}}}


def _faults(statuses: tuple[str, ...], error: str) -> dict[str, Any]:
    return {status: _plain(_STATUSES[status], error) for status in statuses}


def _path(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
    }


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}
