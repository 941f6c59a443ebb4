"""Requests in the responses dialect: read and refused, sized, passed on, and said to and from the canonical form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

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
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Video,
)
from onevault.core.embeddings import EmbeddingsRequest
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Capability
from onevault.dialects.anthropic.spoken import AnthropicMessages
from onevault.dialects.openai.spoken import OpenAIChat
from onevault.dialects.openai_responses import OpenAIResponses
from onevault.dialects.wire.input_size import DOCUMENT_TOKENS_MAX, FETCHED_TOKENS_MAX, IMAGE_TOKENS_MAX

SPOKEN = OpenAIResponses()
GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "caller" / "openai-responses.json").read_text(encoding="utf-8")
)
OURS = "openai-responses"


def read(**fields: Any) -> Any:
    return SPOKEN.read(json.dumps({"model": "m", "input": "x"} | fields).encode())


def items(*given: Any) -> tuple[Message, ...]:
    messages: tuple[Message, ...] = read(input=list(given)).canonical().messages
    return messages


def written(*messages: Message, **fields: Any) -> dict[str, Any]:
    wire = SPOKEN.encode(ChatRequest(model="m", messages=messages, **fields), output_tokens_max=100)
    return dict(json.loads(wire.body)) | {"dropped": list(wire.dropped)}


def user(*parts: Part) -> Message:
    return Message(role=Role.USER, parts=parts)


def assistant(*parts: Part) -> Message:
    return Message(role=Role.ASSISTANT, parts=parts)


HI = user(Text(text="Hi"))


# ---- read


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].file_data"),
        ({"input": [{"role": "user", "content": [{"text": "x"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]}, "input[0].arguments"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": 3}]}, "input[0].output"),
        ({"input": [{"type": "reasoning", "summary": [{"type": "summary_text"}]}]}, "input[0].summary[0].text"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "metadata"),
        ({"model": ""}, "model"),
        ({"text": {"format": "json"}}, "text.format"),
    ],
)
def test_a_malformed_request_names_its_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Fault) as fault:
        read(**fields)
    assert fault.value.kind is FaultKind.INVALID_REQUEST
    assert fault.value.param is not None
    assert fault.value.param.startswith(param)


def test_a_request_is_read() -> None:
    incoming = read(stream=True, max_output_tokens=5, user="u", service_tier="flex", metadata={"a": "b"})
    assert (incoming.model, incoming.stream, incoming.output_tokens_asked) == ("m", True, 5)
    assert (incoming.end_user, incoming.service_tier, dict(incoming.metadata)) == ("u", "flex", {"a": "b"})
    assert read(safety_identifier="s").end_user == "s"
    assert read(input=None, previous_response_id="resp_1").model == "m"


def test_a_request_passes_with_its_own_bytes() -> None:
    body = b'{"model":"a","input":[{"type":"new_item","x":1.50,"role":null,"id":"i"}],"routing":{"fallback":false},"zz":[1]}'
    incoming = SPOKEN.read(body)
    assert incoming.extensions.routing.fallback is False
    wire = incoming.rewritten("b", output_tokens_max=None)
    assert wire.path == "/responses"
    assert wire.body == b'{"model":"b","input":[{"type":"new_item","x":1.50,"role":null,"id":"i"}],"zz":[1]}'
    assert incoming.rewritten("b", output_tokens_max=9).body.endswith(b',"max_output_tokens":9}')
    limited = SPOKEN.read(b'{"model":"a","max_output_tokens":50,"input":"x"}')
    assert limited.rewritten("b", output_tokens_max=9).body == b'{"model":"b","max_output_tokens":9,"input":"x"}'


IMAGE = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 4000}
SHOT = {"type": "computer_screenshot", "image_url": "data:image/png;base64," + "A" * 4000}


@pytest.mark.parametrize(
    ("fields", "at_least", "below"),
    [
        ({}, 20, 200),
        ({"input": [{"role": "user", "content": [IMAGE]}]}, IMAGE_TOKENS_MAX, IMAGE_TOKENS_MAX + 400),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [IMAGE]}]},
            IMAGE_TOKENS_MAX,
            IMAGE_TOKENS_MAX + 400,
        ),
        (
            {"input": [{"type": "computer_call_output", "call_id": "c", "output": SHOT}]},
            IMAGE_TOKENS_MAX,
            IMAGE_TOKENS_MAX + 400,
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            DOCUMENT_TOKENS_MAX,
            DOCUMENT_TOKENS_MAX + 400,
        ),
        ({"tools": [{"type": "function", "name": "f"}]}, 1000, 2000),
        ({"tools": [{"type": "web_search"}]}, FETCHED_TOKENS_MAX, 1_100_000),
        ({"tools": [{"type": "computer_use_preview"}]}, 8_000, 12_000),
        ({"previous_response_id": "resp_1"}, FETCHED_TOKENS_MAX, 1_100_000),
        ({"conversation": "conv_1"}, FETCHED_TOKENS_MAX, 1_100_000),
        ({"conversation": {"id": "conv_1"}}, FETCHED_TOKENS_MAX, 1_100_000),
        ({"prompt": {"id": "pmpt_1"}}, FETCHED_TOKENS_MAX, 1_100_000),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, FETCHED_TOKENS_MAX, 1_100_000),
        ({"input": [{"id": "msg_1"}]}, FETCHED_TOKENS_MAX, 1_100_000),
        ({"reasoning": {"mode": "pro"}}, FETCHED_TOKENS_MAX, 1_100_000),
    ],
)
def test_the_input_is_bounded_with_what_the_provider_has_already(
    fields: dict[str, Any], at_least: int, below: int
) -> None:
    assert at_least <= read(**fields).size.tokens_at_most < below


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, set()),
        ({"input": [{"role": "user", "content": [IMAGE]}]}, {Capability.IMAGE_INPUT}),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [IMAGE]}]},
            {Capability.IMAGE_INPUT},
        ),
        ({"tools": [{"type": "function", "name": "f"}]}, {Capability.TOOLS}),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}}, {Capability.STRUCTURED_OUTPUT}),
        ({"top_logprobs": 2}, {Capability.LOGPROBS}),
    ],
)
def test_a_request_says_what_it_needs_of_a_model(fields: dict[str, Any], needs: set[Capability]) -> None:
    assert read(**fields).needs == needs


def test_searches_that_may_be_billed_are_bounded() -> None:
    assert read(tools=[{"type": "web_search"}]).size.searches_at_most > 1
    assert read(tools=[{"type": "web_search_preview"}], max_tool_calls=2).size.searches_at_most == 2
    assert read(tools=[{"type": "code_interpreter"}]).size.searches_at_most == 0


# ---- to the canonical form


def test_what_the_assistant_did_in_a_row_is_one_turn_and_results_are_one_message() -> None:
    turn = items(
        {"role": "user", "content": "Weather?"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gA==",
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see", "annotations": []}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "g", "arguments": '{"x":1}'},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "2"}]},
    )
    assert turn == (
        user(Text(text="Weather?")),
        assistant(
            Thinking(text="hm", signature="rs_1:gA==", signed_by=OURS),
            Text(text="Let me see"),
            ToolCall(id="a", name="f", arguments="{}"),
            ToolCall(id="b", name="g", arguments='{"x":1}'),
        ),
        Message(
            role=Role.TOOL,
            parts=(
                ToolResult(call_id="a", parts=(Text(text="1"),)),
                ToolResult(call_id="b", parts=(Text(text="2"),)),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "input_text", "text": "a"}, Text(text="a")),
        (
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
            Text(text="a", cache=CacheMark(ttl="1h")),
        ),
        ({"type": "refusal", "refusal": "no"}, Refusal(text="no")),
        (
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            Image(data="AA==", media_type="image/png", detail="low"),
        ),
        ({"type": "input_image", "image_url": "https://a.example/b"}, Image(url="https://a.example/b")),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            File(data="AA==", media_type="application/pdf", name="a.pdf"),
        ),
        ({"type": "input_file", "file_data": "AA=="}, File(data="AA==", media_type="application/pdf")),
        ({"type": "input_file", "file_url": "https://a.example/b"}, File(url="https://a.example/b")),
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}, Audio(data="AA==", format="wav")),
    ],
)
def test_content_is_said_in_the_canonical_form(part: dict[str, Any], said: Part) -> None:
    assert items({"role": "user", "content": [part]}) == (user(said),)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"summary": [], "encrypted_content": "gA=="}, RedactedThinking(data="rs:gA==", encrypted_by=OURS)),
        (
            {"summary": [], "encrypted_content": "anthropic-messages#redacted:EmQ="},
            RedactedThinking(data="EmQ=", encrypted_by="anthropic-messages"),
        ),
        (
            {"summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "anthropic-messages#ErU="},
            Thinking(text="t", signature="ErU=", signed_by="anthropic-messages"),
        ),
        (
            {"summary": [], "encrypted_content": "gemini#CiQB"},
            Thinking(text="", signature="CiQB", signed_by="gemini"),
        ),
        ({"summary": [{"type": "summary_text", "text": "t"}]}, Thinking(text="t")),
        (
            {"summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
            Thinking(text="t", signature="rs:", signed_by=OURS),
        ),
    ],
)
def test_reasoning_is_known_again_with_its_maker(item: dict[str, Any], said: Part) -> None:
    assert items({"type": "reasoning", "id": "rs"} | item) == (assistant(said),)


def test_what_only_this_dialect_can_say_is_kept_as_it_came() -> None:
    call = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}
    incoming = read(
        input=[call, {"type": "compaction", "id": "c", "encrypted_content": "x"}], tools=[{"type": "mcp", "x": 1}]
    )
    request = incoming.canonical()
    opaque = [part for message in request.messages for part in message.parts if isinstance(part, Opaque)]
    assert json.loads(bytes(opaque[0].raw)) == call
    assert [part.kind for part in opaque] == ["web_search_call", "compaction"]
    body = json.loads(SPOKEN.encode(request, output_tokens_max=9).body)
    assert body["input"][0] == call
    assert body["tools"] == [{"type": "mcp", "x": 1}]
    for other in (OpenAIChat(), AnthropicMessages()):
        with pytest.raises(Fault) as fault:
            other.encode(request, output_tokens_max=9)
        assert fault.value.kind is FaultKind.UNSUPPORTED_PARAMETER
        assert fault.value.param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"input": [{"type": "item_reference", "id": "i"}]}, "input[0].id"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"input": [{"role": "user", "content": [{"type": "input_new"}]}]}, "input[0].content[0].type"),
    ],
)
def test_meaning_that_another_dialect_cannot_carry_is_a_fault(fields: dict[str, Any], param: str) -> None:
    incoming = read(**fields)
    incoming.rewritten("m", output_tokens_max=None)  # it passes
    with pytest.raises(Fault) as fault:
        incoming.canonical()
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)


def test_what_only_tunes_is_named() -> None:
    request = read(
        store=True,
        truncation="auto",
        max_tool_calls=3,
        include=["file_search_call.results", "reasoning.encrypted_content"],
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        stream_options={"include_obfuscation": False},
        input=[{"role": "assistant", "phase": "commentary", "content": "x"}],
        tools=[{"type": "function", "name": "f", "defer_loading": True}],
    ).canonical()
    assert set(request.hints) == {
        "store",
        "truncation",
        "max_tool_calls",
        "include",
        "prompt_cache_key",
        "prompt_cache_retention",
        "input.phase",
        "tools.defer_loading",
    }
    assert read(store=False, truncation="disabled", include=[], temperature=1).canonical().hints == ()


def test_parameters_are_said_in_the_canonical_form() -> None:
    request = read(
        instructions="Be brief.",
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_logprobs=2,
        reasoning={"effort": "low", "summary": "detailed"},
        text={
            "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
            "verbosity": "low",
        },
        tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        service_tier="priority",
        metadata={"a": "b"},
        safety_identifier="s",
        stream=True,
    ).canonical()
    assert request == ChatRequest(
        model="m",
        messages=(Message(role=Role.SYSTEM, parts=(Text(text="Be brief."),)), user(Text(text="x"))),
        tools=(Tool(name="f", parameters=Raw(b'{"type": "object"}'), strict=True),),
        tool_choice=ToolChoice(mode="tool", name="f"),
        parallel_tool_calls=False,
        response_format=ResponseFormat(mode="schema", name="n", schema=Raw(b'{"type": "object"}'), strict=True),
        output_tokens_max=9,
        temperature=0.5,
        top_p=0.9,
        logprobs=True,
        top_logprobs=2,
        reasoning=Reasoning(effort="low", display="summarized"),
        verbosity="low",
        service_tier="priority",
        metadata={"a": "b"},
        user="s",
        stream=True,
    )
    assert read(reasoning={"effort": "none"}).canonical().reasoning == Reasoning(enabled=False)
    assert read(reasoning={}).canonical().reasoning is None


# ---- from the canonical form


@pytest.mark.parametrize("case", list(GOLDEN))
def test_golden_requests_come_back_as_they_were_said(case: str) -> None:
    """But for marks, which this side drops, and audio, which it refuses."""
    request = SPOKEN.read(json.dumps(GOLDEN[case]).encode()).canonical()
    if case == "audio_data":
        with pytest.raises(Fault) as fault:
            SPOKEN.encode(request, output_tokens_max=9)
        assert fault.value.param == "messages[0].content[1]"
        return
    wire = SPOKEN.encode(request, output_tokens_max=9)
    assert wire.dropped == (("cache_control",) if case == "cache_marks" else ())
    again = SPOKEN.read(wire.body).canonical()
    if case != "cache_marks":
        assert again.messages == request.messages
    assert msgspec.structs.replace(again, messages=(), hints=()) == msgspec.structs.replace(
        request, messages=(), hints=()
    )


def test_a_turn_is_written_as_items_in_its_own_order() -> None:
    body = written(
        Message(role=Role.SYSTEM, parts=(Text(text="Be brief."),)),
        HI,
        assistant(
            RedactedThinking(data="rs_1:gA==", encrypted_by=OURS),
            Text(text="One"),
            Refusal(text="No"),
            Thinking(text="hm", signature="rs_2:gB==", signed_by=OURS),
            ToolCall(id="a", name="f", arguments=""),
            Thinking(text="own words", signature="rs_3:", signed_by=OURS),
            Text(text="Two"),
        ),
        Message(
            role=Role.TOOL,
            parts=(
                ToolResult(call_id="a", parts=(Text(text="1"), Image(url="https://a.example/b"))),
                ToolResult(call_id="b", parts=(), is_error=True),
            ),
        ),
    )
    assert body["input"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA=="},
        {
            "role": "assistant",
            "content": [{"type": "output_text", "text": "One"}, {"type": "refusal", "refusal": "No"}],
        },
        {
            "type": "reasoning",
            "id": "rs_2",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gB==",
        },
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {
            "type": "reasoning",
            "id": "rs_3",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "own words"}],
        },
        {"role": "assistant", "content": "Two"},
        {
            "type": "function_call_output",
            "call_id": "a",
            "output": [
                {"type": "input_text", "text": "1"},
                {"type": "input_image", "image_url": "https://a.example/b", "detail": "auto"},
            ],
        },
        {"type": "function_call_output", "call_id": "b", "output": "Error: "},
    ]
    assert body["dropped"] == []
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])


@pytest.mark.parametrize(
    "part",
    [
        Thinking(text="t"),
        Thinking(text="t", signature="ErU=", signed_by="anthropic-messages"),
        Thinking(text="", signature="CiQB", signed_by="gemini"),
        RedactedThinking(data="EmQ=", encrypted_by="anthropic-messages"),
    ],
)
def test_thinking_that_its_maker_alone_knows_is_dropped_by_name(part: Part) -> None:
    body = written(HI, assistant(part, Text(text="Yes")))
    assert body["input"][1:] == [{"role": "assistant", "content": "Yes"}]
    assert body["dropped"] == ["thinking"]
    assert "include" not in body


def test_reasoning_that_led_to_nothing_is_dropped_by_name() -> None:
    body = written(HI, assistant(Text(text="a"), Thinking(text="t", signature="rs:gA==", signed_by=OURS)), HI)
    assert [item.get("role") for item in body["input"]] == ["user", "assistant", "user"]
    assert body["dropped"] == ["thinking"]


def test_an_image_that_the_assistant_made_follows_in_a_message_of_the_user() -> None:
    body = written(HI, assistant(Text(text="Here"), Image(data="AA==", media_type="image/png")))
    assert [item["role"] for item in body["input"]] == ["user", "assistant", "user"]
    assert body["input"][2]["content"][1]["image_url"] == "data:image/png;base64,AA=="


@pytest.mark.parametrize(
    ("file", "said", "dropped"),
    [
        (File(text="abc", name="a.txt"), {"type": "input_text", "text": "a.txt\n\nabc"}, []),
        (File(url="https://a.example/b"), {"type": "input_file", "file_url": "https://a.example/b"}, []),
        (
            File(data="AA==", media_type="application/pdf", context="c", citations_enabled=True),
            {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,AA=="},
            ["citations", "context"],
        ),
    ],
)
def test_files_are_written(file: File, said: dict[str, str], dropped: list[str]) -> None:
    body = written(user(Text(text="x"), file))
    assert body["input"][0]["content"][1] == said
    assert body["dropped"] == dropped


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reasoning": Reasoning(effort="high")}, {"effort": "high"}),
        ({"reasoning": Reasoning(effort="high", display="summarized")}, {"effort": "high", "summary": "auto"}),
        ({"reasoning": Reasoning(budget_tokens=20_000)}, {"effort": "high", "summary": "auto"}),
        ({"reasoning": Reasoning(budget_tokens=2_000, display="omitted")}, {"effort": "low"}),
        ({"reasoning": Reasoning(adaptive=True)}, {"summary": "auto"}),
        ({"reasoning": Reasoning(enabled=False)}, None),
    ],
)
def test_reasoning_is_asked_for_and_comes_encrypted(fields: dict[str, Any], said: dict[str, str] | None) -> None:
    body = written(HI, **fields)
    assert body.get("reasoning") == said
    assert body.get("include") == (["reasoning.encrypted_content"] if said else None)


def test_parameters_are_written() -> None:
    body = written(
        HI,
        tools=(Tool(name="f", description="d"), Tool(name="g", parameters=Raw(b'{"type":"object"}'), strict=True)),
        tool_choice=ToolChoice(mode="required"),
        parallel_tool_calls=False,
        response_format=ResponseFormat(mode="json"),
        verbosity="low",
        output_tokens_max=50,
        temperature=0.5,
        top_p=0.9,
        logprobs=True,
        top_logprobs=2,
        service_tier="standard_only",
        metadata={"a": "b"},
        user="u",
        stream=True,
    )
    assert {name: value for name, value in body.items() if name != "input"} == {
        "model": "m",
        "tools": [
            {
                "type": "function",
                "name": "f",
                "description": "d",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            },
            {"type": "function", "name": "g", "parameters": {"type": "object", "properties": {}}, "strict": True},
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "max_output_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs"],
        "service_tier": "default",
        "metadata": {"a": "b"},
        "user": "u",
        "store": False,
        "stream": True,
        "dropped": [],
    }


def test_tuning_is_dropped_by_name() -> None:
    body = written(
        HI,
        top_k=3,
        seed=7,
        frequency_penalty=0.1,
        presence_penalty=0.1,
        logit_bias=Raw(b'{"1":2}'),
        service_tier="batch",
        hints=("logprob_hint",),
    )
    assert set(body["dropped"]) == {
        "top_k",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "logit_bias",
        "service_tier",
        "logprob_hint",
    }
    assert set(body) == {"model", "input", "store", "dropped"}


@pytest.mark.parametrize(
    ("message", "fields", "param"),
    [
        (HI, {"n": 2}, "n"),
        (HI, {"stop": ("x",)}, "stop"),
        (HI, {"output_modalities": ("text", "audio")}, "modalities"),
        (HI, {"tools": (Opaque(dialect="anthropic-messages", kind="bash", raw=Raw(b"{}")),)}, "tools[0]"),
        (user(Text(text="x"), Audio(data="AA==", format="wav")), {}, "messages[0].content[1]"),
        (user(Video(url="https://a.example/b")), {}, "messages[0].content[0]"),
        (user(File(file_id="f")), {}, "messages[0].content[0]"),
        (assistant(Opaque(dialect="gemini", kind="code", raw=Raw(b"{}"))), {}, "messages[0].content[0]"),
        (
            Message(role=Role.TOOL, parts=(ToolResult(call_id="c", parts=(Audio(data="AA==", format="wav"),)),)),
            {},
            "messages[0].content[0].content[0]",
        ),
    ],
)
def test_meaning_that_this_dialect_cannot_say_is_a_fault(message: Message, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Fault) as fault:
        written(message, **fields)
    assert (fault.value.kind, fault.value.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)


def test_a_request_for_vectors_is_refused() -> None:
    with pytest.raises(Fault):
        SPOKEN.encode(EmbeddingsRequest(model="m", inputs=("x",)), output_tokens_max=1)
