"""Bedrock's errors, headers and credentials.

Written from docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, .../CommonErrors.html and
docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from onevault.simulator.faults import Fault, Refused, invalid
from onevault.simulator.format import Format, bearer_or
from onevault.simulator.headers import written
from onevault.simulator.reply import Reply
from onevault.simulator.sigv4 import ALGORITHM, Credentials, verify
from onevault.simulator.turn import Handler, Turn

_SERVICE: Final = "bedrock"
_TYPES: Final = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    402: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    405: "UnknownOperationException",
    408: "ModelTimeoutException",
    409: "ConflictException",
    413: "RequestEntityTooLargeException",
    422: "ValidationException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
}
_WORDS: Final = {
    "context_length": "Input is too long for requested model.",
    "authentication": "The security token included in the request is invalid.",
    "permission": "You don't have access to the model with the specified model ID.",
    "not_found": "Could not resolve the foundation model from the provided model identifier.",
    "timeout": "Model has timed out in processing the request. Try your request again.",
    "rate_limit": "Too many requests, please wait before trying again.",
    "token_rate_limit": "Too many tokens, please wait before trying again.",
    "quota": "Your account has exceeded its quota for this model.",
    "server": "The system encountered an unexpected error during processing. Try your request again.",
    "unavailable": "Bedrock is unable to process your request.",
    "overloaded": "Bedrock is unable to process your request.",
}
_STACK: Final = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
_INVALID_MODEL: Final = "The provided model identifier is invalid."
_bearer: Final = bearer_or()


def type_of(fault: Fault) -> str:
    """The name of the exception; a refusal of Bedrock's own brings it as `code`."""
    if fault.name == "quota":
        return "ServiceQuotaExceededException"
    if not fault.name and fault.openai_code and fault.openai_code.endswith("Exception"):
        return fault.openai_code
    return _TYPES.get(fault.status) or ("ServiceUnavailableException" if fault.status > 500 else "ValidationException")


def message_of(fault: Fault) -> str:
    return _WORDS.get(fault.name, fault.message)


def _error(fault: Fault, request_id: str) -> bytes:
    return msgspec.json.encode({"message": message_of(fault)})


def _success_headers(served: int) -> bytes:
    return b"x-amzn-requestid: 00000000-0000-4000-8000-%012x\r\n" % served


def _error_headers(fault: Fault, served: int, retry_after_s: float | None) -> bytes:
    """AWS does not say when to come back, unless it was asked to."""
    lines = [f"x-amzn-errortype: {type_of(fault)}{_STACK}"]
    if retry_after_s is not None:
        lines.append(f"retry-after: {retry_after_s:g}")
    return _success_headers(served) + written(lines)


def _unknown_model(name: str) -> Refused:
    return invalid(_INVALID_MODEL)


BEDROCK: Final = Format(
    name="bedrock",
    error=_error,
    success_headers=_success_headers,
    error_headers=_error_headers,
    unknown_model=_unknown_model,
    missing_key=None,  # the handlers ask for it themselves: a signature is no key
    key_of=_bearer,
    prefixes=("/model/",),
)


def with_credentials(handler: Handler) -> Handler:
    """Refuses a request that is neither signed nor brings an API key, before the handler sees it."""

    def serve(turn: Turn) -> Reply:
        _check_credentials(turn)
        return handler(turn)

    return serve


def _check_credentials(turn: Turn) -> None:
    settings, request = turn.state.settings, turn.request
    sent = request.headers.get(b"authorization", b"")
    if sent.startswith(ALGORITHM.encode()):
        credentials = Credentials(settings.aws_access_key, settings.aws_secret_key)
        verify(request, credentials, service=_SERVICE, now=datetime.now(UTC))
    elif key := _bearer(request):
        if settings.keys and key not in settings.keys:
            message = "Authentication failed: Please make sure your API Key is valid."
            raise invalid(message, code="AccessDeniedException", status=403)
    elif sent:
        message = "Authorization header is neither a signature nor an API key."
        raise invalid(message, code="IncompleteSignatureException", status=403)
    else:
        raise invalid("Missing Authentication Token", code="MissingAuthenticationTokenException", status=403)


def model_of(turn: Turn) -> str:
    """The model that the path names, by the name under which the settings know it.

    An ARN names it after its slash, an inference profile puts its region before it. What the settings do not know stays as it
    is.
    """
    asked = turn.parts["model"]
    name = asked.rpartition("/")[2] if asked.startswith("arn:") else asked
    known = turn.state.settings.models
    return next((one for one in (asked, name, name.partition(".")[2]) if one in known), name)
