"""Google's errors and keys, for the Gemini API and for Vertex AI.

Written from ai.google.dev/gemini-api/docs/troubleshooting, cloud.google.com/apis/design/errors and
cloud.google.com/vertex-ai/generative-ai/docs/model-reference/api-errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from onevault.simulator.faults import Fault, Refused, invalid
from onevault.simulator.format import Format
from onevault.simulator.headers import is_limited, wait_s
from onevault.simulator.request import Request
from onevault.simulator.turn import Handler, Turn

JSON_UTF8: Final = b"application/json; charset=UTF-8"
_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_QUOTA: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)
_KEY_INVALID: Final = "API key not valid. Please pass a valid API key."
_CREDENTIALS: Final = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_WORDS: Final = {
    "context_length": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "authentication": _CREDENTIALS,
    "permission": "The caller does not have permission",
    "rate_limit": _QUOTA,
    "token_rate_limit": _QUOTA,
    "quota": _QUOTA,
    "too_large": "Request payload size exceeds the limit: 20971520 bytes.",
    "server": "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
    "unavailable": "The model is overloaded. Please try again later.",
    "overloaded": "The model is overloaded. Please try again later.",
    "gateway_timeout": "Deadline expired before operation could complete.",
    "timeout": "Deadline expired before operation could complete.",
    "not_found": "Requested entity was not found.",
}
_EXHAUSTED: Final = (
    "Resource exhausted. Please try again later. Please refer to "
    "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."
)
_METRIC: Final = "generativelanguage.googleapis.com/generate_content_"
_VIOLATIONS: Final = {
    "rate_limit": ("requests", "GenerateRequestsPerMinutePerProjectPerModel", "10000"),
    "token_rate_limit": ("input_token_count", "GenerateContentInputTokensPerModelPerMinute", "2000000"),
    "quota": ("requests", "GenerateRequestsPerDayPerProjectPerModel", "1000000"),
}
_GOOGLE_TYPES: Final = "type.googleapis.com/google.rpc."


def _details(fault: Fault, *, vertex: bool) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    if fault.message == _KEY_INVALID:
        metadata = {"service": "generativelanguage.googleapis.com"}
        reason = {"reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": metadata}
        details.append({"@type": _GOOGLE_TYPES + "ErrorInfo", **reason})
        details.append({"@type": _GOOGLE_TYPES + "LocalizedMessage", "locale": "en-US", "message": _KEY_INVALID})
    if fault.name in _VIOLATIONS and not vertex:
        metric, identity, value = _VIOLATIONS[fault.name]
        violation = {"quotaMetric": _METRIC + metric, "quotaId": identity, "quotaValue": value}
        details.append({"@type": _GOOGLE_TYPES + "QuotaFailure", "violations": [violation]})
        links = [
            {
                "description": "Learn more about Gemini API quotas",
                "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
            }
        ]
        details.append({"@type": _GOOGLE_TYPES + "Help", "links": links})
    after_s = wait_s(fault, fault.retry_after_s)
    if after_s is not None and not (vertex and fault.retry_after_s is None):
        details.append({"@type": _GOOGLE_TYPES + "RetryInfo", "retryDelay": f"{after_s:g}s"})
    return details


def error_of(fault: Fault, *, vertex: bool = False) -> dict[str, Any]:
    """`{"error": {"code", "message", "status", "details"}}`; a rate limit of the Gemini API says in `details` when to come back."""
    message = _EXHAUSTED if vertex and is_limited(fault) else _WORDS.get(fault.name, fault.message)
    error: dict[str, Any] = {"code": fault.status, "message": message, "status": _STATUS.get(fault.status, "UNKNOWN")}
    if details := _details(fault, vertex=vertex):
        error["details"] = details
    return {"error": error}


def _written(error: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(error), indent=2) + b"\n"


def _success_headers(served: int) -> bytes:
    return b"server-timing: gfet4t7; dur=1\r\nx-request-number: %d\r\n" % served


def _error_headers(fault: Fault, served: int, retry_after_s: float | None) -> bytes:
    return _success_headers(served)


def unknown_model(name: str) -> Refused:
    return invalid(
        f"models/{name} is not found for API version v1beta, or is not supported for generateContent. Call "
        "ModelService.ListModels to see the list of available models and their supported methods.",
        status=404,
    )


def _key_of(request: Request) -> str:
    """From the header `x-goog-api-key`, else from `?key=`; empty if it is in neither."""
    sent = request.headers.get(b"x-goog-api-key")
    return sent.decode("latin-1") if sent is not None else parse_qs(request.query).get("key", [""])[-1]


def with_api_key(handler: Handler) -> Handler:
    """Refuses a request without an API key or with one that is not among the settings' keys, before the handler sees it."""

    def serve(turn: Turn) -> Any:
        key = _key_of(turn.request)
        if not key:
            raise invalid(
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
                "other form of API consumer identity to call this API.",
                status=403,
            )
        if turn.state.settings.keys and key not in turn.state.settings.keys:
            raise invalid(_KEY_INVALID)
        return handler(turn)

    return serve


def is_asked_by(request: Request) -> bool:
    """Whether a path that is OpenAI's as well, `/v1/models`, is asked in Google's way."""
    return b"x-goog-api-key" in request.headers or "key=" in request.query


def _format(name: str, unknown: Callable[[str], Refused], prefixes: tuple[str, ...], *, vertex: bool) -> Format:
    return Format(
        name=name,
        error=lambda fault, request_id: _written(error_of(fault, vertex=vertex)),
        success_headers=_success_headers,
        error_headers=_error_headers,
        unknown_model=unknown,
        missing_key=None,  # the handlers ask for it themselves: the Gemini API answers a wrong key with 400
        key_of=_key_of,
        prefixes=prefixes,
    )


def _unknown_on_vertex(name: str) -> Refused:
    return invalid(
        f"Publisher Model `projects/simulated/locations/global/publishers/google/models/{name}` was not found or your "
        "project does not have access to it. Please ensure you are using a valid model version. For more information, "
        "see: https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions",
        status=404,
    )


def _in_list(format_: Format, *, vertex: bool) -> Format:
    """As the array that a stream without `alt=sse` is: an error before it is an array, too."""
    return replace(format_, error=lambda fault, request_id: _written([error_of(fault, vertex=vertex)]), prefixes=())


GEMINI: Final = _format("gemini", unknown_model, ("/v1beta/",), vertex=False)
GEMINI_LIST: Final = _in_list(GEMINI, vertex=False)
VERTEX: Final = _format("vertex", _unknown_on_vertex, ("/v1/projects/", "/v1beta1/"), vertex=True)
VERTEX_LIST: Final = _in_list(VERTEX, vertex=True)
