"""A request that passes: what another dialect's provider signed is left out of it, and not a byte beside."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from onevault.core.codec import RequestLine, WireRequest
from onevault.dialects.gemini.signatures import ANY_SIGNATURE
from onevault.dialects.registry import CODECS, INGRESS

MESSAGES, CHAT, RESPONSES, GEMINI = "anthropic-messages", "openai-chat", "openai-responses", "gemini"
COUNT, GEMINI_COUNT = "anthropic-count-tokens", "gemini-count-tokens"

THOUGHT = '{"type":"thinking","thinking":"","signature":"gemini#CiQB"}'
UNSIGNED = '{ "type" : "thinking", "thinking" : "h\\u006dm", "signature" : "" }'
HIDDEN = '{"type":"redacted_thinking","data":"openai-responses#rs_1:gAAA"}'
OWN = '{"type": "thinking", "thinking": "2+2", "signature": "EqQB+/=="}'
OWN_HIDDEN = '{"type":"redacted_thinking","data":"ZGFyaw=="}'
CALL = '{"type":"tool_use","id":"t1","name":"f","input":{"n":1.50,"a":1e2}}'
RESULT = '{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"#"}]}'
ASKED = '{ "role":"user", "content" : "signed \\"signature\\":\\"gemini#x\\" " }'


def said(*blocks: str) -> str:
    return f'{{"role":"assistant","content":[{",".join(blocks)}]}}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([ASKED, said(THOUGHT, CALL), RESULT], [ASKED, said(CALL), RESULT]),
        ([ASKED, said(UNSIGNED, HIDDEN, CALL), RESULT], [ASKED, said(CALL), RESULT]),
        ([ASKED, said(OWN, THOUGHT, OWN_HIDDEN, CALL), RESULT], [ASKED, said(OWN, OWN_HIDDEN, CALL), RESULT]),
        ([ASKED, said(THOUGHT, HIDDEN), ASKED], [ASKED, ASKED]),
        ([ASKED, said(OWN, CALL), RESULT, said(THOUGHT, CALL)], [ASKED, said(OWN, CALL), RESULT, said(CALL)]),
    ],
    ids=["a signature", "none, and hidden", "beside its own", "nothing else said", "a later turn"],
)
@pytest.mark.parametrize("dialect", [MESSAGES, COUNT])
def test_anthropic_is_not_sent_what_others_signed(dialect: str, before: list[str], after: list[str]) -> None:
    wire = messages(dialect, before)
    assert wire.body == messages_body(dialect, after)
    assert wire.dropped == ("thinking",)


@pytest.mark.parametrize("dialect", [MESSAGES, COUNT])
@pytest.mark.parametrize("before", [[ASKED], [ASKED, said(OWN, OWN_HIDDEN, CALL), RESULT]])
def test_anthropic_is_sent_its_own_as_it_came(dialect: str, before: list[str]) -> None:
    body = messages_body(dialect, before, spaces="\n  ")
    wire = INGRESS[dialect].read(body).rewritten("m", output_tokens_max=None)
    assert wire.dropped == ()
    assert f"[{','.join(before)}]".encode() in wire.body


def messages_body(dialect: str, given: list[str], spaces: str = "") -> bytes:
    limit = '"max_tokens":9,' if dialect == MESSAGES else ""
    return f'{{{spaces}{limit}"model":"m","messages":[{",".join(given)}],"x":1.50}}'.encode()


def messages(dialect: str, given: list[str]) -> WireRequest:
    return INGRESS[dialect].read(messages_body(dialect, given)).rewritten("m", output_tokens_max=None)


REASONED = '{"type":"reasoning","id":"rs_0a1b2c","summary":[],"encrypted_content":"gAAAAA=="}'
KEPT_THERE = '{"type":"reasoning","id":"rs_0a1b2c","summary":[ ]}'
GEMINIS = '{"type":"reasoning","id":"rs_req_1_0","summary":[],"encrypted_content":"gemini#CiQB"}'
HIDDEN_ITEM = '{"type":"reasoning","id":"x","summary":[],"encrypted_content":"anthropic-messages#redacted:ZGFyaw=="}'
SIGNED_BY_NONE = '{"type":"reasoning","id":"rs_req_0123456789abcdef_0","summary":[{"type":"summary_text","text":"Hm"}]}'
NULL = '{"type":"reasoning","id":"rs_req_2_11","summary":[],"encrypted_content":null}'
CALLED = '{"type":"function_call","id":"fc_req_1_1","call_id":"c1","name":"f","arguments":"{}"}'
COMPACTED = '{"type":"compaction","encrypted_content":"gAAAAA"}'


@pytest.mark.parametrize("foreign", [GEMINIS, HIDDEN_ITEM, SIGNED_BY_NONE, NULL])
def test_openai_is_not_sent_reasoning_that_it_cannot_know(foreign: str) -> None:
    body = '{{"model":"m","input":[{{ "role":"user","content":"x" }},{}],"temperature":1.0}}'
    given = ",".join((foreign, REASONED, CALLED, COMPACTED, KEPT_THERE))
    wire = INGRESS[RESPONSES].read(body.format(given).encode()).rewritten("m", output_tokens_max=None)
    assert wire.body == body.format(given.replace(foreign + ",", "")).encode()
    assert wire.dropped == ("thinking",)


@pytest.mark.parametrize("items", [f"[{REASONED},  {KEPT_THERE}, {CALLED}]", '"\\"encrypted_content\\" \\"rs_a_1\\""'])
def test_openai_is_sent_its_own_reasoning_as_it_came(items: str) -> None:
    body = f'{{"model":"m","input":{items}}}'.encode()
    wire = INGRESS[RESPONSES].read(body).rewritten("m", output_tokens_max=None)
    assert (wire.body, wire.dropped) == (body, ())


BLOCK = '{"type":"thinking","thinking":"a","signature":"EqQB"}'
GEMINI_BLOCK = '{"type":"thinking","thinking":"","signature":"gemini#CiQB"}'
HIDDEN_BLOCK = '{"type":"redacted_thinking","data":"bedrock-converse#ZA=="}'
DETAIL = '{"type":"reasoning.encrypted","data":"x","format":"openai-responses-v1"}'
GEMINI_DETAIL = '{"type":"reasoning.text","text":"a","signature":"gemini#CiQB"}'


def tool_call(extra: str = "") -> str:
    return f'{{"id":"c1","type":"function","function":{{"name":"f","arguments":"{{}}"}}{extra}}}'


SIGNED = ',"extra_content":{"google":{"thought_signature":"CiQB"}}'
SIGNED_AND_MORE = ',"extra_content":{"google":{"thought_signature":"CiQB","n":1.50},"o":1}'
MORE = ',"extra_content":{"google":{"n":1.50},"o":1}'
TAGGED = ',"extra_content":{"google":{"thought_signature":"gemini#Cg"}}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f'"content":"x","thinking_blocks":[{GEMINI_BLOCK}]', '"content":"x"'),
        (f'"thinking_blocks":[{BLOCK},{HIDDEN_BLOCK}],"content":""', f'"thinking_blocks":[{BLOCK}],"content":""'),
        (
            f'"reasoning_details":[{DETAIL},{GEMINI_DETAIL}],"content":"x"',
            f'"reasoning_details":[{DETAIL}],"content":"x"',
        ),
        (
            f'"content":null,"thinking_blocks":[{GEMINI_BLOCK}],"tool_calls":[{tool_call(SIGNED)},{tool_call()}]',
            f'"content":null,"tool_calls":[{tool_call()},{tool_call()}]',
        ),
        (
            f'"reasoning_details":[{GEMINI_DETAIL}],"tool_calls":[{tool_call(SIGNED_AND_MORE)}]',
            f'"tool_calls":[{tool_call(MORE)}]',
        ),
        (
            f'"tool_calls":[{tool_call(TAGGED)},{tool_call(SIGNED)}]',
            f'"tool_calls":[{tool_call()},{tool_call(SIGNED)}]',
        ),
        (f'"content":null,"thinking_blocks":[{HIDDEN_BLOCK}]', None),
    ],
)
def test_a_server_of_openais_chat_is_not_sent_what_others_signed(before: str, after: str | None) -> None:
    body = '{{"model":"m","messages":[{{ "role":"user", "content":"#" }}{}],"temperature":1.0}}'
    given = body.format(f',{{"role":"assistant",{before}}}').encode()
    wire = INGRESS[CHAT].read(given).rewritten("m", output_tokens_max=None)
    assert wire.body == body.format("" if after is None else f',{{"role":"assistant",{after}}}').encode()
    assert wire.dropped == ("thinking",)


@pytest.mark.parametrize(
    "said",
    [
        f'"thinking_blocks" : [{BLOCK}],"content":"gemini#x"',
        f'"content":null,"tool_calls":[{tool_call(SIGNED)}],"name":"a#"',
        f'"reasoning_details":[ {DETAIL}],"content":"#"',
        '"reasoning_details":{"of":"another shape#"},"content":"#"',
    ],
)
def test_what_a_caller_and_a_server_of_openais_chat_say_to_each_other_stays(said: str) -> None:
    body = f'{{"model":"m","messages":[{{"role":"assistant",{said}}}]}}'.encode()
    wire = INGRESS[CHAT].read(body).rewritten("m", output_tokens_max=None)
    assert (wire.body, wire.dropped) == (body, ())


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


CLAUDES = in_base64("anthropic-messages#EqQB+/8=")
ANYBODYS = in_base64("unknown#redacted:ZGFyaw==")
GOOGLES = "CiQB0e2KbkZpcnN0U2lnbmF0dXJl"
LIKE_A_TAG = in_base64("zebra stripes")
NEWEST, OLDER = "gemini-3-pro-preview", "gemini-2.5-pro"

Json = dict[str, Any]
SHOWN: Json = {"text": "Hm", "thought": True}
FUNCTION: Json = {"functionCall": {"id": "a", "name": "f", "args": {"n": 1.5}}}
RESPONSE: Json = {"role": "user", "parts": [{"functionResponse": {"id": "a", "name": "f", "response": {}}}]}
HELLO: Json = {"role": "user", "parts": [{"text": "x"}]}


def mark(signature: str, **fields: Any) -> Json:
    return {"text": "", "thought": True, "thoughtSignature": signature} | fields


def of_model(*parts: Json) -> Json:
    return {"role": "model", "parts": list(parts)}


STOOD_IN = {**FUNCTION, "thoughtSignature": ANY_SIGNATURE}


@pytest.mark.parametrize(
    ("model", "before", "after"),
    [
        (OLDER, [HELLO, of_model(SHOWN, mark(CLAUDES), FUNCTION), RESPONSE], [HELLO, of_model(FUNCTION), RESPONSE]),
        (NEWEST, [HELLO, of_model(mark(ANYBODYS), FUNCTION, FUNCTION)], [HELLO, of_model(STOOD_IN, FUNCTION)]),
        (
            NEWEST,
            [HELLO, of_model(mark(CLAUDES)), of_model(FUNCTION), of_model(FUNCTION), RESPONSE, of_model(FUNCTION)],
            [HELLO, of_model(STOOD_IN), of_model(FUNCTION), RESPONSE, of_model(STOOD_IN)],
        ),
        (NEWEST, [of_model({**FUNCTION, "thoughtSignature": CLAUDES})], [of_model(STOOD_IN)]),
        (OLDER, [of_model({**FUNCTION, "thoughtSignature": CLAUDES})], [of_model(FUNCTION)]),
        (OLDER, [HELLO, of_model({"text": "a", "thoughtSignature": CLAUDES})], [HELLO, of_model({"text": "a"})]),
        (OLDER, [HELLO, of_model({"text": "", "thoughtSignature": CLAUDES}), HELLO], [HELLO, HELLO]),
        (
            NEWEST,
            [of_model(SHOWN, mark(GOOGLES), SHOWN, mark(CLAUDES), {"text": "a"}, SHOWN)],
            [of_model(SHOWN, mark(GOOGLES), {"text": "a"}, SHOWN)],
        ),
        (
            NEWEST,
            [of_model(mark(CLAUDES), {"text": "a"}), HELLO, of_model({**FUNCTION, "thoughtSignature": GOOGLES})],
            [of_model({"text": "a"}), HELLO, of_model({**FUNCTION, "thoughtSignature": GOOGLES})],
        ),
    ],
)
def test_google_is_not_sent_what_others_signed(model: str, before: list[Json], after: list[Json]) -> None:
    wire = gemini(model, {"contents": before, "labels": {"a": "b"}})
    assert json.loads(wire.body) == {"contents": after, "labels": {"a": "b"}}
    assert wire.dropped == ("thinking",)


def test_googles_other_spelling_is_understood() -> None:
    part = {"text": "", "thought": True, "thought_signature": CLAUDES}
    call = {"function_call": {"name": "f", "args": {"snake_case": 1}}}
    wire = gemini(OLDER, {"contents": {"role": "model", "parts": [part, call]}, "generation_config": {"top_k": 3}})
    assert json.loads(wire.body) == {
        "contents": [{"role": "model", "parts": [{"functionCall": call["function_call"]}]}],
        "generation_config": {"top_k": 3},
    }


@pytest.mark.parametrize("name", ["generateContentRequest", "generate_content_request", None])
def test_google_counts_without_what_others_signed(name: str | None) -> None:
    before, after = [HELLO, of_model(mark(CLAUDES), {"text": "a"})], [HELLO, of_model({"text": "a"})]
    body = {"contents": before} if name is None else {name: {"model": "models/x", "contents": before}}
    line = RequestLine(path=f"/v1beta/models/{OLDER}:countTokens")
    wire = INGRESS[GEMINI_COUNT].read(json.dumps(body).encode(), line).rewritten(OLDER, output_tokens_max=None)
    sent = json.loads(wire.body)
    assert (sent if name is None else sent[name])["contents"] == after
    assert wire.dropped == ("thinking",)


@pytest.mark.parametrize("signature", [GOOGLES, ANY_SIGNATURE, LIKE_A_TAG, "", "skip_thought_signature_validator"])
def test_google_is_sent_its_own_as_it_came(signature: str) -> None:
    body = {
        "contents": [HELLO, of_model(SHOWN, mark(signature), {**FUNCTION, "thoughtSignature": signature}, FUNCTION)]
    }
    wire = gemini(NEWEST, body)
    assert (wire.body, wire.dropped) == (json.dumps(body).encode(), ())


def test_calls_that_nobody_signed_stay_so_where_nothing_shows_that_others_answered() -> None:
    body = {"contents": [HELLO, of_model(FUNCTION), RESPONSE]}
    assert gemini(NEWEST, body).body == json.dumps(body).encode()


def gemini(model: str, body: Json) -> WireRequest:
    line = RequestLine(path=f"/v1beta/models/{model}:generateContent")
    return INGRESS[GEMINI].read(json.dumps(body).encode(), line).rewritten(model, output_tokens_max=None)


@pytest.mark.parametrize(
    ("model", "wants"), [("deepseek-v4-pro", True), ("moonshotai/Kimi-K2-Thinking", True), ("gpt-5", False)]
)
def test_what_nobody_signed_goes_back_to_models_that_want_it(model: str, wants: bool) -> None:
    signed = {"type": "thinking", "thinking": "Of Claude", "signature": "c2lnbmVk"}
    content = [
        {"type": "thinking", "thinking": "Look it up", "signature": ""},
        {"type": "tool_use", "id": "c", "name": "f", "input": {}},
    ]
    asked = {
        "model": model,
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [signed, *content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "4"}]},
        ],
    }
    request = INGRESS["anthropic-messages"].read(json.dumps(asked).encode()).canonical()
    wire = CODECS["openai-chat"].encode(request, output_tokens_max=9)
    assert json.loads(wire.body)["messages"][1].get("reasoning_content") == ("Look it up" if wants else None)
    assert wire.dropped == ("thinking",)
