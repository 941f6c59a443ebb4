"""The official Anthropic SDK against a real gateway, unchanged but for its base URL."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic, beta_tool

from tests.support.processes import GatewayProcess

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "name": "weather",
    "description": "The weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
MODELS = ["claude-haiku-4-5", "gpt-4o-mini"]


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[Anthropic]:
    with Anthropic(base_url=gateway.base_url, api_key=gateway.api_key, max_retries=0) as made:
        yield made


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_answer_has_content_usage_and_cost(client: Anthropic, model: str) -> None:
    raw = client.messages.with_raw_response.create(model=model, messages=HELLO, max_tokens=20)
    answer = raw.parse()
    assert answer.content[0].type == "text"
    assert answer.content[0].text
    assert answer.usage.output_tokens == 20
    assert answer.stop_reason == "max_tokens"
    assert float(raw.headers["x-gateway-cost-usd"]) > 0
    assert answer._request_id == raw.headers["x-request-id"]


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_adds_up_to_the_whole_answer(client: Anthropic, model: str) -> None:
    whole = client.messages.create(model=model, messages=HELLO, max_tokens=20)
    with client.messages.stream(model=model, messages=HELLO, max_tokens=20) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text
    assert final.usage.output_tokens == 20
    assert final.stop_reason == "max_tokens"


@pytest.mark.parametrize("model", MODELS)
def test_parallel_tools_stream_as_blocks_of_their_own(client: Anthropic, model: str) -> None:
    messages = [{"role": "user", "content": "Bern and Rome? [[simulate: tools=2]]"}]
    with client.messages.stream(model=model, messages=messages, tools=[WEATHER], max_tokens=300) as stream:
        final = stream.get_final_message()
    tools = [block for block in final.content if block.type == "tool_use"]
    assert final.stop_reason == "tool_use"
    assert len({tool.id for tool in tools}) == 2
    assert all("city" in tool.input for tool in tools)


@pytest.mark.parametrize("model", MODELS)
def test_tool_results_go_back_to_the_model(client: Anthropic, model: str) -> None:
    asked = [{"role": "user", "content": "Bern and Rome? [[simulate: tools=2]]"}]
    first = client.messages.create(model=model, messages=asked, tools=[WEATHER], max_tokens=300)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "sunny"}
        for block in first.content
        if block.type == "tool_use"
    ]
    content = [block.model_dump(exclude_none=True) for block in first.content]
    history = [*asked, {"role": "assistant", "content": content}, {"role": "user", "content": results}]
    answer = client.messages.create(model=model, messages=history, tools=[WEATHER], max_tokens=50)
    assert answer.content


@pytest.mark.parametrize("model", MODELS)
def test_the_tool_runner_goes_on_where_nobody_holds_its_conversation(client: Anthropic, model: str) -> None:
    @beta_tool
    def weather(city: str) -> str:
        """The weather."""
        return f"sunny in {city}"

    runner = client.beta.messages.tool_runner(model=model, messages=HELLO, tools=[weather], max_tokens=300)
    first, second = list(runner)
    assert (first.stop_reason, second.stop_reason) == ("tool_use", "end_turn")
    assert (
        second.usage.input_tokens > first.usage.input_tokens
    )  # the whole conversation and its tools, not the result alone


def test_thinking_comes_with_its_signature(client: Anthropic) -> None:
    answer = client.messages.create(
        model="claude-haiku-4-5",
        messages=[{"role": "user", "content": "Think. [[simulate: thinking=30]]"}],
        max_tokens=3000,
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    assert answer.content[0].type == "thinking"
    assert answer.content[0].signature


@pytest.mark.parametrize("model", MODELS)
def test_tokens_are_counted(client: Anthropic, model: str) -> None:
    assert client.messages.count_tokens(model=model, messages=HELLO).input_tokens > 0


async def test_the_asynchronous_client_works_alike(gateway: GatewayProcess) -> None:
    async with AsyncAnthropic(base_url=gateway.base_url, api_key=gateway.api_key, max_retries=0) as client:
        whole = await client.messages.create(model="claude-haiku-4-5", messages=HELLO, max_tokens=9)
        async with client.messages.stream(model="claude-haiku-4-5", messages=HELLO, max_tokens=9) as stream:
            text = "".join([piece async for piece in stream.text_stream])
    assert text == whole.content[0].text


@pytest.mark.parametrize(
    ("kind", "key", "messages", "status"),
    [
        (anthropic.AuthenticationError, "gw_live_" + "x" * 43, HELLO, 401),
        (anthropic.BadRequestError, None, [{"role": "robot", "content": "x"}], 400),
        (
            anthropic.RateLimitError,
            None,
            [{"role": "user", "content": "Hi [[simulate: error=429;retry_after=7]]"}],
            429,
        ),
    ],
)
def test_faults_have_anthropics_shape(
    gateway: GatewayProcess, kind: type[anthropic.APIStatusError], key: str | None, messages: list, status: int
) -> None:
    with (
        Anthropic(base_url=gateway.base_url, api_key=key or gateway.api_key, max_retries=0) as client,
        pytest.raises(kind) as raised,
    ):
        client.messages.create(model="claude-haiku-4-5", messages=messages, max_tokens=5)
    body = raised.value.response.json()
    assert raised.value.status_code == status
    assert body["type"] == "error"
    assert body["error"]["type"]
    assert body["error"]["message"]


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_that_breaks_raises_in_the_sdk(client: Anthropic, model: str) -> None:
    messages = [{"role": "user", "content": "Go on. [[simulate: output_tokens=60;cut_after=4]]"}]
    with (
        pytest.raises(anthropic.APIError),
        client.messages.stream(model=model, messages=messages, max_tokens=60) as stream,
    ):
        stream.get_final_message()


def test_models_are_listed_anthropics_way(client: Anthropic) -> None:
    assert "claude-haiku-4-5" in {model.id for model in client.models.list()}
