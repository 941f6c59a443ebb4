"""How an operation is described, whichever surface it is of: its body, its answers, its faults, and the gateway's headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onevault.api.openapi.schema import ERRORS, STRING, TEXT, Schema, reference

Operation = dict[str, Any]
EVENTS = "text/event-stream"
FORM = "multipart/form-data"
JSON = "application/json"
ANY = "*/*"

KEY: list[dict[str, list[str]]] = [{"bearer": []}, {"x-api-key": []}]
GOOGLE_KEY: list[dict[str, list[str]]] = [*KEY, {"x-goog-api-key": []}, {"key": []}]

_STATUSES = {
    "400": "The request is malformed or asks for what is not supported; `param` names the field.",
    "401": "The API key is absent, unknown, expired or revoked.",
    "402": "A budget does not afford the worst case of this call.",
    "403": "The key may not use this model or provider.",
    "404": "There is no such thing, or it is not the caller's.",
    "413": "The body is too large.",
    "422": "The model has no known price, and a budget applies.",
    "429": "A rate limit or quota is used up; see `retry-after` and `x-should-retry`.",
    "500": "The gateway failed.",
    "502": "The provider, or every provider that could serve the call, failed.",
    "503": "The gateway is overloaded, draining, or cannot reach its store; see `retry-after`.",
    "504": "The provider did not answer in time.",
}
_READ = ("400", "401", "404")
_SAID_WITH_FAULTS = {
    "402": ("x-should-retry", "x-gateway-usage-usd", "x-gateway-limit-usd", "x-gateway-remaining-usd"),
    "429": (
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    "503": ("retry-after", "retry-after-ms"),
}
_OTHER_WINDOWS = "`-requests-month`, `-tokens-day` and `-tokens-month` likewise"
_SAID_WITH_ANSWERS = {
    "x-request-id": "The call's id, for `GET /v1/requests/{id}`.",
    "x-gateway-provider": "The provider that answered.",
    "x-gateway-model": "The model as that provider names it.",
    "x-gateway-route-reason": "Why this target.",
    "x-gateway-attempts": "How many attempts it took.",
    "x-gateway-cache": "Whether the answer was known already; `bypass`: nobody looked.",
    "x-gateway-cost-usd": "What the call cost (whole answers; in a stream a comment before its end).",
    "x-gateway-usage-usd": "Spent in the window of the tightest money limit, or in the user's month.",
    "x-gateway-limit-usd": "That limit.",
    "x-gateway-remaining-usd": "What is left of it.",
    "x-gateway-overhead-ms": "The gateway's own share of the time.",
    "x-gateway-ledger": "`grace` where the shared ledger did not answer and the call was granted all the same; absent otherwise.",
    "x-gateway-output-limit": "The output limit in tokens, where it was lowered to what the budget left pays for.",
    "x-gateway-dropped": "Tuning hints that the target could not express.",
    "x-ratelimit-limit-requests": "Requests a minute that the tightest limit allows; `x-ratelimit-limit-tokens` for tokens.",
    "x-ratelimit-remaining-requests": "What is left of them now; `x-ratelimit-remaining-tokens` for tokens.",
    "x-ratelimit-reset-requests": "When all are free again (`12ms`, `6m0s`); `x-ratelimit-reset-tokens` for tokens.",
    "x-ratelimit-limit-requests-day": f"Requests a day that the tightest limit allows; {_OTHER_WINDOWS}.",
    "x-ratelimit-remaining-requests-day": f"What is left of them today; {_OTHER_WINDOWS}.",
    "x-ratelimit-reset-requests-day": f"Until the organization's day ends (`23h59m8s`); {_OTHER_WINDOWS}.",
}
_OF_FAULTS = {
    "retry-after": "Whole seconds after which it is worth trying again.",
    "retry-after-ms": "The same in milliseconds.",
    "x-should-retry": "`false`: it will not get better by itself.",
}

HEADERS = {name: {"description": text, "schema": STRING} for name, text in (_SAID_WITH_ANSWERS | _OF_FAULTS).items()}
"""`components.headers`."""


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _fault(status: str, error: str) -> dict[str, Any]:
    content = {JSON: {"schema": reference(error)}}
    names = ("x-request-id", *_SAID_WITH_FAULTS.get(status, ()))
    return {"description": _STATUSES[status], "headers": _headers(names), "content": content}


RESPONSES = {f"{error}{status}": _fault(status, error) for error in ERRORS for status in _STATUSES}
"""`components.responses`: every fault in every shape."""

_TELLS = {
    "x-gateway-strict": (
        {"enum": ["true", "false", "1", "0"]},
        "`true`: what a target cannot express is a fault, never dropped.",
    ),
    "x-gateway-providers": (STRING, "`routing.providers`, with commas between."),
    "x-gateway-max-cost": ({"type": "number", "minimum": 0}, "`budget.max_cost_per_request`."),
    "x-gateway-metadata": (STRING, "`metadata` as a JSON object."),
}
PARAMETERS = {
    name: {"name": name, "in": "header", "required": False, "description": text, "schema": schema}
    for name, (schema, text) in _TELLS.items()
}
"""`components.parameters`: what a caller tells the gateway where a dialect's body has no room for it."""


def call(
    tag: str,
    summary: str,
    takes: str,
    gives: Mapping[str, str | None],
    *,
    example: Mapping[str, Any],
    error: str = "OpenAIError",
    content_type: str = JSON,
    encoding: Mapping[str, str] | None = None,
    parameters: Sequence[Mapping[str, Any]] = (),
    security: Sequence[Mapping[str, list[str]]] = KEY,
    description: str = "",
) -> Operation:
    """A call to a model. `takes` names the body's schema; `gives` the answer's by content type (None: no schema of OpenAPI 3.1 can
    say what it is, as for the events of a stream); `encoding` tells what kinds of files a form's fields are."""
    body: dict[str, Any] = {"schema": reference(takes), "example": example}
    if encoding:
        body["encoding"] = {name: {"contentType": kinds} for name, kinds in encoding.items()}
    answers = {kind: {} if schema is None else {"schema": reference(schema)} for kind, schema in gives.items()}
    made = {
        "summary": summary,
        "tags": [tag],
        "security": security,
        "parameters": [*parameters, *({"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS)],
        "requestBody": {"required": True, "content": {content_type: body}},
        "responses": {
            "200": {"description": "The answer.", "headers": _headers([*_SAID_WITH_ANSWERS]), "content": answers}
        }
        | faults(error),
    }
    return made | ({"description": description} if description else {})


def read(
    summary: str,
    answer: str,
    *,
    tag: str = "Account",
    parameters: Sequence[Mapping[str, Any]] = (),
    error: str = "OpenAIError",
    security: Sequence[Mapping[str, list[str]]] = KEY,
) -> Operation:
    """What a key may see of itself."""
    return {
        "summary": summary,
        "tags": [tag],
        "security": security,
        "parameters": [*parameters],
        "responses": {"200": plain("The answer.", answer)} | faults(error, _READ),
    }


def faults(error: str, statuses: Sequence[str] = tuple(_STATUSES)) -> dict[str, Any]:
    return {status: {"$ref": f"#/components/responses/{error}{status}"} for status in statuses}


def plain(description: str, answer: str) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": reference(answer)}}}


def in_path(name: str, description: str, *, example: str | None = None) -> dict[str, Any]:
    made = {"name": name, "in": "path", "required": True, "description": description, "schema": TEXT}
    return made | ({"example": example} if example is not None else {})


def in_header(name: str, schema: Schema, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def in_query(name: str, schema: Schema, description: str = "") -> dict[str, Any]:
    made = {"name": name, "in": "query", "required": False, "schema": schema}
    return made | ({"description": description} if description else {})
