"""Every error of every target for every caller: as its golden one, and the error that the caller's library has for it."""

from __future__ import annotations

import json
import math
from typing import Any

import anthropic
import jsonschema_rs
import openai
import pytest
from anthropic.types import ErrorResponse
from google.genai import errors as google

from onevault.core.faults import FaultKind
from tests.matrix.carried import fault_of, refused, told_stream
from tests.matrix.cases import PAIRS, TARGETS, answers_of, errors_of
from tests.matrix.clients import LIBRARIES
from tests.matrix.clients.own import ERROR
from tests.matrix.golden import error_golden, kept, written

CASES = [
    pytest.param(caller, target, case, id=f"{target} to {caller}: {case}")
    for caller, target in PAIRS
    for case in errors_of(target)
]
KINDS = {
    "rate_limit": FaultKind.RATE_LIMITED,
    "context_length": FaultKind.CONTEXT_LENGTH_EXCEEDED,
    "content_filter": FaultKind.SAFETY_VIOLATION,
    "bad_request": FaultKind.INVALID_REQUEST,
    "authentication": FaultKind.PROVIDER_ERROR,
    "overloaded": FaultKind.OVERLOADED,
}
STATUSES = {
    "rate_limit": 429,
    "context_length": 400,
    "content_filter": 400,
    "bad_request": 400,
    "authentication": 502,
    "overloaded": 503,
}
OPENAIS = {
    400: openai.BadRequestError,
    429: openai.RateLimitError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
}
RAISED: dict[str, dict[int, type[Exception]]] = {
    "openai-chat": OPENAIS,
    "openai-responses": OPENAIS,
    "anthropic-messages": {
        400: anthropic.BadRequestError,
        429: anthropic.RateLimitError,
        502: anthropic.InternalServerError,
        503: anthropic.APIStatusError,
    },
    "gemini": {400: google.ClientError, 429: google.ClientError, 502: google.ServerError, 503: google.ServerError},
}
"""The library's error of each status."""


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
def test_an_error_is_written_as_its_golden_one(caller: str, target: str, case: str) -> None:
    assert written(error_golden(caller, target, case)) == written(kept(caller, target)["errors"][case])


@pytest.mark.parametrize(("caller", "target"), PAIRS)
def test_every_golden_error_still_happens(caller: str, target: str) -> None:
    assert set(kept(caller, target)["errors"]) == set(errors_of(target))


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
def test_an_error_keeps_its_meaning_in_the_callers_library(caller: str, target: str, case: str) -> None:
    fault = fault_of(target, *errors_of(target)[case])
    assert fault.kind is KINDS[case]
    refusal = refused(caller, fault)
    assert refusal.status == STATUSES[case]
    if case == "rate_limit":
        assert fault.retry_after_s is not None
        assert refusal.headers["retry-after"] == str(math.ceil(fault.retry_after_s))
    if caller == "own":
        document = json.loads(refusal.body)
        jsonschema_rs.validate(ERROR, document)
        assert (document["error"]["code"], document["error"]["message"]) == (fault.kind.value, fault.message)
        return
    library = LIBRARIES[caller]
    library.given.gives(refusal.body, "application/json", status=refusal.status, headers=refusal.headers)
    with pytest.raises(RAISED[caller][refusal.status]) as raised:
        library.refuse()
    error: Any = raised.value
    assert error.response.headers.get("retry-after") == refusal.headers.get("retry-after")
    if caller == "gemini":
        assert (error.code, error.message) == (refusal.status, fault.message)
        assert error.status == GOOGLES[case]
    elif caller == "anthropic-messages":
        assert error.status_code == refusal.status
        document = ErrorResponse.model_validate(error.body)
        where = "" if fault.param is None else f"{fault.param}: "
        assert (document.error.type, document.error.message) == (ANTHROPICS[case], where + fault.message)
    else:
        assert (error.status_code, error.code) == (refusal.status, fault.kind.value)
        assert (error.body["message"], error.param) == (fault.message, fault.param)


GOOGLES = {
    "rate_limit": "RESOURCE_EXHAUSTED",
    "context_length": "INVALID_ARGUMENT",
    "content_filter": "INVALID_ARGUMENT",
    "bad_request": "INVALID_ARGUMENT",
    "authentication": "UNAVAILABLE",
    "overloaded": "UNAVAILABLE",
}
ANTHROPICS = {
    "rate_limit": "rate_limit_error",
    "context_length": "invalid_request_error",
    "content_filter": "invalid_request_error",
    "bad_request": "invalid_request_error",
    "authentication": "api_error",
    "overloaded": "overloaded_error",
}
BROKEN: dict[str, type[Exception]] = {
    "openai-chat": openai.APIError,
    "openai-responses": openai.APIError,
    "anthropic-messages": anthropic.APIStatusError,
    "gemini": google.APIError,
}


@pytest.mark.parametrize("target", [target for target in TARGETS if target not in LIBRARIES])
@pytest.mark.parametrize("caller", LIBRARIES)
def test_an_error_inside_a_stream_is_raised_by_the_callers_library(caller: str, target: str) -> None:
    fault = fault_of(target, *errors_of(target)["overloaded"])
    begun = told_stream(caller, target, answers_of(target, "stream")["text"]).split(b"\n\n")[:2]
    library = LIBRARIES[caller]
    library.given.gives(b"\n\n".join([*begun, refused(caller, fault).frame]), "text/event-stream")
    with pytest.raises(BROKEN[caller]) as raised:
        library.break_off()
    assert fault.message in str(raised.value)
