"""Signatures are those that AWS publishes and those that its own library makes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from onevault.core.transport import Origin
from onevault.upstream.auth.aws_sigv4 import AwsCredentials, AwsRequest, AwsScope, AwsSigner, signed_headers

HOST = "example.amazonaws.com"
KEYS = AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SCOPE = AwsScope("us-east-1", "service")
MOMENT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"  # AWS's own example
UNRESERVED = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = b"Param1=value1"
FORM_SHA = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
VANILLA = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"

# AWS's signing test suite: the request as it is sent, and the signature that it must have.
PUBLISHED = [
    ("get-vanilla", AwsRequest("GET", HOST, "/"), VANILLA),
    (
        "post-vanilla",
        AwsRequest("POST", HOST, "/"),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    (
        "get-vanilla-query-order-key-case",
        AwsRequest("GET", HOST, "/", "Param2=value2&Param1=value1"),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "get-vanilla-query-order-encoded",
        AwsRequest("GET", HOST, "/", "Param-3=Value3&Param=Value2&%E1%88%B4=Value1"),
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
    ),
    (
        "get-vanilla-utf8-query",
        AwsRequest("GET", HOST, "/", "ሴ=bar"),
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    (
        "get-utf8",
        AwsRequest("GET", HOST, "/ሴ"),
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    (
        "get-space",
        AwsRequest("GET", HOST, "/example space/"),
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    ),
    (
        "get-unreserved",
        AwsRequest("GET", HOST, UNRESERVED),
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    ("get-slash-dot-slash", AwsRequest("GET", HOST, "/./"), VANILLA),
    ("get-slashes-that-lead-nowhere", AwsRequest("GET", HOST, "//"), VANILLA),
    ("get-relative", AwsRequest("GET", HOST, "/example/.."), VANILLA),
    (
        "get-header-key-duplicate",
        AwsRequest(
            "GET",
            HOST,
            "/",
            headers=(("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")),
        ),
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    (
        "get-header-value-trim",
        AwsRequest("GET", HOST, "/", headers=(("My-Header1", " value1"), ("My-Header2", ' "a   b   c"'))),
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "post-header-key-sort",
        AwsRequest("POST", HOST, "/", headers=(("My-Header1", "value1"),)),
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    (
        "post-x-www-form-urlencoded",
        AwsRequest(
            "POST",
            HOST,
            "/",
            headers=(
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Content-Length", "13"),
                ("x-amz-content-sha256", FORM_SHA),
            ),
            body=FORM,
        ),
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    ),
]


@pytest.mark.parametrize(("request_", "signature"), [case[1:] for case in PUBLISHED], ids=[c[0] for c in PUBLISHED])
def test_every_published_request_gets_its_published_signature(request_: AwsRequest, signature: str) -> None:
    headers = dict(signed_headers(request_, KEYS, SCOPE, at=MOMENT))
    assert headers["x-amz-date"] == "20150830T123600Z"
    assert headers["authorization"].endswith(f", Signature={signature}")


def test_a_session_token_is_sent_and_signed() -> None:
    temporary = AwsCredentials(KEYS.access_key, KEYS.secret_key, TOKEN)
    headers = dict(signed_headers(AwsRequest("GET", HOST, "/"), temporary, SCOPE, at=MOMENT))
    assert headers["x-amz-security-token"] == TOKEN
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-security-token, "
        "Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    )


def test_the_example_of_the_documentation_is_signed_as_it_says() -> None:
    request = AwsRequest(
        "GET",
        "iam.amazonaws.com",
        "/",
        "Action=ListUsers&Version=2010-05-08",
        headers=(("content-type", "application/x-www-form-urlencoded; charset=utf-8"),),
    )
    headers = dict(signed_headers(request, KEYS, AwsScope("us-east-1", "iam"), at=MOMENT))
    assert headers["authorization"].endswith("5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")


class StoppedClock:
    """Always the same moment."""

    def __init__(self, at: datetime) -> None:
        self._ns = int(at.timestamp()) * 1_000_000_000

    def wall_ns(self) -> int:
        return self._ns

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits here")


MODELS = st.sampled_from(
    [
        "anthropic.claude-sonnet-4-20250514-v1:0",
        "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
        "amazon.nova-lite-v1:0",
    ]
)
MODEL_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
QUERIES = st.sampled_from(["", "api-version=1", "b=2&a=1&a=0", "empty=", "x=%20y"])


@given(
    model=MODELS | MODEL_TEXT.filter(lambda text: text not in (".", "..")),
    query=QUERIES,
    body=st.binary(max_size=200),
    token=st.none() | st.just(TOKEN),
    at=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis wants them naive
    port=st.sampled_from([443, 8443]),
)
def test_requests_to_any_model_are_signed_as_by_the_library_of_aws(
    model: str, query: str, body: bytes, token: str | None, at: datetime, port: int
) -> None:
    at = at.replace(microsecond=0)
    path = f"/model/{quote(model, safe='')}/converse"
    sent = f"{path}?{query}" if query else path
    origin = Origin("https", "bedrock-runtime.us-east-1.amazonaws.com", port)
    keys = AwsCredentials(KEYS.access_key, KEYS.secret_key, token)
    signer = AwsSigner(keys, StoppedClock(at), region="us-east-1")
    ours = dict(asyncio.run(signer.headers("POST", origin, sent, body)))
    host = origin.host if port == 443 else f"{origin.host}:{port}"
    theirs = AWSRequest(method="POST", url=f"https://{host}{sent}", data=body, headers={})
    library = botocore.auth.SigV4Auth(Credentials(KEYS.access_key, KEYS.secret_key, token), "bedrock", "us-east-1")
    theirs.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    theirs.headers["X-Amz-Date"] = theirs.context["timestamp"]
    if token is not None:
        theirs.headers["X-Amz-Security-Token"] = token
    signature = library.signature(library.string_to_sign(theirs, library.canonical_request(theirs)), theirs)
    assert ours["authorization"].endswith(f"Signature={signature}")


@pytest.mark.parametrize(
    ("keys", "region"),
    [(KEYS, ""), (AwsCredentials("", "secret"), "us-east-1"), (AwsCredentials("AKIA", ""), "us-east-1")],
)
def test_no_signer_is_made_without_what_it_needs(keys: AwsCredentials, region: str) -> None:
    with pytest.raises(ValueError, match="region"):
        AwsSigner(keys, StoppedClock(MOMENT), region=region)


def test_no_secret_is_shown_or_kept_in_what_aws_quotes() -> None:
    keys = AwsCredentials(KEYS.access_key, KEYS.secret_key, TOKEN)
    said = f"Credential={KEYS.access_key}/20150830 token {TOKEN} key {KEYS.secret_key}"
    kept = AwsSigner(keys, StoppedClock(MOMENT), region="us-east-1").without_secrets(said)
    for secret in (KEYS.access_key, KEYS.secret_key, TOKEN):
        assert secret not in kept
        assert secret not in repr(keys)
    assert "20150830" in kept
