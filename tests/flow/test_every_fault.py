"""A provider's errors keep their meaning in every caller's SDK, as the exception that it has for them."""

from __future__ import annotations

from urllib.error import HTTPError

import anthropic
import openai
import pytest
from google.genai import errors as google

from tests.support.asking import Ask, Caller
from tests.support.callers import CALLERS, CallerOf
from tests.support.every_provider import PROVIDERS

OPENAI = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
}
RAISED: dict[str, dict[int, type[Exception]]] = {
    "chat": OPENAI,  # type: ignore[dict-item]
    "responses": OPENAI,  # type: ignore[dict-item]
    "messages": {
        400: anthropic.BadRequestError,
        401: anthropic.AuthenticationError,
        404: anthropic.NotFoundError,
        429: anthropic.RateLimitError,
        502: anthropic.InternalServerError,
        503: anthropic.ServiceUnavailableError,
    },
    "gemini": {
        400: google.ClientError,
        401: google.ClientError,
        404: google.ClientError,
        429: google.ClientError,
        502: google.ServerError,
        503: google.ServerError,
    },
    "own": dict.fromkeys((400, 401, 404, 429, 502, 503), HTTPError),
}
MEANT = {
    "rate_limit; retry_after=7": (429, "RATE_LIMITED"),
    "context_length": (400, "CONTEXT_LENGTH_EXCEEDED"),
    "content_filter": (400, "SAFETY_VIOLATION"),
    "authentication": (502, "PROVIDER_ERROR"),
    "billing": (502, "PROVIDER_ERROR"),
    "unavailable": (503, "OVERLOADED"),
    "server": (502, "PROVIDER_ERROR"),
}


def refusal(caller: Caller, model: str, text: str, *, stream: bool) -> tuple[type[Exception], int, str, str | None]:
    """What the SDK raised: its class, the status, the gateway's own code or the SDK's word for it, and `retry-after`."""
    try:
        said = caller.ask(model, Ask(text=text), stream=stream)
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        code = error.code if isinstance(error, openai.APIStatusError) else error.body["error"]["message"]  # type: ignore[index]
        return type(error), error.status_code, str(code), error.response.headers.get("retry-after")
    except google.APIError as error:
        (reason,) = [detail["reason"] for detail in error.details["error"]["details"] if "reason" in detail]
        delays = [detail["retryDelay"] for detail in error.details["error"]["details"] if "retryDelay" in detail]
        return type(error), error.code, reason, delays[0].removesuffix("s") if delays else None
    except HTTPError as error:
        with error:
            return HTTPError, error.code, error.msg, error.headers.get("retry-after")
    raise AssertionError(said)


WORDS = {"CONTEXT_LENGTH_EXCEEDED": "context", "SAFETY_VIOLATION": "content filter", "RATE_LIMITED": "rate limit"}
"""What Anthropic's SDK, whose errors have no such codes, is told in words."""


UNFILTERED = ("bedrock", "bearer", "ollama")
"""Which refuse no request for its content: filtering is a reason to stop there."""


@pytest.mark.parametrize(
    ("provider", "error"),
    [
        (provider, error)
        for provider in PROVIDERS
        for error in MEANT
        if not (error == "content_filter" and provider in UNFILTERED)
    ],
)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_providers_error_is_the_sdks_own_exception(
    caller_of: CallerOf, caller: str, provider: str, error: str
) -> None:
    status, code = MEANT[error]
    for stream in (False, True):
        text = f"Hi. [[simulate: error={error}]]"
        raised, got, said, retry_after = refusal(caller_of(caller), PROVIDERS[provider].model(), text, stream=stream)
        assert (raised, got) == (RAISED[caller][status], status), said
        assert (WORDS.get(code, "provider") if caller == "messages" else code) in said
        if status == 429:
            assert retry_after == "7"


@pytest.mark.parametrize("caller", CALLERS)
def test_an_unknown_key_and_an_unknown_model_are_named(caller_of: CallerOf, caller: str) -> None:
    unknown = "gw_live_" + "x" * 43
    for stream in (False, True):
        raised, status, _, _ = refusal(caller_of(caller, unknown), "openai/gpt-4o-mini", "Hi.", stream=stream)
        assert (raised, status) == (RAISED[caller][401], 401)
        raised, status, _, _ = refusal(caller_of(caller), "gpt-4o-mimi", "Hi.", stream=stream)
        assert (raised, status) == (RAISED[caller][404], 404)


@pytest.mark.parametrize("caller", CALLERS)
def test_a_wrong_model_is_told_the_nearest_names(caller_of: CallerOf, caller: str) -> None:
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError, google.APIError, HTTPError)) as raised:
        caller_of(caller).ask("gpt-4o-mimi", Ask(text="Hi."), stream=False)
    assert "gpt-4o-mini" in str(raised.value)
