"""Signatures against those that AWS published with its test suite, and against requests that were changed after signing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from onevault.simulator.faults import Refused
from onevault.simulator.request import Request
from onevault.simulator.sigv4 import ALGORITHM, Credentials, verify

PUBLISHED = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
STAMP = "20150830T123600Z"


def request_of(method: str, target: str, headers: list[tuple[str, str]], body: bytes = b"") -> Request:
    listed = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request(method, target.encode(), dict(listed), listed, body)


def signed(method: str, target: str, signature: str, *more: tuple[str, str], body: bytes = b"") -> Request:
    names = ";".join(sorted({"host", "x-amz-date", *(name.lower() for name, _ in more)}))
    authorization = (
        f"{ALGORITHM} Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    headers = [("Host", "example.amazonaws.com"), *more, ("X-Amz-Date", STAMP), ("Authorization", authorization)]
    return request_of(method, target, headers, body)


@pytest.mark.parametrize(
    "request_",
    [
        signed("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        signed("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        signed(
            "GET",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        signed(
            "GET",
            "/",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ("My-Header1", " value1"),
            ("My-Header2", ' "a   b   c"'),
        ),
        signed(
            "GET",
            "/",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ("My-Header1", "value2"),
            ("My-Header1", "value2"),
            ("My-Header1", "value1"),
        ),
        signed("GET", "/./", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        signed("GET", "//", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        signed("GET", "/foo/bar/../..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ],
    ids=["get", "post", "query-order", "header-spaces", "header-repeated", "dot", "slashes", "dots"],
)
def test_a_signature_that_aws_published_is_right(request_: Request) -> None:
    verify(request_, PUBLISHED, service="service", now=AT)


MINE = Credentials("AKIASIMULATED", "simulated-secret")
MODEL = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"


def signed_by_boto(
    target: str = MODEL, body: bytes = b'{"a":1}', secret: str = "simulated-secret", token: str | None = None
) -> Request:
    url = "https://bedrock-runtime.us-east-1.amazonaws.com" + target
    request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
    SigV4Auth(BotoCredentials("AKIASIMULATED", secret, token), "bedrock", "us-east-1").add_auth(request)
    headers = [("Host", "bedrock-runtime.us-east-1.amazonaws.com"), *request.headers.items()]
    return request_of("POST", target, headers, body)


@pytest.mark.parametrize(
    ("target", "token"),
    [
        (MODEL, None),
        (MODEL, "session/token+with=signs"),
        ("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse", None),
        ("/model/a:b/invoke", None),
        ("/model/x/invoke?b=2&a=%20%2F&a=1", None),
    ],
)
def test_what_botocore_signs_is_right(target: str, token: str | None) -> None:
    verify(signed_by_boto(target, token=token), MINE, service="bedrock", now=datetime.now(UTC))


def kind_of(request: Request, now: datetime | None = None) -> str | None:
    with pytest.raises(Refused) as refused:
        verify(request, MINE, service="bedrock", now=now or datetime.now(UTC))
    assert refused.value.fault.status == 403
    return refused.value.fault.openai_code


def with_headers(request: Request, **changes: Any) -> Request:
    """Header names are written with underscores; None takes a header away."""
    listed = [(name, value) for name, value in request.listed if name.decode().replace("-", "_") not in changes]
    listed += [
        (name.replace("_", "-").encode(), value.encode()) for name, value in changes.items() if value is not None
    ]
    return replace(request, headers=dict(listed), listed=listed)


@pytest.mark.parametrize(
    "changed",
    [
        lambda request: replace(request, body=b'{"a":2}'),
        lambda request: replace(request, method="PUT"),
        lambda request: replace(request, target=b"/model/other/converse"),
        lambda request: replace(request, target=request.target + b"?a=1"),
        lambda request: with_headers(request, content_type="text/plain"),
        lambda request: with_headers(request, host="evil.example"),
        lambda request: with_headers(request, x_amz_security_token="unsigned"),
        lambda request: signed_by_boto(secret="another"),
    ],
)
def test_a_request_changed_after_signing_is_refused(changed: Any) -> None:
    assert kind_of(changed(signed_by_boto())) == "InvalidSignatureException"


@pytest.mark.parametrize("minutes", [-6, 6, 60 * 24])
def test_a_signature_is_good_for_five_minutes(minutes: int) -> None:
    assert kind_of(signed_by_boto(), datetime.now(UTC) + timedelta(minutes=minutes)) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("AKIASIMULATED", "AKIAOTHER", "UnrecognizedClientException"),
        ("/bedrock/", "/s3/", "InvalidSignatureException"),
        ("/aws4_request", "/aws4", "IncompleteSignatureException"),
        ("/us-east-1", "", "IncompleteSignatureException"),
        ("Signature=", "Signed=", "IncompleteSignatureException"),
        ("SignedHeaders=content-type;host;x-amz-date", "SignedHeaders=content-type;host", "InvalidSignatureException"),
        ("us-east-1", "eu-west-1", "InvalidSignatureException"),
    ],
)
def test_an_authorization_that_is_incomplete_or_anothers_is_refused(old: str, new: str, kind: str) -> None:
    request = signed_by_boto()
    authorization = request.headers[b"authorization"].decode()
    assert old in authorization
    assert kind_of(with_headers(request, authorization=authorization.replace(old, new))) == kind


@pytest.mark.parametrize("date", [None, "yesterday", "20150830T123600Z"])
def test_the_date_must_be_there_and_be_the_scopes(date: str | None) -> None:
    assert kind_of(with_headers(signed_by_boto(), x_amz_date=date)) in (
        "IncompleteSignatureException",
        "InvalidSignatureException",
    )
