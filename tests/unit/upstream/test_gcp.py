"""A service account's token is fetched once, kept until shortly before it runs out, and never shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from onevault.config.load import settings_from
from onevault.config.problems import ConfigurationError
from onevault.config.schema import ServiceAccount
from onevault.config.secret import Secret
from onevault.core.faults import Fault, FaultKind
from onevault.core.transport import HttpAnswer, HttpRequest, Origin, Phase, TransportError
from onevault.upstream.auth.gcp import ASSERTION_S, SCOPE, GcpSigner
from onevault.upstream.http1 import LeanTransport
from onevault.upstream.transport_settings import TransportSettings

VERTEX = Origin("https", "aiplatform.googleapis.com", 443)
NOW_S = 1_790_000_000
EMAIL = "gateway@example.iam.gserviceaccount.com"
Answer = Callable[[int], Awaitable[bytes]]


@dataclass
class Clock:
    """Time as the test says."""

    monotonic: float = 1000.0

    def wall_ns(self) -> int:
        return NOW_S * 10**9

    def monotonic_s(self) -> float:
        return self.monotonic

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps here")


@dataclass
class TokenService:
    """A server that answers each request for a token as it is told, with what it was asked."""

    answer: Answer
    asked: list[tuple[bytes, bytes]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self.asked.append((head, await reader.readexactly(length)))
            writer.write(await self.answer(len(self.asked)))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def said(status: int, body: Any) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(text), text)


async def granted(number: int) -> bytes:
    return said(200, {"access_token": f"ya29.token-{number}", "expires_in": 3599, "token_type": "Bearer"})


@dataclass
class Stage:
    service: TokenService
    signer: GcpSigner
    clock: Clock

    async def token(self) -> str:
        (header,) = await self.signer.headers("POST", VERTEX, "/v1/x", b"{}")
        assert header[0] == "authorization"
        return header[1]


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@asynccontextmanager
async def staged(key: RSAPrivateKey, answer: Answer) -> AsyncGenerator[Stage]:
    service = TokenService(answer)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    service.url = f"http://127.0.0.1:{port}/token"
    account = ServiceAccount(client_email=EMAIL, private_key=Secret(pem), private_key_id="k1", token_uri=service.url)
    transport, clock = LeanTransport(TransportSettings()), Clock()
    try:
        yield Stage(service, GcpSigner(account, transport, clock), clock)
    finally:
        await transport.close()
        server.close()
        await server.wait_closed()


async def test_what_is_asked_is_signed_by_the_account_for_this_very_service(key: RSAPrivateKey) -> None:
    async with staged(key, granted) as stage:
        assert await stage.token() == "Bearer ya29.token-1"
        head, body = stage.service.asked[0]
        assert head.startswith(b"POST /token HTTP/1.1\r\n")
        assert b"content-type: application/x-www-form-urlencoded" in head.lower()
        form = parse_qs(body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        claims = jwt.decode(
            form["assertion"][0],
            key.public_key(),
            algorithms=["RS256"],
            audience=stage.service.url,
            options={"verify_exp": False, "verify_iat": False},
        )
        assert claims == {
            "iss": EMAIL,
            "scope": SCOPE,
            "aud": stage.service.url,
            "iat": NOW_S,
            "exp": NOW_S + ASSERTION_S,
        }
        assert jwt.get_unverified_header(form["assertion"][0])["kid"] == "k1"


async def test_a_token_is_kept_until_a_minute_before_its_end(key: RSAPrivateKey) -> None:
    async with staged(key, granted) as stage:
        assert await stage.token() == await stage.token() == "Bearer ya29.token-1"
        stage.clock.monotonic += 3599 - 61
        assert await stage.token() == "Bearer ya29.token-1"
        stage.clock.monotonic += 1
        assert await stage.token() == "Bearer ya29.token-2"
        assert len(stage.service.asked) == 2


async def test_many_calls_at_once_fetch_one_token(key: RSAPrivateKey) -> None:
    async with staged(key, granted) as stage:
        tokens = await asyncio.gather(*(stage.token() for _ in range(50)))
        assert set(tokens) == {"Bearer ya29.token-1"}
        assert len(stage.service.asked) == 1


async def test_a_call_that_is_given_up_leaves_the_token_to_the_others(key: RSAPrivateKey) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slowly(number: int) -> bytes:
        asked.set()
        await answered.wait()
        return await granted(number)

    async with staged(key, slowly) as stage:
        first, second = asyncio.create_task(stage.token()), asyncio.create_task(stage.token())
        await asked.wait()
        first.cancel()
        answered.set()
        assert await second == "Bearer ya29.token-1"
        assert first.cancelled()
        assert len(stage.service.asked) == 1


REFUSALS: list[tuple[bytes, int | None, str]] = [
    (said(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}), 400, "invalid_grant"),
    (said(401, {"error": "<script>", "error_description": "x"}), 401, ""),
    (said(500, b"<html>oops</html>"), 500, ""),
    (said(200, b""), 200, ""),
    (said(200, b"\xff\xfe"), 200, ""),
    (said(200, b"[" * 40_000), 200, ""),
    (said(200, {"access_token": "", "expires_in": 3599}), 200, ""),
    (said(200, {"access_token": "a\r\nx-evil: 1", "expires_in": 3599}), 200, ""),
    (said(200, {"access_token": "ya29", "expires_in": -1}), 200, ""),
    (said(200, {"access_token": 7, "expires_in": 3599}), 200, ""),
    (said(200, {"id_token": "an identity and no access"}), 200, ""),
    (b"HTTP/1.1 200 X\r\ncontent-length: 70000\r\n\r\n" + b"x" * 70_000, None, ""),
    (b"this is no HTTP\r\n\r\n", None, ""),
    (b"", None, ""),
]


@pytest.mark.parametrize(("answer", "status", "text"), REFUSALS, ids=range(len(REFUSALS)))
async def test_a_token_that_is_not_to_be_had_is_the_providers_error_without_secrets(
    key: RSAPrivateKey, answer: bytes, status: int | None, text: str
) -> None:
    async def refuse_once(number: int) -> bytes:
        return answer if number == 1 or not answer else await granted(number)

    async with staged(key, refuse_once) as stage:
        with pytest.raises(Fault) as refused:
            await stage.token()
        assert refused.value.kind is FaultKind.PROVIDER_ERROR
        assert refused.value.provider_status == status
        if status is not None:
            assert refused.value.provider_text == text
        shown = f"{refused.value.message} {refused.value.provider_text}"
        assert "assertion" not in shown
        assert "eyJ" not in shown
        if answer:  # the transport itself asks once more where a connection closes without a byte
            assert (await stage.token()).startswith("Bearer ya29.token-")


async def test_each_of_many_that_waited_for_what_failed_gets_a_fault_of_its_own(key: RSAPrivateKey) -> None:
    async def refuse(number: int) -> bytes:
        return said(400, {"error": "invalid_grant"})

    async with staged(key, refuse) as stage:
        faults = await asyncio.gather(*(stage.token() for _ in range(5)), return_exceptions=True)
        assert all(isinstance(fault, Fault) for fault in faults)
        assert len({id(fault) for fault in faults}) == 5
        assert len(stage.service.asked) == 1


async def test_a_token_service_that_nobody_serves_is_an_error(key: RSAPrivateKey) -> None:
    async with staged(key, granted) as stage:
        pass
    with pytest.raises(Fault) as refused:
        await stage.token()
    assert refused.value.kind is FaultKind.PROVIDER_ERROR


class Slow:
    """A transport whose every exchange takes too long."""

    @asynccontextmanager
    async def exchange(self, request: HttpRequest) -> AsyncGenerator[HttpAnswer]:
        raise TransportError("no head within 15 s", phase=Phase.HEADERS, timeout=True)
        yield

    async def close(self) -> None:
        pass


async def test_a_token_service_that_takes_too_long_is_a_timeout(key: RSAPrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = ServiceAccount(
        client_email=EMAIL, private_key=Secret(pem), token_uri="https://oauth2.googleapis.com/token"
    )
    with pytest.raises(Fault) as late:
        await GcpSigner(account, Slow(), Clock()).headers("POST", VERTEX, "/v1/x", b"{}")
    assert late.value.kind is FaultKind.PROVIDER_TIMEOUT


async def test_a_token_is_struck_from_what_a_provider_quotes(key: RSAPrivateKey) -> None:
    async with staged(key, granted) as stage:
        assert stage.signer.without_secrets("ya29.token-1") == "ya29.token-1"
        await stage.token()
        assert stage.signer.without_secrets("bad token ya29.token-1!") == "bad token [redacted]!"


@pytest.mark.parametrize(
    ("token_uri", "fine"),
    [
        ("https://oauth2.googleapis.com/token", True),
        ("http://127.0.0.1:8090/token", True),
        ("http://[::1]:8090/token", True),
        ("http://localhost/token", True),
        ("http://oauth2.googleapis.com/token", False),
        ("http://127.0.0.1.example/token", False),
        ("http://127.0.0.1@example/token", False),
        ("https://user:password@example/token", False),
        ("file:///etc/passwd", False),
        ("https://[::1", False),
        ("token", False),
        ("", False),
    ],
)
def test_only_what_is_encrypted_or_on_this_machine_is_asked_for_a_token(
    key: RSAPrivateKey, token_uri: str, fine: bool
) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {"type": "service_account", "client_email": EMAIL, "private_key": pem, "token_uri": token_uri}
    document = {"providers": {"vertex": {"region": "global", "project": "p", "service_account": account}}}
    try:
        built = settings_from(document, {})
    except ConfigurationError as refusal:
        assert not fine
        (problem,) = refusal.problems
        assert problem.path == "providers.vertex.service_account"
        assert "https" in problem.expected
        assert "PRIVATE" not in str(problem)
    else:
        assert fine
        assert built.providers[0].service_account is not None


@pytest.mark.parametrize("spoilt", ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_cannot_sign_is_a_problem_of_the_configuration_and_not_of_the_first_call(spoilt: str) -> None:
    account = {
        "type": "service_account",
        "client_email": EMAIL,
        "private_key": spoilt,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    document = {"providers": {"vertex": {"region": "global", "project": "p", "service_account": account}}}
    with pytest.raises(ConfigurationError) as refusal:
        settings_from(document, {})
    assert [problem.path for problem in refusal.value.problems] == ["providers.vertex.service_account"]
    assert "RSA" in str(refusal.value)
