"""Errors in each provider's own shape: those a request deserves, and those it asks for."""

from __future__ import annotations

from typing import Any

import anthropic as anthropic_sdk
import openai as openai_sdk
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from tests.unit.simulator.conftest import CHAT, KEY, MESSAGES, Exchange, Json, body_of, request_of

from onevault.simulator.directives import DIRECTIVES
from onevault.simulator.faults import CATALOGUE
from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import Settings

TURN = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("body", "param", "code", "words"),
    [
        ({"messages": TURN}, "model", "missing_required_parameter", "Missing required parameter: 'model'."),
        ({"model": "m"}, "messages", "missing_required_parameter", "Missing required parameter: 'messages'."),
        ({"model": "m", "messages": []}, "messages", "empty_array", "minimum length 1"),
        ({"model": "m", "messages": "hi"}, "messages", "invalid_type", "expected an array, but got a string"),
        ({"model": 1, "messages": TURN}, "model", "invalid_type", "expected a string, but got an integer"),
        (
            {"model": "m", "messages": [{"role": "ghost", "content": ""}]},
            "messages[0].role",
            "invalid_value",
            "'ghost'",
        ),
        ({"model": "m", "messages": [{"content": ""}]}, "messages[0].role", "missing_required_parameter", "role"),
        ({"model": "m", "messages": TURN, "temperature": 3}, "temperature", "decimal_above_max_value", "<= 2"),
        ({"model": "m", "messages": TURN, "max_tokens": 0}, "max_tokens", "integer_below_min_value", ">= 1"),
        ({"model": "m", "messages": TURN, "stream_options": {}}, "stream_options", None, "only allowed"),
        (
            {"model": "m", "messages": TURN, "tools": [{"type": "function"}]},
            "tools[0].function.name",
            "missing_required_parameter",
            "",
        ),
        (
            {"model": "m", "messages": TURN, "response_format": {"type": "xml"}},
            "response_format.type",
            "invalid_value",
            "'xml'",
        ),
        (b"{not json", None, None, "could not parse the JSON body"),
        (b"", None, None, "could not parse the JSON body"),
    ],
)
async def test_openai_refuses_a_bad_request_in_its_own_words(
    call: Json, body: Any, param: str | None, code: str | None, words: str
) -> None:
    status, answer = await call("POST", CHAT, body)
    assert status == 400
    error = answer["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert words in error["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "m", "messages": TURN}, "max_tokens: Field required"),
        ({"max_tokens": 9, "messages": TURN}, "model: Field required"),
        ({"model": "m", "max_tokens": 9}, "messages: Field required"),
        ({"model": "m", "max_tokens": 9, "messages": []}, "messages: at least one message is required"),
        ({"model": "m", "max_tokens": "9", "messages": TURN}, "max_tokens: Input should be a valid integer"),
        ({"model": "m", "max_tokens": 0, "messages": TURN}, "max_tokens: Input should be greater than or equal to 1"),
        (
            {"model": "m", "max_tokens": 9, "messages": [{"role": "ghost", "content": "x"}]},
            "messages.0.role: Input should be",
        ),
        ({"model": "m", "max_tokens": 9, "messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": ""}]}, "non-empty content"),
        ({"model": "m", "max_tokens": 9, "messages": TURN, "tools": [{"name": "x"}]}, "tools.0.custom.input_schema"),
        (
            {"model": "m", "max_tokens": 9, "messages": TURN, "thinking": {"type": "enabled", "budget_tokens": 9}},
            "1024",
        ),
        (b"{not json", "not valid JSON"),
    ],
)
async def test_anthropic_refuses_a_bad_request_in_its_own_words(call: Json, body: Any, words: str) -> None:
    status, answer = await call("POST", MESSAGES, body, anthropic_version="2023-06-01")
    assert status == 400
    assert answer["type"] == "error"
    assert answer["error"]["type"] == "invalid_request_error"
    assert words in answer["error"]["message"]
    assert answer["request_id"].startswith("req_")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (CHAT, {"authorization": ""}, 401),
        (CHAT, {"authorization": "Basic abc"}, 401),
        (CHAT, {"x_api_key": KEY}, 200),
        (MESSAGES, {"authorization": ""}, 401),
        (MESSAGES, {"authorization": f"bearer {KEY}"}, 200),
        (MESSAGES, {"x_api_key": KEY}, 200),
    ],
)
async def test_a_key_is_taken_from_either_header_and_missed_when_absent(
    call: Json, path: str, headers: dict[str, str], status: int
) -> None:
    got, answer = await call("POST", path, body_of(path), **headers)
    assert got == status
    if status == 401:
        kind = answer["error"]["type"]
        assert kind == ("authentication_error" if path == MESSAGES else "invalid_request_error")


async def test_only_the_settings_keys_and_models_are_known(openai: AsyncOpenAI) -> None:
    async with (
        EmbeddedSimulator(Settings(models=("known",), keys=(KEY,))) as strict,
        AsyncOpenAI(base_url=strict.base_url + "/v1", api_key=KEY, max_retries=0) as client,
        AsyncAnthropic(base_url=strict.base_url, api_key="wrong", max_retries=0) as stranger,
        AsyncAnthropic(base_url=strict.base_url, api_key=KEY, max_retries=0) as friend,
    ):
        assert [model.id async for model in client.models.list()] == ["known"]
        await client.chat.completions.create(model="known", messages=TURN)  # type: ignore[arg-type]
        with pytest.raises(openai_sdk.NotFoundError) as unknown:
            await client.chat.completions.create(model="unknown", messages=TURN)  # type: ignore[arg-type]
        assert unknown.value.code == "model_not_found"
        with pytest.raises(anthropic_sdk.AuthenticationError):
            await stranger.messages.create(model="known", max_tokens=9, messages=TURN)  # type: ignore[arg-type]
        with pytest.raises(anthropic_sdk.NotFoundError, match="model: unknown"):
            await friend.messages.create(model="unknown", max_tokens=9, messages=TURN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", CHAT, 405), ("POST", "/v1/unknown", 404), ("GET", "/", 404), ("DELETE", "/v1/models", 405)],
)
async def test_what_is_not_served_is_refused(call: Json, method: str, path: str, status: int) -> None:
    assert (await call(method, path))[0] == status


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("stream", [False, True])
async def test_every_fault_of_the_catalogue_is_an_error_of_openais_sdk(
    openai: AsyncOpenAI, name: str, stream: bool
) -> None:
    fault = CATALOGUE[name]
    with pytest.raises(openai_sdk.APIStatusError) as raised:
        await openai.chat.completions.create(
            model="m",
            messages=TURN,
            stream=stream,
            extra_headers={"x-simulate": f"error={name}"},  # type: ignore[call-overload]
        )
    assert raised.value.status_code == fault.status
    assert (raised.value.code, raised.value.type) == (fault.openai_code, fault.openai_type)


@pytest.mark.parametrize("name", CATALOGUE)
async def test_every_fault_of_the_catalogue_is_an_error_of_anthropics_sdk(anthropic: AsyncAnthropic, name: str) -> None:
    fault = CATALOGUE[name]
    with pytest.raises(anthropic_sdk.APIStatusError) as raised:
        await anthropic.messages.create(
            model="m",
            max_tokens=9,
            messages=TURN,
            extra_headers={"x-simulate": f"error={name}"},  # type: ignore[arg-type]
        )
    assert raised.value.status_code == fault.status
    assert raised.value.body["error"]["type"] == fault.anthropic_type  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("path", "directives", "expected"),
    [
        (
            CHAT,
            "error=429",
            {"retry-after": "1", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"},
        ),
        (CHAT, "error=429;retry_after=90", {"retry-after": "90", "x-ratelimit-reset-requests": "1m30s"}),
        (
            CHAT,
            "error=token_rate_limit",
            {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-remaining-requests": "9999"},
        ),
        (CHAT, "error=503;retry_after=0.25", {"retry-after": "1", "retry-after-ms": "250"}),
        (CHAT, "error=quota", {"x-should-retry": "false"}),
        (MESSAGES, "error=429;retry_after=3", {"retry-after": "3", "anthropic-ratelimit-requests-remaining": "0"}),
        (MESSAGES, "error=529", {"x-should-retry": "true"}),
    ],
)
async def test_an_error_gives_its_retry_advice(
    exchange: Exchange, path: str, directives: str, expected: dict[str, str]
) -> None:
    answer = await exchange(request_of("POST", path, body_of(path), x_simulate=directives, connection="close"))
    head = answer.partition(b"\r\n\r\n")[0].decode()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert {name: headers.get(name) for name in expected} == expected


async def test_the_first_calls_of_an_id_fail_and_then_it_succeeds(call: Json) -> None:
    body = body_of(CHAT, "[[simulate: error=503; error_times=2; id=a]]")
    other = body_of(CHAT, "[[simulate: error_times=1; id=b]]")
    statuses = [(await call("POST", CHAT, each))[0] for each in (body, other, body, body, other, body)]
    assert statuses == [503, 500, 503, 200, 200, 200]


async def test_an_error_rate_fails_about_that_share_and_the_same_share_again() -> None:
    async def failures() -> list[int]:
        async with (
            EmbeddedSimulator(Settings(error=500, error_rate=0.5, seed=3)) as simulator,
            AsyncOpenAI(base_url=simulator.base_url + "/v1", api_key=KEY, max_retries=0) as client,
        ):
            statuses = []
            for _ in range(40):
                try:
                    await client.chat.completions.create(model="m", messages=TURN)  # type: ignore[arg-type]
                    statuses.append(200)
                except openai_sdk.InternalServerError:
                    statuses.append(500)
            return statuses

    first = await failures()
    assert 10 <= first.count(500) <= 30
    assert first == await failures()


async def test_the_sdks_own_retries_get_through(simulator: EmbeddedSimulator) -> None:
    async with AsyncOpenAI(base_url=simulator.base_url + "/v1", api_key=KEY, max_retries=3) as client:
        text = "[[simulate: error=429; error_times=2; id=sdk; retry_after=0.01]]"
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    assert [one.status for one in simulator.calls] == [429, 429, 200]


@pytest.mark.parametrize(
    ("directives", "words"),
    [
        ("nonsense=1", ["Unknown directive 'nonsense'", *DIRECTIVES]),
        ("error=99", ["Directive 'error' takes"]),
        ("error_rate=2", ["0 to 1"]),
        ("cut_after", ["'cut_after' takes events"]),
        ("malformed=odd", ["`status_in_stream`"]),
        ("output_tokens=-1", ["tokens"]),
        ("latency_ms=nan", ["milliseconds"]),
        ("!!", ["Cannot read the directives at '!!'"]),
    ],
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("where", ["header", "text"])
async def test_a_directive_that_is_not_understood_is_named(
    call: Json, path: str, where: str, directives: str, words: list[str]
) -> None:
    if where == "header":
        status, answer = await call("POST", path, body_of(path), x_simulate=directives)
    else:
        status, answer = await call("POST", path, body_of(path, f"x [[simulate: {directives}]]"))
    assert status == 400
    assert all(word in answer["error"]["message"] for word in words)


async def test_the_last_user_text_decides_and_earlier_ones_do_not(call: Json) -> None:
    turns = [{"role": "user", "content": "[[simulate: error=500]]"}, {"role": "assistant", "content": "no"}, *TURN]
    assert (await call("POST", CHAT, {"model": "m", "messages": turns}))[0] == 200


async def test_text_overrides_the_header_and_the_header_the_settings(call: Json) -> None:
    async def tokens(text: str, **headers: str) -> int:
        _, answer = await call("POST", CHAT, body_of(CHAT, text), **headers)
        return int(answer["usage"]["completion_tokens"])

    assert await tokens("hi", x_simulate="output_tokens=5") == 5
    assert await tokens("hi [[simulate: output_tokens=6]]", x_simulate="output_tokens=5") == 6


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_directives_that_are_not_closed_are_named(call: Json, path: str) -> None:
    status, answer = await call("POST", path, body_of(path, "x [[simulate: echo"))
    assert status == 400
    assert "]]" in answer["error"]["message"]
