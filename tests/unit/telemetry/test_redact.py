"""No credential and nothing that a caller wrote is left in what is kept of a provider's error."""

from __future__ import annotations

import json

import pytest

from onevault.telemetry.redact import SAID_BYTES_MAX, TEXT_CHARACTERS_MAX, WORDS_OF_ERRORS, redact

PROMPT = 'Grüße an Zoë-Canary77, "Bob" wohnt in Köln\nund hat 4111-1111'


def body(prompt: str = PROMPT) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}]}).encode()


SECRETS = [
    "gw_live_0123456789abcdef0123456789abcdef",
    "gw_test_0123456789abcdef0123456789abcdef",
    "gw_admin_Ab-_0123456789abcdef",
    "sk-proj-0123456789abcdef",
    "sk-ant-api03-0123_456-789",
    "AIzaSyA0123456789abcdef",
    "AKIA0123456789ABCDEF",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_credential_is_taken_out(secret: str) -> None:
    assert redact(f"Incorrect API key provided: {secret}") == "Incorrect API key provided: [redacted]"
    assert secret not in redact(json.dumps({"error": f"bad {secret}"}), body())


@pytest.mark.parametrize("header", ["Authorization: Basic abc", "api_key=abc", '"password": "abc"', "Bearer abc"])
def test_what_is_named_as_a_credential_is_taken_out(header: str) -> None:
    assert "abc" not in redact(f"sent {header}")


QUOTED = [
    PROMPT,
    json.dumps(PROMPT),
    json.dumps(json.dumps(PROMPT)),
    json.dumps(PROMPT, ensure_ascii=False),
    PROMPT.upper(),
    PROMPT[:20],
    " ".join(reversed(PROMPT.split())),
    "Zoë",
    "Canary7",
    "anary77",
]


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_providers_quotation_of_the_request_is_taken_out(quoted: str) -> None:
    left = redact(f"The message {quoted} is too long: at most 128000 tokens.", body()).lower()
    for word in ("grüße", "zoë", "zo\\u", "canary", "anary77", "bob", "wohnt", "köln", "4111"):
        assert word not in left
    assert left.startswith("the message ")
    assert left.endswith(" is too long: at most 128000 tokens.")


def test_what_errors_say_themselves_stays() -> None:
    text = (
        '{"error": {"message": "Invalid value for max_tokens: must be at least 1.", "type": "invalid_request_error"}}'
    )
    assert redact(text, body()) == text
    assert redact(text, body(" ".join(WORDS_OF_ERRORS))) == text


def test_of_errors_about_a_very_long_request_only_the_words_of_errors_stay() -> None:
    assert redact("The message Rumpelstiltskin is too long", b"x" * (SAID_BYTES_MAX + 1)) == "The message … is too long"


def test_what_is_kept_is_bounded() -> None:
    assert len(redact("error " * 10_000, body())) == TEXT_CHARACTERS_MAX
    assert redact("", body()) == ""
