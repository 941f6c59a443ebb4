"""What callers may send: valid requests are read and sized, all others are a fault with the field's path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onevault.core.codec import Budget, Extensions, Routing
from onevault.core.events import TokensCounted
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Dialect, Operation
from onevault.dialects.registry import CODECS, INGRESS
from onevault.dialects.wire.input_size import DOCUMENT_TOKENS_MAX, FETCHED_TOKENS_MAX, IMAGE_TOKENS_MAX
from onevault.policy.tokens import output_tokens_estimated

CHAT, EMBEDDINGS = "openai-chat", "openai-embeddings"
MESSAGES, COUNT = "anthropic-messages", "anthropic-count-tokens"
HI = [{"role": "user", "content": "Hi"}]


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": HI, **fields}).encode()


def messages(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 9, "messages": HI, **fields}).encode()


def user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def refused(dialect: Dialect, body: bytes) -> Fault:
    with pytest.raises(Fault) as fault:
        INGRESS[dialect].read(body)
    return fault.value


@pytest.mark.parametrize(
    ("dialect", "body", "param"),
    [
        (CHAT, b"", None),
        (CHAT, b"{", None),
        (CHAT, b"[]", None),
        (CHAT, b'"text"', None),
        (CHAT, b"\xff\xfe", None),
        (CHAT, b'{"messages":[{"role":"user","content":"\xff"}]}', None),
        (CHAT, b'{"messages":[{"role":"user","content":"x"}],"unknown":"\xff"}', None),
        (CHAT, b'{"messages":[{"role":"user","content":"x"}],"temperature":NaN}', None),
        (CHAT, b'{"messages":[{"role":"user","content":"x"}],"unknown":NaN}', None),
        (CHAT, b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}", "messages[0]"),
        (CHAT, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"messages":[]}', None),
        (CHAT, b"{}", "messages"),
        (CHAT, chat(messages=[]), "messages"),
        (CHAT, chat(messages="x"), "messages"),
        (CHAT, chat(messages=[{"content": "x"}]), "messages[0].role"),
        (CHAT, chat(messages=[*HI, {"role": "robot", "content": "x"}]), "messages[1].role"),
        (CHAT, chat(messages=[{"role": "user"}]), "messages[0].content"),
        (CHAT, chat(messages=[{"role": "user", "content": 7}]), "messages[0].content"),
        (CHAT, chat(messages=[*HI, *user({"type": 1})]), "messages[1].content[0].type"),
        (CHAT, chat(messages=user({"type": "text"})), "messages[0].content[0].text"),
        (CHAT, chat(messages=user({"type": "image_url"})), "messages[0].content[0].image_url"),
        (CHAT, chat(messages=user({"type": "image_url", "image_url": {}})), "messages[0].content[0].image_url.url"),
        (CHAT, chat(messages=[{"role": "tool", "content": "x"}]), "messages[0].tool_call_id"),
        (CHAT, chat(model=5), "model"),
        (CHAT, chat(model=""), "model"),
        (CHAT, chat(model="m" * 257), "model"),
        (CHAT, chat(stream="yes"), "stream"),
        (CHAT, chat(max_tokens=0), "max_tokens"),
        (CHAT, chat(max_tokens=-1), "max_tokens"),
        (CHAT, chat(max_tokens=1.5), "max_tokens"),
        (CHAT, chat(max_completion_tokens=10**30), "max_completion_tokens"),
        (CHAT, chat(n=0), "n"),
        (CHAT, chat(n=129), "n"),
        (CHAT, chat(temperature=-0.1), "temperature"),
        (CHAT, chat(temperature="hot"), "temperature"),
        (CHAT, chat(stop=[1]), "stop[0]"),
        (CHAT, chat(tools=[{"type": "function"}]), "tools[0].function"),
        (CHAT, chat(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
        (CHAT, chat(metadata={"a": 1}), "metadata[...]"),
        (CHAT, chat(metadata={str(i): "x" for i in range(17)}), "metadata"),
        (CHAT, chat(metadata={"k" * 65: "x"}), "metadata"),
        (CHAT, chat(metadata={"k": "x" * 513}), "metadata"),
        (CHAT, chat(routing={"provider": "x"}), "routing.provider"),
        (CHAT, chat(routing={"strategy": "fastest"}), "routing.strategy"),
        (CHAT, chat(routing=["x"]), "routing"),
        (CHAT, chat(budget={"max_cost_per_request": -1}), "budget.max_cost_per_request"),
        (CHAT, chat(budget={"max_cost_per_day": "1"}), "budget.max_cost_per_day"),
        (CHAT, chat(cache={"on": True}), "cache.on"),
        (CHAT, chat(safety={"pii_detection": "yes"}), "safety.pii_detection"),
        (MESSAGES, b'{"messages":[{"role":"user","content":"x"}]}', "max_tokens"),
        (MESSAGES, messages(max_tokens=0), "max_tokens"),
        (MESSAGES, messages(messages=[]), "messages"),
        (MESSAGES, messages(messages=[{"role": "tool", "content": "x"}]), "messages[0].role"),
        (MESSAGES, messages(messages=[{"role": "user"}]), "messages[0].content"),
        (MESSAGES, messages(messages=user({"type": "text"})), "messages[0].content[0].text"),
        (MESSAGES, messages(messages=user({"type": "image"})), "messages[0].content[0].source"),
        (MESSAGES, messages(messages=user({"type": "image", "source": "x"})), "messages[0].content[0].source"),
        (
            MESSAGES,
            messages(messages=user({"type": "tool_use", "id": "a", "name": "b"})),
            "messages[0].content[0].input",
        ),
        (MESSAGES, messages(messages=user({"type": "tool_result"})), "messages[0].content[0].tool_use_id"),
        (MESSAGES, messages(system=5), "system"),
        (MESSAGES, messages(system=[{"type": "text"}]), "system[0].text"),
        (MESSAGES, messages(tools=[{"name": "x"}]), "tools[0].input_schema"),
        (MESSAGES, messages(thinking={"type": "enabled"}), "thinking.budget_tokens"),
        (MESSAGES, messages(temperature=-1), "temperature"),
        (MESSAGES, messages(metadata={"user_id": 5}), "metadata.user_id"),
        (COUNT, b'{"messages":[]}', "messages"),
        (EMBEDDINGS, b'{"model":"m"}', "input"),
        (EMBEDDINGS, b'{"model":"m","input":""}', "input"),
        (EMBEDDINGS, b'{"model":"m","input":[]}', "input"),
        (EMBEDDINGS, b'{"model":"m","input":["a",""]}', "input[1]"),
        (EMBEDDINGS, b'{"model":"m","input":["a",1]}', "input[1]"),
        (EMBEDDINGS, b'{"model":"m","input":[1,-1]}', "input[1]"),
        (EMBEDDINGS, b'{"model":"m","input":[[1],[]]}', "input[1]"),
        (EMBEDDINGS, b'{"model":"m","input":{"a":1}}', "input"),
        (EMBEDDINGS, b'{"model":"m","input":"a","dimensions":0}', "dimensions"),
        (EMBEDDINGS, b'{"model":"m","input":"a","encoding_format":"hex"}', "encoding_format"),
    ],
)
def test_what_is_malformed_is_refused_with_the_fields_path(dialect: Dialect, body: bytes, param: str | None) -> None:
    fault = refused(dialect, body)
    assert fault.kind is FaultKind.INVALID_REQUEST
    assert fault.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"cache": {"enabled": True}}, "cache.enabled"),
        ({"cache": {"ttl": 60}}, "cache.ttl"),
        ({"safety": {"pii_detection": True}}, "safety.pii_detection"),
        ({"safety": {"prompt_injection_check": True}}, "safety.prompt_injection_check"),
        ({"routing": {"strategy": "balanced"}}, "routing.strategy"),
    ],
)
@pytest.mark.parametrize("dialect", [CHAT, MESSAGES])
def test_what_is_not_built_yet_is_refused_when_asked_for(dialect: Dialect, fields: dict[str, Any], param: str) -> None:
    fault = refused(dialect, chat(**fields) if dialect is CHAT else messages(**fields))
    assert fault.kind is FaultKind.UNSUPPORTED_PARAMETER
    assert fault.param == param


def test_messages_never_quote_what_was_sent() -> None:
    fault = refused(CHAT, chat(messages=[{"role": "s3cret", "content": "x"}]))
    assert "s3cret" not in fault.message


def test_switched_off_extensions_are_fine_and_wishes_are_kept() -> None:
    incoming = INGRESS[CHAT].read(
        chat(
            cache={"enabled": False, "ttl": 5},
            safety={"pii_detection": False},
            routing={"providers": ["a", "b"], "fallback": False, "strategy": None},
            budget={"max_cost_per_request": 0.5},
        )
    )
    assert incoming.extensions.routing == Routing(providers=("a", "b"), fallback=False)
    assert incoming.extensions.budget == Budget(max_cost_per_request=0.5)


def test_extensions_in_headers_yield_to_those_in_the_body() -> None:
    incoming = INGRESS[CHAT].read(chat(routing={"providers": ["body"]}, budget={"max_cost_per_request": 1}))
    both = incoming.with_header_extensions(
        Extensions(
            Routing(providers=("header",), preferred_models=("header",)),
            Budget(max_cost_per_request=9, max_cost_per_day=2),
        )
    )
    assert both.extensions.routing == Routing(providers=("body",), preferred_models=("header",))
    assert both.extensions.budget == Budget(max_cost_per_request=1, max_cost_per_day=2)
    assert both.rewritten("m", output_tokens_max=None) == incoming.rewritten("m", output_tokens_max=None)
    with pytest.raises(Fault, match=r"routing\.strategy"):
        incoming.with_header_extensions(Extensions(Routing(strategy="balanced")))


def test_what_the_pipeline_asks_of_a_chat() -> None:
    incoming = INGRESS[CHAT].read(
        chat(stream=True, n=3, max_tokens=7, max_completion_tokens=5, user="u", metadata={"a": "b"}, unknown={"x": 1})
    )
    assert (incoming.dialect, incoming.operation, incoming.model) == (CHAT, Operation.CHAT, "m")
    assert (incoming.stream, incoming.choices) == (True, 3)
    assert (incoming.end_user, incoming.metadata) == ("u", {"a": "b"})
    assert INGRESS[CHAT].read(b'{"messages":[{"role":"user","content":"x"}]}').model is None


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        ({}, None),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 5}, 5),
        ({"max_tokens": 7, "max_completion_tokens": 5}, 7),
        ({"max_tokens": 1, "max_completion_tokens": 900}, 900),
    ],
)
def test_of_two_output_limits_the_larger_counts_since_servers_differ_in_which_they_keep_to(
    limits: dict[str, int], asked: int | None
) -> None:
    assert INGRESS[CHAT].read(chat(**limits)).output_tokens_asked == asked


def test_what_the_pipeline_asks_of_the_others() -> None:
    incoming = INGRESS[MESSAGES].read(messages(metadata={"user_id": "u"}))
    assert (incoming.operation, incoming.output_tokens_asked, incoming.end_user) == (Operation.CHAT, 9, "u")
    counting = INGRESS[COUNT].read(chat())
    assert (counting.operation, counting.stream, counting.output_tokens_asked) == (Operation.COUNT_TOKENS, False, None)
    written = INGRESS[COUNT].writer(counting, request_id="r", created_s=1).whole([TokensCounted(12)])
    assert json.loads(written) == {"input_tokens": 12}
    embedding = INGRESS[EMBEDDINGS].read(b'{"model":"m","input":[[1,2],[3]],"user":"u"}')
    assert (embedding.operation, embedding.size.tokens_at_most, embedding.end_user) == (Operation.EMBEDDINGS, 3, "u")
    assert embedding.canonical().inputs == ((1, 2), (3,))


SEARCH_RESULT = {"type": "search_result", "source": "https://x.example", "title": "t", "content": []}


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (CHAT, chat(messages=user({"type": "video_url", "video_url": {"url": "x"}}))),
        (CHAT, chat(messages=user({"type": "image_url", "image_url": "https://x.example/a.png"}))),
        (CHAT, chat(messages=[{"role": "assistant", "content": None}, *HI])),
        (CHAT, chat(temperature=None, stop=None, n=None, tools=None, stream=None, metadata=None)),
        (CHAT, chat(tools=[{"type": "custom", "custom": {"name": "x"}}], tool_choice={"type": "allowed_tools"})),
        (MESSAGES, messages(messages=user(SEARCH_RESULT, {"type": "container_upload", "file_id": "f"}))),
        (MESSAGES, messages(tools=[{"type": "bash_20250124", "name": "bash"}], mcp_servers=[])),
        (MESSAGES, messages(messages=[], thread={"type": "continue", "previous_message_id": "msg_1"})),
    ],
)
def test_what_is_not_known_passes(dialect: Dialect, body: bytes) -> None:
    sent = json.loads(INGRESS[dialect].read(body).rewritten("m", output_tokens_max=None).body)
    assert sent == json.loads(body)


@pytest.mark.parametrize(
    ("asked", "limit", "expected"),
    [
        ({}, None, {}),
        ({}, 9, {"max_completion_tokens": 9}),
        ({"max_tokens": 50}, 9, {"max_tokens": 9}),
        ({"max_completion_tokens": 50}, 9, {"max_completion_tokens": 9}),
        ({"max_completion_tokens": 50, "max_tokens": 60}, 9, {"max_completion_tokens": 9, "max_tokens": 9}),
        ({"max_tokens": None}, 9, {"max_tokens": None, "max_completion_tokens": 9}),
        ({"max_tokens": 50}, None, {"max_tokens": 50}),
    ],
)
def test_the_limit_goes_where_the_caller_put_it(
    asked: dict[str, Any], limit: int | None, expected: dict[str, Any]
) -> None:
    sent = json.loads(INGRESS[CHAT].read(chat(**asked)).rewritten("m", output_tokens_max=limit).body)
    assert {name: value for name, value in sent.items() if name.startswith("max")} == expected


def test_bytes_pass_but_for_what_the_gateway_changes() -> None:
    body = (
        b'{"routing":{}, "messages": [ {"role":"user","content":"\\u00e9\\/ x", "x": 1e400} ],'
        b'"big":123456789012345678901234567890,"f":1.10,"model":"a","stream":true,'
        b'"stream_options":{"include_obfuscation":false,"include_usage":false},"cache":{"bypass":true}}'
    )
    wire = INGRESS[CHAT].read(body).rewritten("b/c", output_tokens_max=5)
    assert wire.path == "/chat/completions"
    assert wire.body == (
        b'{"messages":[ {"role":"user","content":"\\u00e9\\/ x", "x": 1e400} ],'
        b'"big":123456789012345678901234567890,"f":1.10,"model":"b/c","stream":true,'
        b'"stream_options":{"include_obfuscation":false,"include_usage":true},"max_completion_tokens":5}'
    )


def test_a_key_given_twice_smuggles_nothing() -> None:
    incoming = INGRESS[CHAT].read(
        b'{"model":"cheap","n":9,"messages":[{"role":"user","content":"x"}],"n":1,"model":"dear"}'
    )
    assert (incoming.model, incoming.choices) == ("dear", 1)
    sent = incoming.rewritten("dear", output_tokens_max=None).body
    assert sent.count(b'"n":') == 1
    assert sent.count(b'"model":') == 1


def test_anthropic_is_told_its_version() -> None:
    for dialect, path in ((MESSAGES, "/messages"), (COUNT, "/messages/count_tokens")):
        wire = INGRESS[dialect].read(messages(routing={})).rewritten("b", output_tokens_max=3)
        assert (wire.path, wire.headers) == (path, (("anthropic-version", "2023-06-01"),))
        assert b"routing" not in wire.body
        assert json.loads(wire.body)["max_tokens"] == (3 if dialect is MESSAGES else 9)
    counted = CODECS[COUNT].encode(INGRESS[CHAT].read(chat(stream=True, user="u")).canonical(), output_tokens_max=9)
    assert counted.path == "/messages/count_tokens"
    assert sorted(json.loads(counted.body)) == ["messages", "model"]


BASE64 = "A" * 400_000


@pytest.mark.parametrize(
    ("dialect", "body", "media"),
    [
        (CHAT, chat(messages=user({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}})), 1),
        (CHAT, chat(messages=user(*[{"type": "image_url", "image_url": {"url": "https://x.example"}}] * 2)), 2),
        (MESSAGES, messages(messages=user({"type": "image", "source": {"type": "base64", "data": BASE64}})), 1),
        (
            MESSAGES,
            messages(
                messages=user(
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [{"type": "image", "source": {"type": "base64", "data": BASE64}}],
                    }
                )
            ),
            1,
        ),
    ],
)
def test_an_image_counts_as_an_image_and_not_by_the_byte(dialect: Dialect, body: bytes, media: int) -> None:
    size = INGRESS[dialect].read(body).size
    assert media * IMAGE_TOKENS_MAX < size.tokens_at_most < media * IMAGE_TOKENS_MAX + 1_000
    assert size.tokens_estimated < 5_000


def test_an_escaped_name_does_not_hide_an_image() -> None:
    body = (
        b'{"messages":[{"role":"user","content":[{"type":"\\u0069mage_url","\\u0069mage_url":{"url":"https://x"}}]}]}'
    )
    assert INGRESS[CHAT].read(body).size.tokens_at_most > IMAGE_TOKENS_MAX


def test_sizes_of_documents_and_text() -> None:
    pdf = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{BASE64}"}}
    assert INGRESS[CHAT].read(chat(messages=user(pdf))).size.tokens_at_most <= DOCUMENT_TOKENS_MAX + 1_000
    by_url = {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}}
    assert INGRESS[MESSAGES].read(messages(messages=user(by_url))).size.tokens_at_most > DOCUMENT_TOKENS_MAX
    text = INGRESS[CHAT].read(chat(messages=[{"role": "user", "content": "word " * 1000}])).size
    continued = messages(thread={"type": "continue", "previous_message_id": "msg_1"})
    assert INGRESS[MESSAGES].read(continued).size.tokens_at_most > FETCHED_TOKENS_MAX
    assert 5_000 < text.tokens_at_most < 5_200
    assert 1_200 < text.tokens_estimated < 1_300
    assert [output_tokens_estimated(n) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]
