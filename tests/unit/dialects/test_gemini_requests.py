"""What is read of a Gemini caller's request, how it passes, and how it reaches other dialects and comes from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onevault.core.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Opaque,
    Reasoning,
    RedactedThinking,
    ResponseFormat,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Video,
)
from onevault.core.codec import RequestLine
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Capability
from onevault.dialects.registry import CODECS, INGRESS

GOLDEN = Path(__file__).parents[2] / "golden" / "caller" / "gemini.json"
CASES: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
LINE = RequestLine("/v1beta/models/gemini-2.5-flash:generateContent")
STREAM = RequestLine("/v1beta/models/gemini-2.5-flash:streamGenerateContent", {"alt": "sse"})
HI = {"contents": [{"parts": [{"text": "Hi"}]}]}


def read(body: Any, line: RequestLine = LINE) -> Any:
    return INGRESS["gemini"].read(json.dumps(body).encode(), line)


def encoded(request: ChatRequest) -> tuple[dict[str, Any], tuple[str, ...]]:
    wire = CODECS["gemini"].encode(request, output_tokens_max=4096)
    return json.loads(wire.body), wire.dropped


def asking(*messages: Message, model: str = "gemini-2.5-flash", **more: Any) -> ChatRequest:
    return ChatRequest(model=model, messages=messages or (user("Hi"),), **more)


def user(text: str) -> Message:
    return Message(role=Role.USER, parts=(Text(text=text),))


# ---- reading and passing


@pytest.mark.parametrize(
    ("line", "model", "stream"),
    [
        (LINE, "gemini-2.5-flash", False),
        (STREAM, "gemini-2.5-flash", True),
        (RequestLine("/v1/models/gemini-2.5-flash:generateContent"), "gemini-2.5-flash", False),
        (RequestLine("/v1beta/models/openai/gpt-5:generateContent"), "openai/gpt-5", False),
        (RequestLine("/v1beta/models/models/x:streamGenerateContent"), "x", True),
        (RequestLine("/v1beta/models/llama3:8b:generateContent"), "llama3:8b", False),
    ],
)
def test_the_path_names_the_model_and_whether_it_streams(line: RequestLine, model: str, stream: bool) -> None:
    incoming = read(HI, line)
    assert (incoming.model, incoming.stream) == (model, stream)


def test_the_bytes_pass_untouched_but_for_the_extensions_and_the_limit() -> None:
    body = b'{ "contents" : [{"parts":[{"text":"Hi"}]}], "unknown_to_us": {"a_b": 1.50} }'
    incoming = INGRESS["gemini"].read(body, LINE)
    assert incoming.rewritten("m", output_tokens_max=None).body == body
    extended = body[:-1] + b', "budget": {"max_cost_per_request": 1}, "routing": {"fallback": false}}'
    incoming = INGRESS["gemini"].read(extended, LINE)
    assert incoming.extensions.budget.max_cost_per_request == 1
    assert json.loads(incoming.rewritten("m", output_tokens_max=None).body) == json.loads(body)
    assert b'{"a_b": 1.50}' in incoming.rewritten("m", output_tokens_max=None).body


@pytest.mark.parametrize("names", [("generationConfig", "maxOutputTokens"), ("generation_config", "max_output_tokens")])
def test_the_limit_goes_where_the_caller_has_it(names: tuple[str, str]) -> None:
    config, limit = names
    sent = json.loads(read({**HI, config: {limit: 9, "topK": 40.0}}).rewritten("m", output_tokens_max=5).body)
    assert sent == {**HI, config: {limit: 5, "topK": 40.0}}


def test_null_is_as_good_as_nothing() -> None:
    incoming = read({**HI, "generationConfig": None, "tools": None, "systemInstruction": None, "toolConfig": None})
    sent = json.loads(incoming.rewritten("m", output_tokens_max=5).body)
    assert sent["generationConfig"] == {"maxOutputTokens": 5}
    assert incoming.canonical().messages == (user("Hi"),)
    counting = {"generateContentRequest": None, **HI}
    incoming = INGRESS["gemini-count-tokens"].read(
        json.dumps(counting).encode(), RequestLine("/v1beta/models/m:countTokens")
    )
    assert json.loads(incoming.rewritten("m", output_tokens_max=None).body) == counting


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        ("tunedModels/mine-1", "/tunedModels/mine-1:streamGenerateContent?alt=sse"),
        ("a model?x=1#y", "/models/a%20model%3Fx%3D1%23y:streamGenerateContent?alt=sse"),
    ],
)
def test_a_stream_is_asked_for_as_events_whatever_the_caller_wants(model: str, path: str) -> None:
    for query in ({}, {"alt": "sse"}, {"alt": "json"}):
        assert read(HI, RequestLine(STREAM.path, query)).rewritten(model, output_tokens_max=None).path == path


def test_snake_case_and_single_objects_mean_the_same() -> None:
    camel = read(
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]}],
            "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"a_b": 1}}]}],
            "generationConfig": {"maxOutputTokens": 5, "thinkingConfig": {"thinkingBudget": 7}},
        }
    )
    snake = read(
        {
            "system_instruction": {"parts": {"text": "Be brief."}},
            "contents": {"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "aGk="}}]},
            "tools": {"function_declarations": [{"name": "f", "parameters_json_schema": {"a_b": 1}}]},
            "generation_config": {"max_output_tokens": 5, "thinking_config": {"thinking_budget": 7}},
        }
    )
    assert msgspec.json.encode(snake.canonical()) == msgspec.json.encode(camel.canonical())
    assert (snake.needs, snake.output_tokens_asked) == (camel.needs, 5)
    assert bytes(snake.canonical().tools[0].parameters) == b'{"a_b": 1}'


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", ""),
        (b'{"contents": 5}', "contents[0]"),
        (b'{"contents": []}', "contents"),
        (b"{}", "contents"),
        (b'{"contents":[{"parts":[{"text":5}]}]}', "contents[0].parts[0].text"),
        (
            b'{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"maxOutputTokens":0}}',
            "generationConfig.maxOutputTokens",
        ),
        (
            b'{"contents":[{"parts":[{"text":"x"}]}],"generation_config":{"temperature":"hot"}}',
            "generationConfig.temperature",
        ),
        (b'{"contents":[{"parts":[{"text":"x"}]}],"routing":{"nonsense":1}}', "routing.nonsense"),
        (b'{"contents":[{"parts":[{"text":"x"}]}],"a_b":{"\\ud800_x":{}}}', None),
        (b'{"contents":' + b"[" * 100_000, None),
    ],
)
def test_what_is_malformed_is_refused_with_its_path(body: bytes, param: str | None) -> None:
    with pytest.raises(Fault) as fault:
        INGRESS["gemini"].read(body, LINE)
    assert fault.value.kind is FaultKind.INVALID_REQUEST
    if param:
        assert fault.value.param == param


def blob(kind: str, data: str = "a" * 4000) -> dict[str, Any]:
    return {"contents": [{"parts": [{"inlineData": {"mimeType": kind, "data": data}}]}]}


YOUTUBE = {"contents": [{"parts": [{"fileData": {"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"}}]}]}


@pytest.mark.parametrize(
    ("body", "need", "at_least"),
    [
        (blob("image/png"), Capability.IMAGE_INPUT, 2_240),
        (blob("audio/mpeg"), Capability.AUDIO_INPUT, 150),
        (blob("video/mp4"), Capability.VIDEO_INPUT, 1_000_000),
        (blob("application/pdf"), Capability.FILE_INPUT, 7_000),
        (YOUTUBE, Capability.VIDEO_INPUT, 1_000_000),
        (CASES["tool_result_image"], Capability.IMAGE_INPUT, 2_240),
        (CASES["tools"], Capability.TOOLS, 0),
        (CASES["schema"], Capability.STRUCTURED_OUTPUT, 0),
        ({**HI, "generationConfig": {"responseLogprobs": True}}, Capability.LOGPROBS, 0),
        ({**HI, "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}, Capability.IMAGE_OUTPUT, 0),
        ({**HI, "generationConfig": {"responseModalities": ["AUDIO"]}}, Capability.AUDIO_OUTPUT, 0),
    ],
)  # fmt: skip
def test_what_a_model_must_be_able_to_and_what_it_can_cost(body: Any, need: Capability, at_least: int) -> None:
    incoming = read(body)
    assert need in incoming.needs
    assert incoming.size.tokens_at_most >= at_least


@pytest.mark.parametrize(
    ("more", "searches"),
    [
        ({"tools": [{"googleSearch": {}}]}, True),
        ({"tools": [{"urlContext": {}}]}, False),
        ({"tools": [{"codeExecution": {}}]}, False),
        ({"tools": [{"google_search": {}}]}, True),
        ({"cachedContent": "cachedContents/x"}, False),
    ],
)
def test_what_is_fetched_is_bounded_by_the_context(more: Any, searches: bool) -> None:
    size = read({**HI, **more}).size
    assert size.tokens_at_most >= 1_000_000
    assert (size.searches_at_most > 0) is searches


# ---- into the canonical form


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("to", ["openai-chat", "anthropic-messages", "gemini"])
def test_every_golden_request_reaches_the_other_dialects(case: str, to: str) -> None:
    incoming = read(CASES[case])
    if (case, to) == ("audio_data", "anthropic-messages"):
        with pytest.raises(Fault):
            CODECS[to].encode(incoming.canonical(), output_tokens_max=4096)
        return
    wire = CODECS[to].encode(incoming.canonical(), output_tokens_max=4096)
    assert not set(wire.dropped) - {"thinking", "reasoning_effort", "seed", "top_p"}
    again = INGRESS[to].read(wire.body, RequestLine(f"/v1beta{wire.path}")).canonical()
    assert calls_and_results(again) == calls_and_results(incoming.canonical())
    assert [tool.name for tool in again.tools] == [tool.name for tool in incoming.canonical().tools]


def calls_and_results(request: ChatRequest) -> list[tuple[str, str]]:
    parts = [part for message in request.messages for part in message.parts]
    calls = [(part.id, part.arguments.replace(" ", "")) for part in parts if isinstance(part, ToolCall)]
    return calls + [(part.call_id, "") for part in parts if isinstance(part, ToolResult)]


def test_calls_without_ids_get_them_and_responses_find_theirs() -> None:
    call = {"functionCall": {"name": "f", "args": {"n": 1}}}
    other = {"functionCall": {"name": "g"}}
    answers = [{"functionResponse": {"name": name, "response": {"output": name}}} for name in ("g", "f", "f")]
    request = read(
        {
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}]},
                {"role": "model", "parts": [call, other]},
                {"role": "model", "parts": [call]},
                {"role": "user", "parts": [{"text": "beside"}, *answers]},
            ]
        }
    ).canonical()
    _, said, results, beside = request.messages
    assert [part.id for part in said.parts] == ["call_1", "call_2", "call_3"]
    assert said.parts[1].arguments == "{}"
    assert [(part.call_id, part.name) for part in results.parts] == [("call_2", "g"), ("call_1", "f"), ("call_3", "f")]
    assert beside == Message(role=Role.USER, parts=(Text(text="beside"),))


def test_a_history_in_pieces_is_one_turn() -> None:
    pieces = [
        {"text": "I th", "thought": True},
        {"text": "ink", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "YW50aHJvcGljLW1lc3NhZ2VzI0VxUUI="},
        {"text": "Hel"},
        {"text": "lo"},
        {"text": "", "thoughtSignature": "Cv8B_x-1"},
    ]
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}, *({"role": "model", "parts": [piece]} for piece in pieces)]
    _, said = read({"contents": contents}).canonical().messages
    assert said.parts == (
        Thinking(text="I think", signature="EqQB", signed_by="anthropic-messages"),
        Text(text="Hello"),
        Thinking(text="", signature="Cv8B/x+1", signed_by="gemini"),
    )


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "18"}, "18", False),
        ({"result": "18"}, "18", False),
        ({"output": {"a": 1}}, '{"a": 1}', False),
        ({"error": "none"}, "none", True),
        ({"a": 1, "b": [2]}, '{"a": 1, "b": [2]}', False),
    ],
)
def test_a_functions_response_is_a_result(response: Any, text: str, is_error: bool) -> None:
    part = {"functionResponse": {"id": "c", "name": "f", "response": response}}
    (message,) = read({"contents": [{"role": "user", "parts": [part]}]}).canonical().messages
    assert message == Message(
        role=Role.TOOL,
        parts=(ToolResult(call_id="c", name="f", parts=(Text(text=text),), is_error=is_error),),
    )


@pytest.mark.parametrize(
    ("config", "tool_choice", "names"),
    [
        ({"mode": "AUTO"}, ToolChoice(mode="auto"), ["f", "g", "h"]),
        ({"mode": "NONE"}, ToolChoice(mode="none"), ["f", "g", "h"]),
        ({"mode": "any"}, ToolChoice(mode="required"), ["f", "g", "h"]),
        ({"mode": "VALIDATED"}, ToolChoice(mode="auto"), ["f", "g", "h"]),
        ({"mode": "ANY", "allowedFunctionNames": ["g"]}, ToolChoice(mode="tool", name="g"), ["f", "g", "h"]),
        ({"mode": "ANY", "allowedFunctionNames": ["h", "f"]}, ToolChoice(mode="required"), ["f", "h"]),
    ],
)
def test_which_functions_may_be_called(config: Any, tool_choice: ToolChoice, names: list[str]) -> None:
    tools = [{"functionDeclarations": [{"name": name} for name in "fgh"]}]
    request = read({**HI, "tools": tools, "toolConfig": {"functionCallingConfig": config}}).canonical()
    assert request.tool_choice == tool_choice
    assert [tool.name for tool in request.tools] == names


def test_googles_schemas_become_json_schemas() -> None:
    given = {
        "type": "OBJECT",
        "properties": {
            "b_name": {"type": "STRING", "nullable": True, "enum": ["x"]},
            "a": {"any_of": [{"type": "INTEGER", "format": "int64"}, {"type": "NUMBER"}], "nullable": True},
            "list": {"type": "ARRAY", "items": {"type": "BOOLEAN"}, "minItems": "2"},
        },
        "propertyOrdering": ["a", "b_name"],
        "required": ["a"],
    }
    request = read({**HI, "tools": [{"functionDeclarations": [{"name": "f", "parameters": given}]}]}).canonical()
    schema = json.loads(bytes(request.tools[0].parameters))
    assert list(schema["properties"]) == ["a", "b_name", "list"]
    assert schema == {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"type": "integer", "format": "int64"}, {"type": "number"}, {"type": "null"}]},
            "b_name": {"type": ["string", "null"], "enum": ["x", None]},
            "list": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
        },
        "required": ["a"],
    }


@pytest.mark.parametrize(
    ("config", "reasoning"),
    [
        ({"thinkingBudget": 0}, Reasoning(enabled=False)),
        ({"thinkingBudget": -1}, Reasoning(adaptive=True, display="omitted")),
        ({"thinkingBudget": 99, "includeThoughts": True}, Reasoning(budget_tokens=99, display="summarized")),
        ({"thinkingLevel": "LOW"}, Reasoning(effort="low", display="omitted")),
        ({"includeThoughts": True}, Reasoning(adaptive=True, display="summarized")),
    ],
)
def test_thinking_is_asked_for(config: Any, reasoning: Reasoning) -> None:
    assert read({**HI, "generationConfig": {"thinkingConfig": config}}).canonical().reasoning == reasoning


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({**HI, "cachedContent": "cachedContents/x"}, "cachedContent"),
        ({**HI, "modelArmorConfig": {"promptTemplateName": "x"}}, "modelArmorConfig"),
        ({**HI, "generationConfig": {"responseMimeType": "text/x.enum"}}, "generationConfig.responseMimeType"),
        (
            {**HI, "generationConfig": {"speechConfig": {"multiSpeakerVoiceConfig": {"a": 1}}}},
            "generationConfig.speechConfig.multiSpeakerVoiceConfig",
        ),
        (
            {"contents": [{"parts": [{"fileData": {"fileUri": "gs://b/x.png"}}]}]},
            "contents[0].parts[0].fileData.fileUri",
        ),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "contents[0].role"),
    ],
)
def test_what_only_google_can_do_is_a_fault_for_others(body: Any, param: str) -> None:
    with pytest.raises(Fault) as fault:
        read(body).canonical()
    assert fault.value.param == param


def test_what_only_tunes_is_named() -> None:
    request = read(
        {**HI, "safetySettings": [{"category": "x"}], "generationConfig": {"mediaResolution": "LOW"}}
    ).canonical()
    assert request.hints == ("safetySettings", "mediaResolution")


def test_googles_own_parts_and_tools_are_kept_for_google() -> None:
    part = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "QQ=="}
    body = {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [part]}],
        "tools": [{"codeExecution": {}, "functionDeclarations": [{"name": "f"}]}],
    }
    request = read(body).canonical()
    assert isinstance(request.messages[1].parts[0], Opaque)
    sent, _ = encoded(request)
    assert sent["contents"][1] == {"role": "model", "parts": [part]}
    assert sent["tools"] == [{"functionDeclarations": [{"name": "f"}]}, {"codeExecution": {}}]
    with pytest.raises(Fault) as fault:
        CODECS["openai-chat"].encode(request, output_tokens_max=1)
    assert fault.value.param == "messages[1].content[0]"


# ---- out of the canonical form


def called(*ids: str) -> Message:
    calls = tuple(ToolCall(id=id, name=f"tool_{id}", arguments='{"n": 1}') for id in ids)
    return Message(role=Role.ASSISTANT, parts=calls)


def answered(id: str, *parts: Any, **more: Any) -> Message:
    return Message(role=Role.TOOL, parts=(ToolResult(call_id=id, parts=parts, **more),))


def test_roles_alternate_and_parallel_results_are_one_turn() -> None:
    sent, dropped = encoded(
        asking(
            Message(role=Role.SYSTEM, parts=(Text(text="A"),)),
            user("Hi"),
            called("a", "b"),
            answered("a", Text(text="1")),
            answered("b", Text(text="no"), is_error=True),
            user("And?"),
            Message(role=Role.DEVELOPER, parts=(Text(text="B"),)),
        )
    )
    assert sent["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert [content["role"] for content in sent["contents"]] == ["user", "model", "user"]
    assert sent["contents"][2]["parts"] == [
        {"functionResponse": {"id": "a", "name": "tool_a", "response": {"output": "1"}}},
        {"functionResponse": {"id": "b", "name": "tool_b", "response": {"error": "no"}}},
        {"text": "And?"},
    ]
    assert dropped == ()


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("plain", {"output": "plain"}),
        ('{"a": 1}', {"a": 1}),
        ('{"error": 1}', {"output": '{"error": 1}'}),
        ("[1]", {"output": "[1]"}),
        ("{broken", {"output": "{broken"}),
    ],
)
def test_a_result_is_an_object_for_google(text: str, response: Any) -> None:
    sent, _ = encoded(asking(user("Hi"), called("a"), answered("a", Text(text=text))))
    assert sent["contents"][2]["parts"][0]["functionResponse"]["response"] == response


def test_a_result_of_no_call_is_refused() -> None:
    with pytest.raises(Fault) as fault:
        encoded(asking(user("Hi"), answered("z", Text(text="1"))))
    assert (fault.value.kind, fault.value.param) == (FaultKind.INVALID_REQUEST, "messages[1].content[0]")


@pytest.mark.parametrize("model", ["gemini-3-flash-preview", "gemini-2.5-flash"])
def test_a_picture_in_a_result_stands_in_it_where_the_model_can(model: str) -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    image = Image(data="aGk=", media_type="image/png")
    sent, _ = encoded(asking(user("Hi"), called("a"), answered("a", Text(text="see"), image), model=model))
    response, *shown = sent["contents"][2]["parts"]
    if model.startswith("gemini-3"):
        assert response["functionResponse"]["parts"] == [picture]
        assert shown == []
    else:
        assert "parts" not in response["functionResponse"]
        assert shown == [{"text": "The answer to the call a:"}, picture]


G = "gemini"


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        (
            (Thinking(text="", signature="S", signed_by=G), ToolCall(id="a", name="f", arguments="{}")),
            [{"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "S"}],
        ),
        (
            (Thinking(text="T", signature="S", signed_by=G), Text(text="x"), ToolCall(id="a", name="f", arguments="")),
            [
                {"text": "T", "thought": True},
                {"text": "x"},
                {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "S"},
            ],
        ),
        (
            (Text(text="x"), Thinking(text="", signature="S", signed_by=G)),
            [{"text": "x", "thoughtSignature": "S"}],
        ),
        (
            (
                Thinking(text="", signature="S", signed_by=G), Image(data="aA==", media_type="image/png"),
                Text(text="x"), Thinking(text="", signature="R", signed_by=G),
            ),
            [
                {"inlineData": {"mimeType": "image/png", "data": "aA=="}, "thoughtSignature": "S"},
                {"text": "x", "thoughtSignature": "R"},
            ],
        ),
        (
            (Thinking(text="T", signature="S", signed_by=G),),
            [{"text": "T", "thought": True}, {"text": "", "thoughtSignature": "S"}],
        ),
        (
            (
                Thinking(text="", signature="S", signed_by=G), ToolCall(id="a", name="f", arguments="{}"),
                ToolCall(id="b", name="f", arguments="{}"),
            ),
            [
                {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "S"},
                {"functionCall": {"id": "b", "name": "f", "args": {}}},
            ],
        ),
    ],
)  # fmt: skip
def test_a_signature_goes_back_to_the_part_that_it_came_with(parts: Any, written: Any) -> None:
    sent, dropped = encoded(asking(user("Hi"), Message(role=Role.ASSISTANT, parts=parts)))
    assert sent["contents"][1]["parts"] == written
    assert dropped == ()


@pytest.mark.parametrize(
    "foreign",
    [
        Thinking(text="T", signature="S", signed_by="anthropic-messages"),
        Thinking(text="T"),
        RedactedThinking(data="D", encrypted_by="openai-responses"),
    ],
)
def test_what_another_provider_signed_is_left_out_and_named(foreign: Any) -> None:
    said = Message(role=Role.ASSISTANT, parts=(foreign, ToolCall(id="a", name="f", arguments="{}")))
    sent, dropped = encoded(asking(user("Hi"), said, model="gemini-3-pro-preview"))
    stand_in = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
    assert sent["contents"][1]["parts"] == [
        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": stand_in}
    ]
    assert dropped == ("thinking",)


@pytest.mark.parametrize(
    ("model", "reasoning", "config", "dropped"),
    [
        (
            "gemini-3-flash-preview",
            Reasoning(effort="medium"),
            {"thinkingLevel": "MEDIUM", "includeThoughts": True},
            (),
        ),
        ("gemini-3-pro-preview", Reasoning(effort="medium"), {"thinkingLevel": "HIGH", "includeThoughts": True}, ()),
        ("gemini-3-pro-preview", Reasoning(effort="minimal"), {"thinkingLevel": "LOW", "includeThoughts": True}, ()),
        ("gemini-3.6-flash", Reasoning(effort="max"), {"thinkingLevel": "HIGH", "includeThoughts": True}, ()),
        ("gemini-2.5-flash", Reasoning(effort="low"), {"thinkingBudget": 2048, "includeThoughts": True}, ()),
        ("gemini-2.5-flash", Reasoning(effort="max"), {"thinkingBudget": 24576, "includeThoughts": True}, ()),
        ("gemini-2.5-pro", Reasoning(budget_tokens=1, display="omitted"), {"thinkingBudget": 128}, ()),
        ("gemini-2.5-flash", Reasoning(adaptive=True), {"thinkingBudget": -1, "includeThoughts": True}, ()),
        ("publishers/google/models/gemini-2.5-flash", Reasoning(enabled=False), {"thinkingBudget": 0}, ()),
        ("gemini-2.5-pro", Reasoning(enabled=False), {"thinkingBudget": 128}, ("reasoning_effort",)),
        ("gemini-3-flash-preview", Reasoning(enabled=False), {"thinkingLevel": "MINIMAL"}, ("reasoning_effort",)),
        ("gemini-2.0-flash", Reasoning(effort="high"), None, ("reasoning_effort",)),
        ("gemini-2.0-flash", Reasoning(enabled=False), None, ()),
        ("tunedModels/mine", Reasoning(effort="high"), {"thinkingBudget": 24576, "includeThoughts": True}, ()),
    ],
)
def test_thinking_is_said_as_the_model_knows_it(model: str, reasoning: Reasoning, config: Any, dropped: Any) -> None:
    sent, left_out = encoded(asking(model=model, reasoning=reasoning))
    assert sent.get("generationConfig", {}).get("thinkingConfig") == config
    assert left_out == dropped


def test_everything_that_tunes_is_said_or_named() -> None:
    schema = msgspec.Raw(b'{"type":"object","x-own":1.0}')
    sent, dropped = encoded(
        asking(
            temperature=0.5,
            top_p=0.9,
            top_k=3,
            seed=7,
            stop=("END",),
            n=2,
            presence_penalty=0.1,
            frequency_penalty=0.2,
            output_tokens_max=99,
            logprobs=True,
            top_logprobs=3,
            response_format=ResponseFormat(mode="schema", name="answer", schema=schema, strict=True),
            tools=(Tool(name="f", parameters=schema, strict=True),),
            parallel_tool_calls=False,
            service_tier="priority",
            logit_bias=msgspec.Raw(b'{"1":2}'),
            verbosity="low",
            hints=("store",),
        )
    )
    assert sent["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "seed": 7,
        "maxOutputTokens": 99,
        "stopSequences": ["END"],
        "candidateCount": 2,
        "responseLogprobs": True,
        "logprobs": 3,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "x-own": 1.0},
    }
    assert sent["tools"] == [
        {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "x-own": 1.0}}]}
    ]
    assert sent["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert sent["serviceTier"] == "priority"
    named = ("store", "parallel_tool_calls", "presence_penalty", "frequency_penalty", "logit_bias", "verbosity")
    assert dropped == named


def test_models_before_gemini_2_5_take_penalties_and_all_take_none() -> None:
    sent, dropped = encoded(asking(model="gemini-2.0-flash", presence_penalty=0.1, frequency_penalty=0.2))
    assert (sent["generationConfig"], dropped) == ({"presencePenalty": 0.1, "frequencyPenalty": 0.2}, ())
    sent, dropped = encoded(asking(model="gemini-2.5-pro", presence_penalty=0.0))
    assert (sent["generationConfig"], dropped) == ({"presencePenalty": 0.0}, ())


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        (ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (ToolChoice(mode="tool", name="f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_the_choice_of_tools_is_said(choice: ToolChoice | None, config: Any) -> None:
    sent, _ = encoded(asking(tools=(Tool(name="f"),), tool_choice=choice))
    assert sent.get("toolConfig", {}).get("functionCallingConfig") == config


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (
            Image(url="https://x/cat.webp?a=b"),
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://x/cat.webp?a=b"}},
        ),
        (Image(url="gs://b/cat"), {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://b/cat"}}),
        (Video(url="https://youtu.be/x"), {"fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"}}),
        (File(data="aA==", name="a.pdf"), {"inlineData": {"mimeType": "application/pdf", "data": "aA=="}}),
        (File(text="body", name="a.txt"), {"text": "a.txt\n\nbody"}),
        (File(url="https://[x.pdf"), {"fileData": {"mimeType": "application/pdf", "fileUri": "https://[x.pdf"}}),
    ],
)
def test_media_are_said(part: Any, written: Any) -> None:
    sent, _ = encoded(asking(Message(role=Role.USER, parts=(part,))))
    assert sent["contents"][0]["parts"] == [written]


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (
            asking(Message(role=Role.USER, parts=(Text(text="x"), Image(url="http://x/cat.png")))),
            "messages[0].content[1]",
        ),
        (asking(Message(role=Role.USER, parts=(File(file_id="file-1"),))), "messages[0].content[0]"),
        (asking(Message(role=Role.SYSTEM, parts=(Image(url="https://x/a.png"),))), "messages[0].content[0]"),
        (asking(stop=("a", "b", "c", "d", "e", "f")), "stop"),
        (asking(tools=(Opaque(dialect="anthropic-messages", kind="x", raw=msgspec.Raw(b"{}")),)), "tools[0]"),
        (
            asking(user("x"), Message(role=Role.ASSISTANT, parts=(ToolCall(id="a", name="f", arguments="{"),))),
            "messages[1].tool_calls[0].function.arguments",
        ),
        (asking(Message(role=Role.USER, parts=(Text(text=""),))), "messages"),
    ],
)
def test_what_google_cannot_be_told_is_a_fault_with_its_path(request_: ChatRequest, param: str) -> None:
    with pytest.raises(Fault) as fault:
        encoded(request_)
    assert fault.value.param == param


# ---- counting


def test_a_question_for_a_count_passes_with_the_target_model_inside() -> None:
    body = {"generate_content_request": {"model": "models/mine", **CASES["tools"]}}
    line = RequestLine("/v1beta/models/mine:countTokens")
    incoming = INGRESS["gemini-count-tokens"].read(json.dumps(body).encode(), line)
    wire = incoming.rewritten("gemini-2.5-pro", output_tokens_max=5)
    assert wire.path == "/models/gemini-2.5-pro:countTokens"
    body["generate_content_request"]["model"] = "models/gemini-2.5-pro"
    assert json.loads(wire.body) == body
    assert [tool.name for tool in incoming.canonical().tools] == ["get_weather"]


@pytest.mark.parametrize(("dialect", "inside"), [("gemini-count-tokens", True), ("vertex-count-tokens", False)])
def test_a_count_is_asked_for_as_each_service_has_it(dialect: str, inside: bool) -> None:
    request = asking(Message(role=Role.SYSTEM, parts=(Text(text="A"),)), user("Hi"), temperature=1.0)
    contents = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    whole = {"systemInstruction": {"parts": [{"text": "A"}]}, **contents}
    sent = json.loads(CODECS[dialect].encode(request, output_tokens_max=1).body)
    assert sent == ({"generateContentRequest": {"model": "models/gemini-2.5-flash", **whole}} if inside else whole)
    assert json.loads(CODECS[dialect].encode(asking(), output_tokens_max=1).body) == contents
