"""The Gemini API as Google's own SDK reads it."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import pytest
from google import genai
from google.genai import types
from google.genai.client import AsyncClient
from tests.unit.simulator.conftest import KEY, Json

from onevault.simulator.server import EmbeddedSimulator
from onevault.simulator.settings import DEFAULT_MODELS, Settings

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

CITY = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
JSON_CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"name": "weather", "parameters": CITY}
CLOCK: Any = {"name": "clock", "parameters_json_schema": {"type": "object", "properties": {}}}
TOOLS: Any = [{"function_declarations": [WEATHER, CLOCK]}]
THOUGHTS: Any = {"thinking_config": {"include_thoughts": True}}
OLD, NEW, DRAWING = "gemini-2.5-flash", "gemini-3-pro-preview", "gemini-2.5-flash-image"


@pytest.fixture
async def google(simulator: EmbeddedSimulator) -> AsyncIterator[AsyncClient]:
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=simulator.base_url, timeout=5000))
    yield client.aio
    await client.aio.aclose()
    client.close()


async def whole(client: AsyncClient, text: Any = "hello", model: str = OLD, **config: Any) -> Any:
    return await client.models.generate_content(model=model, contents=text, config=config or None)


def parts_of(answer: Any, at: int = 0) -> list[dict[str, Any]]:
    content = answer.candidates[at].content
    return [part.model_dump(exclude_none=True) for part in (content.parts or [])]


def added(chunks: list[Any], at: int) -> list[dict[str, Any]]:
    """The parts of a stream's candidate, its texts put together."""
    parts: list[dict[str, Any]] = []
    for chunk in chunks:
        for candidate in chunk.candidates or []:
            for part in parts_of(chunk) if (candidate.index or 0) == at else []:
                last = parts[-1] if parts else {}
                if "text" in part and "text" in last and part.get("thought") == last.get("thought"):
                    last.update({**part, "text": last["text"] + part["text"]})
                elif part.get("text") != "" or "thought_signature" in part:
                    parts.append(part)
    return parts


@pytest.mark.parametrize("model", [OLD, NEW, DRAWING])
@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("hello", {}),
        ("hello", {"max_output_tokens": 3}),
        ("x [[simulate: output_tokens=50]]", {"candidate_count": 2}),
        ("x [[simulate: thinking=5; cached_tokens=3]]", THOUGHTS),
        ("x [[simulate: thinking=5]]", {}),
        ("hello", {"tools": TOOLS}),
        ("x [[simulate: tools=3; thinking=2]]", {"tools": TOOLS, **THOUGHTS}),
        ('x [[simulate: text="naïve 漢字 🙂"]]', {}),
        ('x [[simulate: text="one two three"]]', {"stop_sequences": ["two"]}),
        ("x [[simulate: refusal]]", {}),
        ("x [[simulate: finish=content_filter]]", {}),
        ("hello", {"response_mime_type": "application/json", "response_schema": CITY}),
        ("hello", {"tools": [{"google_search": {}}]}),
    ],
)
async def test_a_stream_adds_up_to_the_whole_answer_of_the_same_request(
    google: AsyncClient, model: str, text: str, config: dict[str, Any]
) -> None:
    answer = await whole(google, text, model, **config)
    stream = await google.models.generate_content_stream(model=model, contents=text, config=config or None)  # type: ignore[arg-type]
    chunks = [chunk async for chunk in stream]
    last = chunks[-1]
    assert last.usage_metadata == answer.usage_metadata
    assert {chunk.response_id for chunk in chunks} == {answer.response_id}
    assert last.prompt_feedback == answer.prompt_feedback
    for at in range(len(answer.candidates or [])):
        assert added(chunks, at) == parts_of(answer, at)
        ends = [c.finish_reason for chunk in chunks for c in chunk.candidates if c.index == at and c.finish_reason]
        assert ends == [answer.candidates[at].finish_reason]


@pytest.mark.parametrize(
    ("text", "config", "visible", "thoughts", "reason"),
    [
        ("hello", {}, 24, None, "STOP"),
        ("hello", {"max_output_tokens": 24}, 24, None, "STOP"),
        ("hello", {"max_output_tokens": 7}, 7, None, "MAX_TOKENS"),
        ("[[simulate: thinking=6; output_tokens=10]]", {}, 10, 6, "STOP"),
        ("[[simulate: thinking=6]]", {"max_output_tokens": 8}, 2, 6, "MAX_TOKENS"),
        ("hello", THOUGHTS, 24, 8, "STOP"),
        ("hello", {"thinking_config": {"thinking_budget": 0}}, 24, None, "STOP"),
        ("hello", {"thinking_config": {"thinking_budget": 512}}, 24, 8, "STOP"),
        ("hello", {"thinking_config": {"thinking_level": "LOW"}}, 24, 8, "STOP"),
        ("hello", {"candidate_count": 3}, 72, None, "STOP"),
        ("[[simulate: finish=content_filter]]", {}, 24, None, "SAFETY"),
        ("[[simulate: finish=pause]]", {}, 24, None, "STOP"),
        ('[[simulate: text="one two"]]', {"stop_sequences": ["two"]}, 1, None, "STOP"),
        ("hello", {"tools": [{"function_declarations": [CLOCK]}]}, 3, None, "STOP"),
    ],
)
async def test_length_and_finish_reason_are_known_beforehand(
    google: AsyncClient, text: str, config: dict[str, Any], visible: int, thoughts: int | None, reason: str
) -> None:
    answer = await whole(google, text, **config)
    usage = answer.usage_metadata
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (visible, thoughts)
    assert usage.total_token_count == usage.prompt_token_count + visible + (thoughts or 0)
    assert answer.candidates[0].finish_reason.name == reason


async def test_usage_says_what_the_tokens_came_from(google: AsyncClient) -> None:
    png = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")
    sound = types.Part.from_uri(file_uri="gs://b/a.wav", mime_type="audio/wav")
    contents = [png, sound, types.Part(text="x" * 400 + "[[simulate: cached_tokens=60]]")]
    usage = (await whole(google, contents, tools=[{"google_search": {}}], system_instruction="be brief")).usage_metadata
    details = {row.modality.name: row.token_count for row in usage.prompt_tokens_details}
    assert details == {"TEXT": 108 + 2, "IMAGE": 85, "AUDIO": 85}
    assert usage.prompt_token_count == 280
    assert usage.cached_content_token_count == 60
    assert usage.tool_use_prompt_token_count == 100
    assert usage.total_token_count == 280 + 100 + 24


@pytest.mark.parametrize(
    ("text", "config", "names"),
    [
        ("hello", {}, ["weather"]),
        ("hello", {"mode": "NONE"}, []),
        ("hello", {"mode": "ANY", "allowed_function_names": ["clock"]}, ["clock"]),
        ("[[simulate: tools=3]]", {"mode": "AUTO"}, ["weather", "clock", "weather"]),
        ("[[simulate: tool=clock]]", {}, ["clock"]),
    ],
)
@pytest.mark.parametrize("model", [OLD, NEW])
async def test_functions_are_called_as_the_request_and_the_directives_say(
    google: AsyncClient, model: str, text: str, config: dict[str, Any], names: list[str]
) -> None:
    answer = await whole(google, text, model, tools=TOOLS, tool_config={"function_calling_config": config})
    calls = answer.function_calls or []
    assert [call.name for call in calls] == names
    assert len({call.id for call in calls}) == (len(names) if model == NEW else min(1, len(names)))
    for call in calls:
        if call.name == "weather":
            jsonschema_rs.validate(JSON_CITY, call.args)


async def test_a_function_is_answered_and_its_signature_goes_back(google: AsyncClient) -> None:
    first = await whole(google, "hello", NEW, tools=TOOLS)
    call = first.candidates[0].content
    assert call.parts[0].thought_signature
    result = types.Part.from_function_response(name="weather", response={"output": "rain"})
    turns = [types.UserContent("hello"), call, types.UserContent(result)]
    second = await whole(google, turns, NEW, tools=TOOLS)
    assert second.text
    call.parts[0].thought_signature = None
    with pytest.raises(genai.errors.ClientError, match="thought_signature"):
        await whole(google, turns, NEW, tools=TOOLS)
    assert (await whole(google, turns, OLD, tools=TOOLS)).text


async def test_thoughts_are_shown_only_if_asked_for(google: AsyncClient) -> None:
    shown = parts_of(await whole(google, "[[simulate: thinking=3]]", **THOUGHTS))
    hidden = parts_of(await whole(google, "[[simulate: thinking=3]]"))
    assert [part.get("thought", False) for part in shown] == [True, False]
    assert [part.get("thought", False) for part in hidden] == [False]
    assert all("thought_signature" in parts[-1] for parts in (shown, hidden))


@pytest.mark.parametrize(
    "config",
    [
        {"response_schema": {**CITY, "nullable": True}},
        {"response_schema": {"type": "ARRAY", "items": CITY, "minItems": "2"}},
        {"response_schema": {"anyOf": [CITY, {"type": "integer"}]}},
        {"response_json_schema": JSON_CITY},
    ],
)
async def test_json_conforms_to_its_schema(call: Json, config: dict[str, Any]) -> None:
    config = {"responseMimeType": "application/json", **config}
    body = {"contents": [{"parts": [{"text": "hello"}]}], "generationConfig": config}
    status, answer = await call("POST", f"/v1beta/models/{OLD}:generateContent", body, x_goog_api_key=KEY)
    assert status == 200
    made = json.loads(answer["candidates"][0]["content"]["parts"][0]["text"])
    if isinstance(made, dict):
        jsonschema_rs.validate(JSON_CITY, made)
    else:
        assert isinstance(made, int) or (len(made) >= 2 and all(isinstance(one["city"], str) for one in made))


async def test_an_enum_is_answered_bare(google: AsyncClient) -> None:
    schema = {"type": "STRING", "enum": ["red"]}
    answer = await whole(google, response_mime_type="text/x.enum", response_schema=schema)
    assert answer.text == "red"
    assert answer.usage_metadata.candidates_token_count == 1


async def test_a_blocked_prompt_has_no_candidates_and_costs_no_output(google: AsyncClient) -> None:
    answer = await whole(google, "[[simulate: refusal]]")
    assert answer.candidates is None
    assert answer.prompt_feedback.block_reason.name == "SAFETY"
    assert answer.usage_metadata.candidates_token_count is None
    assert answer.usage_metadata.total_token_count == answer.usage_metadata.prompt_token_count


async def test_a_model_that_draws_answers_with_a_real_picture(google: AsyncClient) -> None:
    answer = await whole(google, "a cat", DRAWING)
    data = answer.candidates[0].content.parts[-1].inline_data.data
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, at = int.from_bytes(data[16:20], "big"), data.index(b"IDAT")
    size = int.from_bytes(data[at - 4 : at], "big")
    assert len(zlib.decompress(data[at + 4 : at + 4 + size])) == width * (width * 3 + 1)
    assert answer.usage_metadata.candidates_token_count == 24 + 85
    assert answer.usage_metadata.candidates_tokens_details[1].modality.name == "IMAGE"


@pytest.mark.parametrize(
    "config", [{"response_modalities": ["TEXT"], "max_output_tokens": 900}, {"max_output_tokens": 100}]
)
async def test_no_picture_is_drawn_where_it_is_not_asked_for_or_has_no_room(
    google: AsyncClient, config: dict[str, Any]
) -> None:
    answer = await whole(google, "a cat", DRAWING, **config)
    assert [part for part in parts_of(answer) if "inline_data" in part] == []
    assert answer.candidates[0].finish_reason.name == ("STOP" if "response_modalities" in config else "MAX_TOKENS")


async def test_log_probabilities_come_with_their_alternatives(google: AsyncClient) -> None:
    answer = await whole(google, "[[simulate: output_tokens=2]]", response_logprobs=True, logprobs=3)
    result = answer.candidates[0].logprobs_result
    assert "".join(row.token for row in result.chosen_candidates) == answer.text
    assert [len(row.candidates) for row in result.top_candidates] == [3, 3]


async def test_count_tokens_agrees_with_the_usage(google: AsyncClient) -> None:
    counted = await google.models.count_tokens(model=OLD, contents="one two three")
    assert counted.total_tokens == (await whole(google, "one two three")).usage_metadata.prompt_token_count


async def test_embeddings_are_as_long_as_the_models_are_or_as_asked_for(google: AsyncClient) -> None:
    model = "gemini-embedding-001"
    answer = await google.models.embed_content(model=model, contents=["the cat sat", "The cat sat", "revenue grew"])
    cat, again, revenue = (row.values or [] for row in answer.embeddings or [])
    assert len(cat) == 3072
    assert cat == again != revenue
    short = await google.models.embed_content(model=model, contents="the cat", config={"output_dimensionality": 8})
    assert [len(row.values or []) for row in short.embeddings or []] == [8]


async def test_one_content_is_embedded_like_one_of_a_batch(call: Json) -> None:
    content = {"parts": [{"text": "the cat sat"}]}
    path = "/v1beta/models/gemini-embedding-001:"
    _, one = await call("POST", path + "embedContent", {"content": content}, x_goog_api_key=KEY)
    request = {"model": "models/gemini-embedding-001", "content": content}
    _, batch = await call("POST", path + "batchEmbedContents", {"requests": [request]}, x_goog_api_key=KEY)
    assert [one["embedding"]] == batch["embeddings"]


async def test_models_are_listed_in_pages_and_told_one_by_one(google: AsyncClient) -> None:
    names = [model.name async for model in await google.models.list(config={"page_size": 3})]
    assert names == [f"models/{name}" for name in DEFAULT_MODELS]
    assert (await google.models.get(model=OLD)).output_token_limit == 65_536


async def test_the_list_of_models_below_v1_is_googles_for_who_sends_the_key_in_googles_way(call: Json) -> None:
    assert "models" in (await call("GET", "/v1/models", x_goog_api_key=KEY))[1]
    assert "models" in (await call("GET", f"/v1/models?key={KEY}"))[1]
    assert (await call("GET", f"/v1/models/{OLD}", x_goog_api_key=KEY))[1]["name"] == f"models/{OLD}"
    assert "data" in (await call("GET", "/v1/models"))[1]


async def test_the_same_request_gives_the_same_answer(google: AsyncClient) -> None:
    first, second = await whole(google), await whole(google)
    assert first.model_dump(exclude={"sdk_http_response"}) == second.model_dump(exclude={"sdk_http_response"})


async def test_no_usage_leaves_it_out(google: AsyncClient) -> None:
    assert (await whole(google, "[[simulate: no_usage]]")).usage_metadata is None


async def test_a_generation_is_counted_like_any_other(simulator: EmbeddedSimulator, google: AsyncClient) -> None:
    await whole(google, "hello", DRAWING)
    call = simulator.calls[-1]
    assert (call.model, call.stream, call.output_tokens) == (DRAWING, False, 24 + 85)
    assert dict(call.headers)["x-goog-api-key"] == f"…{KEY[-4:]}"
    assert simulator.stats["input_tokens"] == 2


async def test_only_the_settings_models_are_known() -> None:
    async with EmbeddedSimulator(Settings(models=(OLD,))) as strict:
        client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=strict.base_url))
        assert (await whole(client.aio)).text
        with pytest.raises(genai.errors.ClientError) as unknown:
            await whole(client.aio, model="gemini-9")
        assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")
        await client.aio.aclose()
        client.close()
