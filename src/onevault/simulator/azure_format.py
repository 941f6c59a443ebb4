"""Azure OpenAI's errors, headers and keys.

Written from learn.microsoft.com/azure/ai-foundry/openai/reference and /how-to/quota, /concepts/content-filter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from onevault.simulator.faults import Fault, Refused, invalid
from onevault.simulator.format import Format, bearer_or
from onevault.simulator.headers import REQUESTS, TOKENS, advice, is_limited, left, written
from onevault.simulator.openai_format import OPENAI, error_body, error_of

_NO_KEY: Final = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active "
    "subscription and use a correct regional API endpoint for your resource."
)
_LIMITED: Final = (
    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded call rate limit of your current "
    "OpenAI S0 pricing tier. Please retry after 1 second."
)
_FILTERED: Final = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your "
    "prompt and retry. To learn more about our content filtering policies please read our documentation: "
    "https://go.microsoft.com/fwlink/?linkid=2198766"
)
_SUCCESS: Final = (
    f"x-ms-region: Simulated\r\nx-ratelimit-limit-requests: {REQUESTS}\r\nx-ratelimit-limit-tokens: {TOKENS}\r\n"
    f"x-ratelimit-remaining-requests: {REQUESTS - 1}\r\nx-ratelimit-remaining-tokens: {TOKENS - 100}\r\n"
).encode()
_SAFE: Final = {"filtered": False, "severity": "safe"}
_DETECTED: Final = {"filtered": False, "detected": False}


def filter_results(*, prompt: bool, filtered: bool = False) -> dict[str, Any]:
    """What the content filter found in a prompt or in an answer."""
    found = {name: dict(_SAFE) for name in ("hate", "self_harm", "sexual", "violence")}
    if filtered:
        found["violence"] = {"filtered": True, "severity": "medium"}
    more = ("jailbreak",) if prompt else ("protected_material_code", "protected_material_text")
    return found | {name: dict(_DETECTED) for name in more}


def _error(fault: Fault, request_id: str) -> bytes:
    match fault.name or fault.openai_code:
        case "authentication":
            error: dict[str, Any] = {"code": "401", "message": _NO_KEY}
        case "rate_limit" | "token_rate_limit":
            error = {"code": "429", "message": _LIMITED}
        case "content_filter":
            inner = {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": filter_results(prompt=True, filtered=True),
            }
            error = {"message": _FILTERED, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
            error["innererror"] = inner
        case "not_found" | "model_not_found":
            error = {"code": "DeploymentNotFound", "message": _NO_DEPLOYMENT}
        case _ if fault.openai_type == _BARE:
            error = {"code": str(fault.status), "message": fault.message}
        case _:
            error = error_of(fault)
    return msgspec.json.encode({"error": error})


_NO_DEPLOYMENT: Final = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please "
    "wait a moment and try again."
)
_BARE: Final = "bare"
NO_RESOURCE: Final = Fault(404, _BARE, "404", "Resource not found", _BARE, "Resource not found")
"""Without `api-version`, and for a path that is none: from before the service itself, which has its own shape of errors."""


def _success_headers(served: int) -> bytes:
    return b"apim-request-id: %032x\r\nx-request-id: %032x\r\n%b" % (served, served, _SUCCESS)


def _error_headers(fault: Fault, served: int, retry_after_s: float | None) -> bytes:
    lines = [f"apim-request-id: {served:032x}", f"x-request-id: {served:032x}", "x-ms-region: Simulated"]
    lines += advice(replace(fault, should_retry=None), retry_after_s, milliseconds=True)
    if is_limited(fault):
        lines += [f"x-ratelimit-remaining-{name}: {count}" for name, count in left(fault).items()]
    return written(lines)


def _unknown_deployment(name: str) -> Refused:
    return invalid(_NO_DEPLOYMENT, code="model_not_found", status=404)


AZURE: Final = Format(
    name="azure",
    error=_error,
    success_headers=_success_headers,
    error_headers=_error_headers,
    unknown_model=_unknown_deployment,
    missing_key=Fault(401, _BARE, "401", _NO_KEY, _BARE, _NO_KEY),
    key_of=bearer_or(b"api-key"),
    prefixes=("/openai/",),
)
AZURE_V1: Final = replace(
    AZURE, name="azure-v1", error=error_body, unknown_model=OPENAI.unknown_model, prefixes=("/openai/v1/",)
)
"""The version without versions, which words most errors as OpenAI does."""
