"""The errors that providers answer with: what they mean, and in which words; their shape is each format's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True)
class Fault:
    """An error as providers would word it. The first of each status in `CATALOGUE` is what the bare status means.

    `name` is the one it has in the catalogue, by which a format may choose words of its own; empty outside of it.
    `retry_after_s` is when to come back, if it was asked for: some formats say it in the body.

    Sources: platform.openai.com/docs/guides/error-codes, docs.anthropic.com/en/api/errors.
    """

    status: int
    openai_type: str
    openai_code: str | None
    openai_message: str
    anthropic_type: str
    anthropic_message: str
    openai_param: str | None = None
    should_retry: bool | None = None
    name: str = ""
    retry_after_s: float | None = None
    anthropic_code: str = ""

    @property
    def message(self) -> str:
        """The words for a format that has none of its own for this fault."""
        return self.openai_message


class Refused(Exception):
    """A request that the simulator answers with an error."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.openai_message)
        self.fault = fault


_INVALID: Final = "invalid_request_error"

_CATALOGUE: Final[dict[str, Fault]] = {
    "bad_request": Fault(
        400,
        _INVALID,
        None,
        "The simulator was told to refuse this request.",
        _INVALID,
        "The simulator was told to refuse this request.",
    ),
    "context_length": Fault(
        400,
        _INVALID,
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens. "
        "Please reduce the length of the messages.",
        _INVALID,
        "prompt is too long: 210000 tokens > 200000 maximum",
        "messages",
    ),
    "content_filter": Fault(
        400,
        _INVALID,
        "content_policy_violation",
        "Your request was rejected as a result of our safety system.",
        _INVALID,
        "Output blocked by content filtering policy",
    ),
    "authentication": Fault(
        401,
        _INVALID,
        "invalid_api_key",
        "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
        "authentication_error",
        "invalid x-api-key",
        should_retry=False,
    ),
    "billing": Fault(
        402,
        "insufficient_quota",
        "billing_not_active",
        "Your account is not active, please check your billing details on our website.",
        "billing_error",
        "Your credit balance is too low to access the API.",
    ),
    "permission": Fault(
        403,
        _INVALID,
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
        "permission_error",
        "Your API key does not have permission to use the specified resource.",
    ),
    "not_found": Fault(
        404,
        _INVALID,
        "model_not_found",
        "The model does not exist or you do not have access to it.",
        "not_found_error",
        "Not found",
    ),
    "timeout": Fault(
        408, "server_error", "request_timeout", "Request timed out.", "timeout_error", "Request timed out"
    ),
    "conflict": Fault(
        409,
        _INVALID,
        "conflict",
        "The resource was updated by another request.",
        _INVALID,
        "The resource was updated by another request.",
    ),
    "too_large": Fault(
        413,
        _INVALID,
        "request_too_large",
        "The request body is too large.",
        "request_too_large",
        "Request exceeds the maximum size",
    ),
    "unprocessable": Fault(
        422, _INVALID, None, "Unable to process the request.", _INVALID, "Unable to process the request."
    ),
    "rate_limit": Fault(
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached on requests per min (RPM): Limit 10000, Used 10000, Requested 1. Please try again later.",
        "rate_limit_error",
        "This request would exceed your account's rate limit. Please try again later.",
    ),
    "token_rate_limit": Fault(
        429,
        "tokens",
        "rate_limit_exceeded",
        "Rate limit reached on tokens per min (TPM): Limit 2000000, Used 2000000, Requested 100. Please try again later.",
        "rate_limit_error",
        "This request would exceed your account's rate limit of 2,000,000 input tokens per minute.",
    ),
    "quota": Fault(
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
        "rate_limit_error",
        "You have reached your specified API usage limits.",
        should_retry=False,
    ),
    "server": Fault(
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
        "api_error",
        "Internal server error",
    ),
    "bad_gateway": Fault(502, "server_error", None, "Bad gateway.", "api_error", "Bad gateway"),
    "unavailable": Fault(
        503,
        "server_error",
        None,
        "The engine is currently overloaded, please try again later.",
        "api_error",
        "Service unavailable",
    ),
    "gateway_timeout": Fault(
        504,
        "server_error",
        None,
        "The server timed out while processing your request.",
        "timeout_error",
        "Request timed out",
    ),
    "overloaded": Fault(
        529,
        "server_error",
        "overloaded",
        "The engine is currently overloaded, please try again later.",
        "overloaded_error",
        "Overloaded",
        should_retry=True,
    ),
}

CATALOGUE: Final = {name: replace(fault, name=name) for name, fault in _CATALOGUE.items()}
_BY_STATUS: Final[dict[int, Fault]] = {}
for _fault in CATALOGUE.values():
    _BY_STATUS.setdefault(_fault.status, _fault)


def fault_for(error: int | str) -> Fault:
    """The catalogue's fault of that name or status; a status outside it is a server's or a caller's error in general."""
    if isinstance(error, str):
        return CATALOGUE[error] if error in CATALOGUE else fault_for(int(error))
    known = _BY_STATUS.get(error)
    if known is not None:
        return known
    general = CATALOGUE["server" if error >= 500 else "bad_request"]
    return Fault(
        error,
        general.openai_type,
        None,
        general.openai_message,
        general.anthropic_type,
        general.anthropic_message,
    )


def invalid(message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> Refused:
    """A request that breaks the rules of its dialect, with the words that its provider would use."""
    kind = {401: "authentication_error", 404: "not_found_error", 413: "request_too_large"}.get(status, _INVALID)
    return Refused(Fault(status, _INVALID, code, message, kind, message, param))
