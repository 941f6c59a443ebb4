"""Requests towards Bedrock: everything that can be said is valid by AWS's own description, and what cannot is named."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from tests.support.aws_model import check

from onevault.core.chat import (
    Audio,
    CacheMark,
    ChatRequest,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    RedactedThinking,
    Refusal,
    ResponseFormat,
    Role,
    Speech,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Video,
)
from onevault.core.codec import WireRequest
from onevault.core.embeddings import EmbeddingsRequest, Purpose
from onevault.core.faults import Fault, FaultKind
from onevault.dialects.bedrock.families import without_region
from onevault.dialects.registry import CODECS, INGRESS

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD_CLAUDE = "anthropic.claude-3-7-sonnet-20250219-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/mi1dadi0g15f"
NOVA, NOVA_2 = "us.amazon.nova-lite-v1:0", "us.amazon.nova-2-lite-v1:0"
GPT, QWEN, LLAMA = "openai.gpt-oss-120b-1:0", "qwen.qwen3-32b-v1:0", "us.meta.llama4-maverick-17b-instruct-v1:0"
ALL_MODELS = (CLAUDE, OLD_CLAUDE, PROFILE, NOVA, NOVA_2, GPT, QWEN, LLAMA)

PIXEL = base64.b64encode(b"\x89PNG").decode()
HOUR = CacheMark(ttl="1h")
WEATHER = Tool(
    name="get_weather",
    description="The weather",
    parameters=Raw(b'{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'),
    strict=True,
)
USER = Message(role=Role.USER, parts=(Text(text="Hello"),))
CALL = ToolCall(id="call_1", name="get_weather", arguments='{"city":"Paris","days":1.50}')
CALLED = Message(role=Role.ASSISTANT, parts=(Text(text="I will look."), CALL))
ANSWERED = Message(role=Role.TOOL, parts=(ToolResult(call_id="call_1", parts=(Text(text="21 °C"),)),))


def request(*parts: Part, messages: tuple[Message, ...] = (), **fields: Any) -> ChatRequest:
    said = messages or (Message(role=Role.USER, parts=parts or (Text(text="Hello"),)),)
    return ChatRequest(**{"model": CLAUDE, "messages": said} | fields)


def encoded(asked: ChatRequest, *, output_tokens_max: int = 64_000, adaptive: bool = True) -> WireRequest:
    """The request as it is sent, found valid."""
    wire = CODECS["bedrock-converse"].encode(asked, output_tokens_max=output_tokens_max, adaptive_thinking=adaptive)
    check("ConverseStream" if asked.stream else "Converse", wire.path, wire.body)
    return wire


def body_of(asked: ChatRequest, **settings: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encoded(asked, **settings).body)
    return body


def content_of(asked: ChatRequest) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = body_of(asked)["messages"][-1]["content"]
    return content


EVERYTHING = request(
    messages=(
        Message(role=Role.SYSTEM, parts=(Text(text="Be brief.", cache=CacheMark()),)),
        Message(
            role=Role.USER,
            parts=(
                Text(text="Look:"),
                Image(data=PIXEL, media_type="image/jpg", cache=CacheMark()),
                Image(url="s3://bucket/picture.webp", media_type="image/webp"),
                File(data=PIXEL, media_type="application/pdf", name="report_(1).pdf", citations_enabled=True),
                File(text="a,b", media_type="text/csv", name="report_(1).pdf", context="figures"),
                File(url="s3://bucket/notes.md"),
                Video(data=PIXEL, media_type="video/quicktime"),
                Audio(data=PIXEL, format="mp3"),
            ),
        ),
        Message(
            role=Role.ASSISTANT,
            parts=(
                Thinking(text="Hm", signature="c2ln", signed_by="bedrock-converse"),
                RedactedThinking(data=PIXEL, encrypted_by="bedrock-converse"),
                Refusal(text="No."),
                CALL,
            ),
        ),
        Message(
            role=Role.TOOL,
            parts=(
                ToolResult(
                    call_id="call_1",
                    parts=(Text(text="21"), Image(data=PIXEL), File(data=PIXEL, cache=CacheMark())),
                    is_error=True,
                ),
            ),
        ),
        Message(role=Role.USER, parts=(Text(text="Go on"),)),
    ),
    tools=(WEATHER, msgspec.structs.replace(WEATHER, name="other", parameters=None, cache=CacheMark())),
    tool_choice=ToolChoice(mode="required"),
    output_tokens_max=100,
    temperature=0.5,
    top_p=0.9,
    top_k=5,
    stop=("END",),
    service_tier="flex",
    metadata={"team": "a-1"},
    response_format=ResponseFormat(mode="schema", name="city", description="A city", schema=Raw(b'{"type":"object"}')),
)


@pytest.mark.parametrize("model", ALL_MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_with_everything_is_valid_for_every_model(model: str, stream: bool) -> None:
    asked = msgspec.structs.replace(EVERYTHING, model=model, stream=stream)
    assert encoded(asked) == encoded(asked)


def test_a_request_with_everything_says_everything() -> None:
    wire = encoded(EVERYTHING)
    body = json.loads(wire.body)
    assert wire.path == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert wire.dropped == ("top_p",)
    assert body["system"] == [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}]
    user, assistant, last = body["messages"]
    assert user["content"][:3] == [
        {"text": "Look:"},
        {"image": {"format": "jpeg", "source": {"bytes": PIXEL}}},
        {"cachePoint": {"type": "default"}},
    ]
    documents = [block["document"] for block in user["content"] if "document" in block]
    assert [(found["name"], found["format"]) for found in documents] == [
        ("report-(1)-pdf", "pdf"),
        ("report-(1)-pdf 2", "csv"),
        ("Document", "md"),
    ]
    assert documents[0]["citations"] == {"enabled": True}
    assert documents[1]["context"] == "figures"
    assert documents[1]["source"] == {"bytes": base64.b64encode(b"a,b").decode()}
    assert documents[2]["source"] == {"s3Location": {"uri": "s3://bucket/notes.md"}}
    assert assistant["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": PIXEL}},
        {"text": "No."},
        {"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"city": "Paris", "days": 1.5}}},
    ]
    result, point, text = last["content"]
    assert result["toolResult"]["status"] == "error"
    assert [next(iter(block)) for block in result["toolResult"]["content"]] == ["text", "image", "document"]
    assert (point, text) == ({"cachePoint": {"type": "default"}}, {"text": "Go on"})
    assert [next(iter(tool)) for tool in body["toolConfig"]["tools"]] == ["toolSpec", "toolSpec", "cachePoint"]
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert body["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.5, "stopSequences": ["END"]}
    assert body["additionalModelRequestFields"] == {"top_k": 5}
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence", "/delta/stop_sequence"]
    assert body["outputConfig"]["textFormat"]["structure"]["jsonSchema"] == {
        "schema": '{"type":"object"}',
        "name": "city",
        "description": "A city",
    }
    assert (body["serviceTier"], body["requestMetadata"]) == ({"type": "flex"}, {"team": "a-1"})


def test_schemas_and_arguments_keep_their_bytes() -> None:
    schema = b'{"type":"object","properties":{"b":{"maximum":1.50},"a":{}}}'
    wire = encoded(
        request(messages=(USER, CALLED, ANSWERED), tools=(Tool(name="get_weather", parameters=Raw(schema)),))
    )
    assert b'"json":' + schema in wire.body
    assert b'"input":{"city":"Paris","days":1.50}' in wire.body


@pytest.mark.parametrize(
    ("part", "param"),
    [
        (Image(url="https://example.com/a.png"), "messages[0].content[0]"),
        (Image(data=PIXEL, media_type="image/tiff"), "messages[0].content[0]"),
        (File(url="https://example.com/a.pdf"), "messages[0].content[0]"),
        (File(file_id="file-1"), "messages[0].content[0]"),
        (File(data=PIXEL, media_type="application/zip"), "messages[0].content[0]"),
        (Video(url="https://example.com/a.mp4"), "messages[0].content[0]"),
        (Video(data=PIXEL, media_type="video/ogg"), "messages[0].content[0]"),
        (Audio(data=PIXEL, format="amr"), "messages[0].content[0]"),
        (Opaque(dialect="gemini", kind="executableCode", raw=Raw(b"{}")), "messages[0].content[0]"),
    ],
)
def test_content_that_bedrock_cannot_be_told_is_a_fault_with_its_path(part: Part, param: str) -> None:
    with pytest.raises(Fault) as fault:
        encoded(request(part))
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": ResponseFormat(mode="json")}, "response_format.type"),
        ({"output_modalities": ("text", "audio")}, "modalities"),
        ({"speech": Speech(voice="alloy")}, "modalities"),
        ({"stop": ("",)}, "stop"),
        ({"stop": ("\n",)}, "stop"),
        ({"tools": (Opaque(dialect="openai-chat", kind="web_search", raw=Raw(b"{}")),)}, "tools[0]"),
        ({"tools": (Tool(name="a.b"),)}, "tools[0].name"),
        ({"tools": (Tool(name="a" * 65),)}, "tools[0].name"),
        ({"messages": (Message(role=Role.USER, parts=()),)}, "messages"),
        ({"messages": (Message(role=Role.SYSTEM, parts=(Image(data=PIXEL),)), USER)}, "messages[0].content[0]"),
    ],
)
def test_a_field_that_bedrock_cannot_be_told_is_a_fault_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Fault) as fault:
        encoded(request(**fields))
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)


@pytest.mark.parametrize("arguments", ['{"city":"Par', "[1]", "nothing"])
def test_incomplete_arguments_are_a_fault(arguments: str) -> None:
    called = Message(role=Role.ASSISTANT, parts=(ToolCall(id="c", name="f", arguments=arguments),))
    with pytest.raises(Fault) as fault:
        encoded(request(messages=(USER, called), tools=(WEATHER,)))
    assert fault.value.kind is FaultKind.INVALID_REQUEST
    assert fault.value.param == "messages[1].tool_calls[0].function.arguments"


@pytest.mark.parametrize("data", ["", "not base64!", "QQ", "ä"])
def test_data_that_is_no_base64_is_a_fault(data: str) -> None:
    with pytest.raises(Fault) as fault:
        encoded(request(Image(data=data, media_type="image/png")))
    assert fault.value.kind is FaultKind.INVALID_REQUEST


def test_blocks_of_its_own_are_given_back_as_they_were() -> None:
    block = b'{"toolUse":{"toolUseId":"t","name":"nova_code_interpreter","type":"server_tool_use","input":{"a":1}}}'
    tool = Opaque(dialect="bedrock-converse", kind="systemTool", raw=Raw(b'{"systemTool":{"name":"nova_grounding"}}'))
    part = Opaque(dialect="bedrock-converse", kind="server_tool_use", raw=Raw(block))
    body = body_of(request(messages=(USER, Message(role=Role.ASSISTANT, parts=(part,))), tools=(tool,), model=NOVA_2))
    assert body["messages"][1]["content"] == [json.loads(block)]
    assert body["toolConfig"]["tools"] == [{"systemTool": {"name": "nova_grounding"}}]


def test_turns_alternate_and_begin_with_the_user() -> None:
    text = Message(role=Role.ASSISTANT, parts=(Text(text="Hi"),))
    body = body_of(
        request(messages=(text, text, USER, USER, CALLED, ANSWERED, USER), tools=(WEATHER,)),
    )
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert [next(iter(block)) for block in body["messages"][-1]["content"]] == ["toolResult", "text"]


def test_instructions_alone_are_what_the_user_says() -> None:
    body = body_of(request(messages=(Message(role=Role.SYSTEM, parts=(Text(text="Sing."),)),)))
    assert body == {"messages": [{"role": "user", "content": [{"text": "Sing."}]}]}


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        (Image(data=PIXEL), "png"),
        (Image(url="s3://bucket/a.JPG"), "jpeg"),
        (Video(url="s3://bucket/a.mkv", media_type="video/x-matroska"), "mkv"),
        (Video(url="s3://bucket/a.mov"), "mov"),
        (File(data=PIXEL, media_type="image/gif"), "gif"),
        (File(data=PIXEL, media_type="video/webm"), "webm"),
        (File(data=PIXEL, media_type="audio/flac"), "flac"),
        (File(data=PIXEL, media_type="text/x-python"), "txt"),
        (File(data=PIXEL, media_type="application/octet-stream", name="figures.xlsx"), "xlsx"),
        (File(data=PIXEL), "pdf"),
    ],
)
def test_formats_are_told_by_media_types_and_endings(part: Part, kept: str) -> None:
    assert next(iter(content_of(request(part))[0].values()))["format"] == kept


def test_a_document_alone_gets_a_text_beside_it() -> None:
    assert [next(iter(block)) for block in content_of(request(File(data=PIXEL)))] == ["document", "text"]


def test_an_image_that_the_assistant_made_is_shown_by_the_user() -> None:
    made = Message(role=Role.ASSISTANT, parts=(Text(text="Here:"), Image(data=PIXEL)))
    body = body_of(request(messages=(USER, made, USER)))
    assert [[next(iter(block)) for block in turn["content"]] for turn in body["messages"]] == [
        ["text"],
        ["text"],
        ["text", "image", "text"],
    ]


def test_a_prefilled_answer_does_not_end_in_white_space_towards_claude() -> None:
    prefilled = (USER, Message(role=Role.ASSISTANT, parts=(Text(text="{ "),)))
    assert body_of(request(messages=prefilled))["messages"][1]["content"] == [{"text": "{"}]
    assert body_of(request(messages=prefilled, model=NOVA))["messages"][1]["content"] == [{"text": "{ "}]


@pytest.mark.parametrize(
    ("part", "model", "block"),
    [
        (
            Thinking(text="t", signature="s", signed_by="anthropic-messages"),
            CLAUDE,
            {"reasoningText": {"text": "t", "signature": "s"}},
        ),
        (Thinking(text="t", signature="s", signed_by="anthropic-messages"), NOVA, None),
        (Thinking(text="t", signature="s", signed_by="gemini"), CLAUDE, None),
        (Thinking(text="t", signature="s"), CLAUDE, None),
        (Thinking(text="t"), CLAUDE, None),
        (
            Thinking(text="t", signature="s", signed_by="bedrock-converse"),
            NOVA_2,
            {"reasoningText": {"text": "t", "signature": "s"}},
        ),
        (
            RedactedThinking(data="Eu8E", encrypted_by="anthropic-messages"),
            CLAUDE,
            {"redactedContent": base64.b64encode(b"Eu8E").decode()},
        ),
        (RedactedThinking(data="RXU4RQ==", encrypted_by="bedrock-converse"), CLAUDE, {"redactedContent": "RXU4RQ=="}),
        (RedactedThinking(data="Eu8E", encrypted_by="openai-responses"), CLAUDE, None),
    ],
)
def test_thinking_goes_back_only_to_those_who_know_it_again(
    part: Part, model: str, block: dict[str, Any] | None
) -> None:
    said = (USER, Message(role=Role.ASSISTANT, parts=(part, Text(text="4"))), USER)
    wire = encoded(request(messages=said, model=model))
    blocks = json.loads(wire.body)["messages"][1]["content"]
    assert blocks == ([] if block is None else [{"reasoningContent": block}]) + [{"text": "4"}]
    assert wire.dropped == (("thinking",) if block is None else ())


@pytest.mark.parametrize(
    ("model", "mark", "points", "dropped"),
    [
        (CLAUDE, CacheMark(), [{"type": "default"}] * 3, ()),
        (CLAUDE, HOUR, [{"type": "default", "ttl": "1h"}] * 3, ()),
        ("anthropic.claude-opus-4-8", HOUR, [{"type": "default", "ttl": "1h"}] * 3, ()),
        (OLD_CLAUDE, HOUR, [{"type": "default"}] * 3, ("cache_control.ttl",)),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", HOUR, [{"type": "default"}] * 3, ("cache_control.ttl",)),
        (NOVA, CacheMark(), [{"type": "default"}] * 2, ("cache_control",)),
        (LLAMA, CacheMark(), [], ("cache_control",)),
        (PROFILE, CacheMark(), [], ("cache_control",)),
    ],
)
def test_cache_marks_become_cache_points_where_the_model_has_them(
    model: str, mark: CacheMark, points: list[dict[str, Any]], dropped: tuple[str, ...]
) -> None:
    system = Message(role=Role.SYSTEM, parts=(Text(text="Be brief.", cache=mark),))
    user = Message(role=Role.USER, parts=(Text(text="Hello", cache=mark),))
    wire = encoded(request(messages=(system, user), tools=(Tool(name="f", cache=mark),), model=model))
    body = json.loads(wire.body)
    blocks = [*body["system"], *body["messages"][0]["content"], *body["toolConfig"]["tools"]]
    assert [block["cachePoint"] for block in blocks if "cachePoint" in block] == points
    assert wire.dropped == dropped


AUTO, NONE, NAMED = ToolChoice(mode="auto"), ToolChoice(mode="none"), ToolChoice(mode="tool", name="get_weather")
SERIAL = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


@pytest.mark.parametrize(
    ("fields", "choice", "additional", "dropped"),
    [
        ({}, None, None, ()),
        ({"tool_choice": AUTO}, None, None, ()),
        ({"tool_choice": ToolChoice(mode="required")}, {"any": {}}, None, ()),
        ({"tool_choice": NAMED}, {"tool": {"name": "get_weather"}}, None, ()),
        ({"parallel_tool_calls": True}, None, None, ()),
        ({"parallel_tool_calls": False}, None, SERIAL, ()),
        (
            {"parallel_tool_calls": False, "tool_choice": NAMED},
            {"tool": {"name": "get_weather"}},
            {"tool_choice": {"disable_parallel_tool_use": True}},
            (),
        ),
        ({"parallel_tool_calls": False, "model": NOVA}, None, None, ("tools.strict", "parallel_tool_calls")),
    ],
)
def test_the_choice_among_tools_is_said_once(
    fields: dict[str, Any], choice: object, additional: object, dropped: tuple[str, ...]
) -> None:
    wire = encoded(request(tools=(WEATHER,), **fields))
    body = json.loads(wire.body)
    assert body["toolConfig"].get("toolChoice") == choice
    assert body.get("additionalModelRequestFields") == additional
    assert wire.dropped == dropped


@pytest.mark.parametrize("fields", [{"tools": (WEATHER,), "tool_choice": NONE, "parallel_tool_calls": False}, {}])
def test_where_no_tool_may_be_called_earlier_calls_are_told_in_words(fields: dict[str, Any]) -> None:
    failed = Message(
        role=Role.TOOL,
        parts=(ToolResult(call_id="call_1", parts=(Text(text="no"), Image(data=PIXEL)), is_error=True),),
    )
    body = body_of(request(messages=(USER, CALLED, failed, USER), **fields))
    assert "toolConfig" not in body
    assert "additionalModelRequestFields" not in body
    assert body["messages"][1]["content"][1] == {
        "text": '[Called the tool get_weather with {"city":"Paris","days":1.50}]'
    }
    assert body["messages"][2]["content"] == [
        {"text": "[The tool get_weather failed and answered:]"},
        {"text": "no"},
        {"image": {"format": "png", "source": {"bytes": PIXEL}}},
        {"text": "Hello"},
    ]


def test_a_failed_call_is_said_in_words_where_there_is_no_status_for_it() -> None:
    failed = Message(role=Role.TOOL, parts=(ToolResult(call_id="call_1", parts=(Text(text="no"),), is_error=True),))
    body = body_of(request(messages=(USER, CALLED, failed), tools=(WEATHER,), model=LLAMA))
    assert body["messages"][-1]["content"][0]["toolResult"] == {
        "toolUseId": "call_1",
        "content": [{"text": "Error:"}, {"text": "no"}],
    }


@pytest.mark.parametrize("id", ["", "call.1", "functions.get:0", "x" * 65, "ä", "call_1"])
def test_ids_of_calls_are_made_such_that_bedrock_takes_them_and_still_match(id: str) -> None:
    called = Message(
        role=Role.ASSISTANT,
        parts=(
            ToolCall(id=id, name="f", arguments=""),
            ToolCall(id=id + "2", name="f", arguments="{}"),
        ),
    )
    answered = Message(role=Role.TOOL, parts=(ToolResult(call_id=id, parts=()), ToolResult(call_id=id + "2", parts=())))
    body = body_of(request(messages=(USER, called, answered), tools=(WEATHER,)))
    calls = [block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"]]
    assert calls == [block["toolResult"]["toolUseId"] for block in body["messages"][2]["content"]]
    assert len(set(calls)) == 2


@pytest.mark.parametrize(
    ("model", "reasoning", "settings", "fields", "dropped"),
    [
        (CLAUDE, Reasoning(effort="high"), {}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, ()),
        (CLAUDE, Reasoning(effort="low"), {"adaptive": False}, {"thinking": {"type": "enabled", "budget_tokens": 2_048}}, ()),
        (CLAUDE, Reasoning(effort="low"), {"adaptive": False, "output_tokens_max": 1_000}, None, ("reasoning_effort",)),
        (CLAUDE, Reasoning(budget_tokens=1_024), {}, {"thinking": {"type": "enabled", "budget_tokens": 1_024}}, ()),
        (
            CLAUDE,
            Reasoning(adaptive=True, display="summarized"),
            {},
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            (),
        ),
        (CLAUDE, Reasoning(enabled=False), {}, {"thinking": {"type": "disabled"}}, ()),
        (NOVA, Reasoning(effort="high"), {}, None, ("reasoning_effort",)),
        (NOVA_2, Reasoning(effort="high"), {}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, ()),
        (NOVA_2, Reasoning(budget_tokens=2_000), {}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, ()),
        (NOVA_2, Reasoning(enabled=False), {}, {"reasoningConfig": {"type": "disabled"}}, ()),
        (GPT, Reasoning(effort="minimal"), {}, {"reasoning_effort": "low"}, ()),
        (GPT, Reasoning(enabled=False), {}, None, ("reasoning_effort",)),
        (QWEN, Reasoning(effort="medium"), {}, {"reasoning_config": "high"}, ()),
        (QWEN, Reasoning(enabled=False), {}, None, ()),
        (LLAMA, Reasoning(effort="low"), {}, None, ("reasoning_effort",)),
        (LLAMA, Reasoning(enabled=False), {}, None, ()),
    ],
)  # fmt: skip
def test_each_family_is_told_in_its_own_words_how_much_to_think(
    model: str, reasoning: Reasoning, settings: dict[str, Any], fields: object, dropped: tuple[str, ...]
) -> None:
    wire = encoded(request(model=model, reasoning=reasoning), **settings)
    assert json.loads(wire.body).get("additionalModelRequestFields") == fields
    assert wire.dropped == dropped


def test_claude_does_not_think_before_a_call_that_it_must_make() -> None:
    wire = encoded(request(tools=(WEATHER,), tool_choice=NAMED, reasoning=Reasoning(effort="high")))
    assert "additionalModelRequestFields" not in json.loads(wire.body)
    assert wire.dropped == ("reasoning_effort",)


def test_nova_at_its_highest_effort_keeps_the_output_limit_and_lowers_the_effort() -> None:
    asked = request(model=NOVA_2, reasoning=Reasoning(effort="high"), output_tokens_max=500, temperature=0.3)
    wire = encoded(asked)
    body = json.loads(wire.body)
    assert body["inferenceConfig"] == {"maxTokens": 500, "temperature": 0.3}
    assert body["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == "medium"
    assert wire.dropped == ("reasoning_effort",)
    unlimited = encoded(msgspec.structs.replace(asked, output_tokens_max=None))
    assert "inferenceConfig" not in json.loads(unlimited.body)
    assert unlimited.dropped == ("temperature",)


@pytest.mark.parametrize(
    ("fields", "inference", "additional", "dropped"),
    [
        ({"temperature": 1.5}, {"temperature": 1}, None, ("temperature",)),
        ({"top_p": 0.5}, {"topP": 0.5}, None, ()),
        ({"top_p": 0.5, "temperature": 0.1, "model": NOVA}, {"temperature": 0.1, "topP": 0.5}, None, ()),
        ({"top_k": 7, "model": NOVA}, None, {"inferenceConfig": {"topK": 7}}, ()),
        ({"top_k": 7, "model": LLAMA}, None, None, ("top_k",)),
        (
            {"top_k": 7, "temperature": 0.1, "top_p": 0.5, "reasoning": Reasoning(budget_tokens=1_024)},
            None,
            {"thinking": {"type": "enabled", "budget_tokens": 1_024}},
            ("top_k", "temperature", "top_p"),
        ),
        ({"stop": ("\n",), "model": NOVA}, {"stopSequences": ["\n"]}, None, ()),
        (
            {"seed": 1, "frequency_penalty": 0.1, "verbosity": "low", "user": "u", "hints": ("store",)},
            None,
            None,
            ("store", "seed", "frequency_penalty", "verbosity", "user"),
        ),
    ],
)
def test_sampling_is_said_as_each_model_takes_it(
    fields: dict[str, Any], inference: object, additional: object, dropped: tuple[str, ...]
) -> None:
    wire = encoded(request(**fields))
    body = json.loads(wire.body)
    assert body.get("inferenceConfig") == inference
    assert body.get("additionalModelRequestFields") == additional
    assert wire.dropped == dropped


@pytest.mark.parametrize(
    ("metadata", "kept", "dropped"),
    [
        ({"team": "a", "trace id": "x/y:1"}, {"team": "a", "trace id": "x/y:1"}, ()),
        ({"team": "a", "emoji": "🙂", "ké": "x"}, {"team": "a"}, ("metadata",)),
        ({f"k{i}": "" for i in range(17)}, {f"k{i}": "" for i in range(16)}, ("metadata",)),
        ({"a": "é"}, None, ("metadata",)),
    ],
)
def test_metadata_is_told_as_far_as_bedrock_takes_it(
    metadata: dict[str, str], kept: object, dropped: tuple[str, ...]
) -> None:
    wire = encoded(request(metadata=metadata))
    assert json.loads(wire.body).get("requestMetadata") == kept
    assert wire.dropped == dropped


@pytest.mark.parametrize(
    ("tier", "said", "dropped"),
    [
        ("auto", None, ()),
        ("standard_only", {"type": "default"}, ()),
        ("priority", {"type": "priority"}, ()),
        ("scale", None, ("service_tier",)),
    ],
)
def test_the_service_tier_is_asked_for_where_bedrock_has_it(tier: str, said: object, dropped: tuple[str, ...]) -> None:
    wire = encoded(request(service_tier=tier))
    assert json.loads(wire.body).get("serviceTier") == said
    assert wire.dropped == dropped


def counted(asked: ChatRequest) -> dict[str, Any]:
    wire = CODECS["bedrock-count-tokens"].encode(asked, output_tokens_max=1)
    check("CountTokens", wire.path, wire.body)
    assert wire.path == "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens"
    body: dict[str, Any] = json.loads(wire.body)
    return body


def test_tokens_are_counted_of_the_input_alone_and_by_the_model_itself() -> None:
    asked = request(messages=(USER, CALLED, ANSWERED), tools=(WEATHER,), temperature=0.1, output_tokens_max=5)
    body = counted(asked)
    converse = body_of(asked)
    assert body == {"input": {"converse": {name: converse[name] for name in ("messages", "toolConfig")}}}


@pytest.mark.parametrize(
    ("model", "bare"),
    [
        ("us.anthropic.claude-3-haiku", "anthropic.claude-3-haiku"),
        ("global.anthropic.claude-opus-4-8", "anthropic.claude-opus-4-8"),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-x", "anthropic.claude-x"),
        ("zai.glm-4.7-flash", "zai.glm-4.7-flash"),
        (PROFILE, PROFILE),
    ],
)
def test_a_profile_that_routes_between_regions_is_known_by_its_model(model: str, bare: str) -> None:
    assert without_region(model) == bare


def embedded(model: str, *inputs: str | tuple[int, ...], **fields: Any) -> WireRequest:
    asked = EmbeddingsRequest(model=model, inputs=inputs or ("hello",), **fields)
    return CODECS["bedrock-embeddings"].encode(asked, output_tokens_max=1)


@pytest.mark.parametrize(
    ("model", "fields", "body", "dropped"),
    [
        ("amazon.titan-embed-text-v1", {"title": "t"}, {"inputText": "hello"}, ("title",)),
        ("amazon.titan-embed-text-v2:0", {"dimensions": 256, "user": "u"}, {"inputText": "hello", "dimensions": 256}, ("user",)),
        (
            "amazon.titan-embed-image-v1",
            {"dimensions": 256, "purpose": Purpose.QUERY},
            {"inputText": "hello", "embeddingConfig": {"outputEmbeddingLength": 256}},
            ("purpose",),
        ),
        (
            "cohere.embed-english-v3",
            {},
            {"texts": ["hello"], "input_type": "search_document", "embedding_types": ["float"]},
            (),
        ),
        (
            "us.cohere.embed-v4:0",
            {"dimensions": 512, "purpose": Purpose.CLUSTERING},
            {"texts": ["hello"], "input_type": "clustering", "embedding_types": ["float"], "output_dimension": 512},
            (),
        ),
        (
            "cohere.embed-v4:0",
            {"purpose": Purpose.SIMILARITY},
            {"texts": ["hello"], "input_type": "search_document", "embedding_types": ["float"]},
            ("purpose",),
        ),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            {"dimensions": 256, "purpose": Purpose.QUERY},
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_RETRIEVAL",
                    "text": {"value": "hello", "truncationMode": "NONE"},
                    "embeddingDimension": 256,
                },
            },
            (),
        ),
    ],
)  # fmt: skip
def test_each_maker_of_vectors_is_asked_in_its_own_format(
    model: str, fields: dict[str, Any], body: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    wire = embedded(model, **fields)
    assert wire.path.endswith("/invoke")
    assert json.loads(wire.body) == body
    assert wire.dropped == dropped


def test_cohere_takes_many_texts_in_one_call() -> None:
    assert json.loads(embedded("cohere.embed-v4:0", "a", "b").body)["texts"] == ["a", "b"]


@pytest.mark.parametrize(
    ("model", "inputs", "fields", "param"),
    [
        ("amazon.titan-embed-text-v2:0", ("a", "b"), {}, "input"),
        ("amazon.nova-2-multimodal-embeddings-v1:0", ("a", "b"), {}, "input"),
        ("cohere.embed-v4:0", ("a",) * 97, {}, "input"),
        ("amazon.titan-embed-text-v2:0", ((1, 2),), {}, "input[0]"),
        ("amazon.titan-embed-text-v1", ("a",), {"dimensions": 256}, "dimensions"),
        ("cohere.embed-english-v3", ("a",), {"dimensions": 256}, "dimensions"),
        ("twelvelabs.marengo-embed-2-7-v1:0", ("a",), {}, "model"),
    ],
)
def test_what_a_maker_of_vectors_cannot_do_is_a_fault(
    model: str, inputs: tuple[str | tuple[int, ...], ...], fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(Fault) as fault:
        embedded(model, *inputs, **fields)
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)


def test_each_codec_takes_only_its_own_kind_of_request() -> None:
    vectors = EmbeddingsRequest(model=CLAUDE, inputs=("a",))
    for dialect, asked in (
        ("bedrock-converse", vectors),
        ("bedrock-count-tokens", vectors),
        ("bedrock-embeddings", request()),
    ):
        with pytest.raises(Fault) as fault:
            CODECS[dialect].encode(asked, output_tokens_max=1)
        assert fault.value.kind is FaultKind.UNSUPPORTED_PARAMETER


CALLS = [
    {"id": f"call_{i}", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}} for i in (1, 2)
]
USES = [{"type": "tool_use", "id": f"toolu_{i}", "name": "get_weather", "input": {}} for i in (1, 2)]
IMAGE_URL = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
RESULTS = [
    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "21"},
    {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "22"}]},
]
GOLDEN_REQUESTS = {
    "openai-chat": {
        "model": "m",
        "max_completion_tokens": 50,
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "See"}, IMAGE_URL]},
            {"role": "assistant", "tool_calls": CALLS},
            {"role": "tool", "tool_call_id": "call_1", "content": "21"},
            {"role": "tool", "tool_call_id": "call_2", "content": "22"},
        ],
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}],
    },
    "anthropic-messages": {
        "model": "m",
        "max_tokens": 50,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "See"}, IMAGE]},
            {"role": "assistant", "content": USES},
            {"role": "user", "content": RESULTS},
        ],
        "tools": [{"name": "get_weather", "input_schema": {"type": "object"}}],
    },
}


@pytest.mark.parametrize("dialect", GOLDEN_REQUESTS)
def test_requests_of_callers_come_to_bedrock_whole(dialect: str) -> None:
    asked = INGRESS[dialect].read(json.dumps(GOLDEN_REQUESTS[dialect]).encode()).canonical()
    wire = encoded(msgspec.structs.replace(asked, model=CLAUDE))
    body = json.loads(wire.body)
    assert wire.dropped == ()
    assert body["system"][0] == {"text": "Be brief."}
    assert [[next(iter(block)) for block in turn["content"]] for turn in body["messages"]] == [
        ["text", "image"],
        ["toolUse", "toolUse"],
        ["toolResult", "toolResult"],
    ]
    assert body["inferenceConfig"] == {"maxTokens": 50}
