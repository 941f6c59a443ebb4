"""What providers' refusals mean, and how the gateway's own are written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Dialect
from onevault.dialects.registry import CODECS, INGRESS

CHAT, MESSAGES = "openai-chat", "anthropic-messages"


def openai(**error: Any) -> bytes:
    return json.dumps({"error": {"message": "s3cret", **error}}).encode()


def anthropic(type: str, message: str = "s3cret", **more: Any) -> bytes:
    return json.dumps({"type": "error", "error": {"type": type, "message": message, **more}}).encode()


HTML = b"<html><body>s3cret Bad Gateway</body></html>"


@pytest.mark.parametrize(
    ("dialect", "status", "body", "kind", "param"),
    [
        (CHAT, 401, openai(code="invalid_api_key"), FaultKind.PROVIDER_ERROR, None),
        (CHAT, 403, openai(), FaultKind.PROVIDER_ERROR, None),
        (CHAT, 402, openai(), FaultKind.PROVIDER_ERROR, None),
        (
            CHAT,
            400,
            openai(code="context_length_exceeded", param="messages"),
            FaultKind.CONTEXT_LENGTH_EXCEEDED,
            "messages",
        ),
        (CHAT, 400, openai(message="s3cret maximum context length is 8192"), FaultKind.CONTEXT_LENGTH_EXCEEDED, None),
        (CHAT, 400, openai(code="content_filter", param="prompt"), FaultKind.SAFETY_VIOLATION, "prompt"),
        (CHAT, 400, openai(innererror={"code": "ResponsibleAIPolicyViolation"}), FaultKind.SAFETY_VIOLATION, None),
        (CHAT, 400, openai(param="messages[0].content"), FaultKind.INVALID_REQUEST, "messages[0].content"),
        (CHAT, 400, openai(param="your key sk-s3cret!"), FaultKind.INVALID_REQUEST, None),
        (CHAT, 400, openai(param=5), FaultKind.INVALID_REQUEST, None),
        (CHAT, 400, openai(code="unsupported_parameter", param="stop"), FaultKind.UNSUPPORTED_PARAMETER, "stop"),
        (CHAT, 400, b'{"error":"s3cret"}', FaultKind.INVALID_REQUEST, None),
        (CHAT, 400, HTML, FaultKind.PROVIDER_ERROR, None),
        (CHAT, 404, openai(code="model_not_found"), FaultKind.MODEL_NOT_FOUND, None),
        (CHAT, 404, HTML, FaultKind.PROVIDER_ERROR, None),
        (CHAT, 413, HTML, FaultKind.PAYLOAD_TOO_LARGE, None),
        (CHAT, 422, b'{"detail":[{"loc":["s3cret"]}]}', FaultKind.INVALID_REQUEST, None),
        (CHAT, 429, openai(code="rate_limit_exceeded"), FaultKind.RATE_LIMITED, None),
        (CHAT, 429, openai(code="insufficient_quota"), FaultKind.PROVIDER_ERROR, None),
        (CHAT, 429, HTML, FaultKind.RATE_LIMITED, None),
        (CHAT, 500, openai(type="server_error"), FaultKind.PROVIDER_ERROR, None),
        (CHAT, 502, HTML, FaultKind.PROVIDER_ERROR, None),
        (CHAT, 503, HTML, FaultKind.OVERLOADED, None),
        (CHAT, 504, HTML, FaultKind.PROVIDER_TIMEOUT, None),
        (CHAT, 500, b"", FaultKind.PROVIDER_ERROR, None),
        (CHAT, 301, b"", FaultKind.PROVIDER_ERROR, None),
        (MESSAGES, 401, anthropic("authentication_error"), FaultKind.PROVIDER_ERROR, None),
        (MESSAGES, 403, anthropic("permission_error"), FaultKind.PROVIDER_ERROR, None),
        (MESSAGES, 400, anthropic("invalid_request_error"), FaultKind.INVALID_REQUEST, None),
        (
            MESSAGES,
            400,
            anthropic("invalid_request_error", "messages.0.content.1: s3cret"),
            FaultKind.INVALID_REQUEST,
            "messages.0.content.1",
        ),
        (MESSAGES, 400, anthropic("invalid_request_error", "s3cret.x: y"), FaultKind.INVALID_REQUEST, None),
        (
            MESSAGES,
            400,
            anthropic("invalid_request_error", "prompt is too long: 300000 tokens s3cret"),
            FaultKind.CONTEXT_LENGTH_EXCEEDED,
            None,
        ),
        (
            MESSAGES,
            400,
            anthropic("invalid_request_error", "Your credit balance is too low s3cret"),
            FaultKind.PROVIDER_ERROR,
            None,
        ),
        (MESSAGES, 404, anthropic("not_found_error", "model: s3cret"), FaultKind.MODEL_NOT_FOUND, "model"),
        (
            MESSAGES,
            404,
            anthropic("not_found_error", details={"error_code": "thread_not_found"}),
            FaultKind.NOT_FOUND,
            "thread",
        ),
        (
            MESSAGES,
            404,
            anthropic("not_found_error", details={"error_code": "s3cret"}),
            FaultKind.INVALID_REQUEST,
            None,
        ),
        (MESSAGES, 413, anthropic("request_too_large"), FaultKind.PAYLOAD_TOO_LARGE, None),
        (MESSAGES, 429, anthropic("rate_limit_error"), FaultKind.RATE_LIMITED, None),
        (MESSAGES, 500, anthropic("api_error"), FaultKind.PROVIDER_ERROR, None),
        (MESSAGES, 529, anthropic("overloaded_error"), FaultKind.OVERLOADED, None),
        (MESSAGES, 400, HTML, FaultKind.PROVIDER_ERROR, None),
    ],
)
def test_a_refusal_is_told_in_the_gateways_words(
    dialect: Dialect, status: int, body: bytes, kind: FaultKind, param: str | None
) -> None:
    fault = CODECS[dialect].fault(status, {}, body)
    assert (fault.kind, fault.param) == (kind, param)
    assert fault.provider_status == status
    assert "s3cret" not in fault.message
    assert fault.provider_text == body.decode()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, 86_400.0),
    ],
)
def test_when_to_try_again(headers: dict[str, str], seconds: float | None) -> None:
    assert CODECS[CHAT].fault(429, headers, b"").retry_after_s == seconds


@settings(deadline=None)  # two cores shared with other tests
@given(st.sampled_from(list(CODECS)), st.integers(100, 599), st.binary(max_size=300))
def test_no_answer_makes_reading_a_fault_fail(dialect: Dialect, status: int, body: bytes) -> None:
    assert CODECS[dialect].fault(status, {"retry-after": body.decode("latin-1")}, body).provider_status == status


def test_the_text_that_is_kept_is_bounded() -> None:
    assert len(CODECS[CHAT].fault(500, {}, b"x" * 100_000).provider_text) == 2_048


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_fault_has_its_dialects_shape(kind: FaultKind) -> None:
    fault = Fault(kind, "Sorry.", param="messages[0]")
    error = json.loads(INGRESS[CHAT].error_body(fault, request_id="r"))["error"]
    assert sorted(error) == ["code", "message", "param", "type"]
    assert (error["code"], error["param"], error["message"]) == (kind.value, "messages[0]", "Sorry.")
    document = json.loads(INGRESS[MESSAGES].error_body(fault, request_id="r"))
    assert "details" not in document["error"]
    assert (document["type"], document["request_id"]) == ("error", "r")
    assert document["error"]["message"] == "messages[0]: Sorry."
    assert document["error"]["type"].endswith("_error") or document["error"]["type"] == "request_too_large"


def test_a_code_that_anthropics_sdk_goes_on_by_reaches_it() -> None:
    body = anthropic("not_found_error", details={"error_code": "thread_not_found"})
    fault = CODECS[MESSAGES].fault(404, {}, body)
    told = json.loads(INGRESS[MESSAGES].error_body(fault, request_id="r"))["error"]
    assert told["details"]["error_code"] == "thread_not_found"


def test_faults_inside_a_stream_end_it_without_its_terminator() -> None:
    fault = Fault(FaultKind.PROVIDER_ERROR, "Sorry.")
    assert INGRESS[CHAT].error_frame(fault, request_id="r") == (
        b'data: {"error":{"message":"Sorry.","type":"server_error","param":null,"code":"PROVIDER_ERROR"}}\n\n'
    )
    assert INGRESS[MESSAGES].error_frame(fault, request_id="r") == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"Sorry."},"request_id":"r"}\n\n'
    )
