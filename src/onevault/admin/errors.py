"""Writes faults of the control plane, and what the framework refuses, in the one error shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from pydantic import ValidationError

from onevault.core.faults import Fault, FaultKind

StatusOf = Callable[[FaultKind], int]
NOT_AVAILABLE_YET = "not_available_yet"
"""The type of a validation error that means: understood, but this version of the gateway does not do it."""

_PROBLEMS_SHOWN_MAX = 10
_NAME_SHOWN_MAX = 80
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def error_body(status: int, *, code: str, message: str, param: str | None) -> bytes:
    """`{"error": {"message","type","param","code"}}`."""
    error = {"message": message, "type": _TYPES.get(status, "server_error"), "param": param, "code": code}
    return msgspec.json.encode({"error": error})


def fault_of_problems(problems: Sequence[Mapping[str, Any]]) -> Fault:
    """One fault for everything that pydantic found wrong: each problem with its field; never what was sent."""
    problems = sorted(problems, key=lambda problem: problem["type"] == NOT_AVAILABLE_YET)
    told = [_problem(problem) for problem in problems[:_PROBLEMS_SHOWN_MAX]]
    if len(problems) > len(told):
        told.append(("", f"and {len(problems) - len(told)} more"))
    unavailable = problems[0]["type"] == NOT_AVAILABLE_YET
    return Fault(
        FaultKind.UNSUPPORTED_PARAMETER if unavailable else FaultKind.INVALID_REQUEST,
        "; ".join(f"{field}: {reason}" if field else reason for field, reason in told),
        param=told[0][0] or None,
    )


def fault_of_validation(error: ValidationError) -> Fault:
    """The same for input that did not come over HTTP."""
    return fault_of_problems([{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()])


def _problem(problem: Mapping[str, Any]) -> tuple[str, str]:
    place, *path = problem["loc"]
    if place == "body" and (not path or problem["type"] == "json_invalid"):
        return "", "the body must be one JSON object, sent with content-type application/json"
    field = ""
    for step in path:
        field += f"[{step}]" if isinstance(step, int) else f".{_shown(step)}" if field else _shown(step)
    match problem["type"]:
        case "extra_forbidden":
            return field, "there is no such field"
        case "missing":
            return field, "is required"
        case "string_pattern_mismatch":
            return field, "is not written as it must be; /docs says how"
        case _:
            return field, str(problem["msg"])


def _shown(name: object) -> str:
    text = str(name).encode(errors="replace").decode()
    return text if len(text) <= _NAME_SHOWN_MAX else text[:_NAME_SHOWN_MAX] + "…"
