"""Answers of Bedrock: streams at any split say what whole answers say, and what is cut, broken or failed is a fault."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.event_stream import event, stream

from onevault.core.events import (
    ChoiceEnded,
    CitationAdded,
    Event,
    Finished,
    MediaAdded,
    OpaqueAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import Fault, FaultKind
from onevault.core.usage import Usage
from onevault.dialects.registry import CODECS

CONVERSE = CODECS["bedrock-converse"]
GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "provider" / "bedrock-converse.json").read_text(encoding="utf-8")
)
STREAMS = {name: base64.b64decode(found["base64"]) for name, found in GOLDEN["stream"].items()}
WHOLES = {name: json.dumps(found).encode() for name, found in GOLDEN["whole"].items()}

START = ("messageStart", {"role": "assistant"})
STOP = ("messageStop", {"stopReason": "end_turn"})
META = ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 1}})


def decoded(raw: bytes | list[bytes], *, of_stream: bool) -> list[Event]:
    decoder = CONVERSE.decoder(stream=of_stream, passing=None)
    pieces = [raw] if isinstance(raw, bytes) else raw
    return [found for piece in pieces for found in decoder.feed(piece)] + decoder.close()


def streamed(*events: tuple[str, object]) -> list[Event]:
    return decoded(stream([START, *events, STOP, META]), of_stream=True)


def answered(*content: dict[str, Any], reason: str = "end_turn", **fields: Any) -> list[Event]:
    body = {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": reason} | fields
    return decoded(json.dumps(body).encode(), of_stream=False)


def delta(index: int, **said: object) -> tuple[str, object]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": said, "p": "abc"}


def begun(index: int, **said: object) -> tuple[str, object]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": said}


def done(index: int) -> tuple[str, object]:
    return "contentBlockStop", {"contentBlockIndex": index}


def plain(events: list[Event]) -> list[tuple[str, bytes]]:
    return [(type(found).__name__, msgspec.json.encode(found)) for found in events]


def joined(events: list[Event]) -> list[object]:
    """Events with neighbouring pieces of one text, thinking or call put together, and JSON as what it says."""
    whole: list[object] = []
    for found in events:
        last = whole[-1] if whole else None
        if isinstance(found, TextAdded | ThinkingAdded) and type(last) is type(found) and last.part == found.part:
            whole[-1] = type(found)(last.text + found.text, found.part)
        elif isinstance(found, ToolArgumentsAdded) and isinstance(last, ToolArgumentsAdded) and last.call == found.call:
            whole[-1] = ToolArgumentsAdded(found.call, last.json_text + found.json_text, found.part)
        else:
            whole.append(found)
    return [
        (found.call, json.loads(found.json_text)) if isinstance(found, ToolArgumentsAdded) else found for found in whole
    ]


@pytest.mark.parametrize("case", GOLDEN["whole"])
def test_a_stream_says_what_the_whole_answer_says(case: str) -> None:
    whole, pieces = decoded(WHOLES[case], of_stream=False), decoded(STREAMS[case], of_stream=True)
    assert joined(pieces) == joined(whole)
    assert isinstance(whole[-1], Finished)


@settings(deadline=None)  # two cores shared with other tests
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_any_split_gives_the_same_events(case: str, data: st.DataObject) -> None:
    raw = STREAMS[case]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert plain(decoded(pieces, of_stream=True)) == plain(decoded(raw, of_stream=True))


def test_thinking_is_signed_by_bedrock_and_stands_before_the_text() -> None:
    events = decoded(STREAMS["thinking"], of_stream=True)
    signed = next(found for found in events if isinstance(found, ThinkingSigned))
    assert (signed.by, signed.part) == ("bedrock-converse", 0)
    assert [type(found) for found in joined(events)][1:4] == [ThinkingAdded, ThinkingSigned, TextAdded]


def test_parallel_calls_are_numbered_in_their_order() -> None:
    events = joined(decoded(STREAMS["parallel_tools"], of_stream=True))
    assert [(found.call, found.id, found.part) for found in events if isinstance(found, ToolCallStarted)] == [
        (0, "tooluse_ZqT0x3Zq", 0),
        (1, "tooluse_9sVb2kLm", 1),
    ]
    assert (0, {"city": "Paris"}) in events
    assert (1, {"city": "Berlin"}) in events


def test_a_call_without_arguments_is_called_with_none() -> None:
    tool = {"toolUseId": "t", "name": "now"}
    expected = [ToolCallStarted(0, "t", "now"), ToolArgumentsAdded(0, "{}")]
    assert streamed(begun(0, toolUse=tool), delta(0, toolUse={"input": ""}), done(0))[1:3] == expected
    assert answered({"toolUse": tool | {"input": {}}})[1:3] == expected


def test_redacted_thinking_keeps_its_data() -> None:
    expected = ThinkingRedacted("RXU4RQ==", 0, by="bedrock-converse")
    assert streamed(delta(0, reasoningContent={"redactedContent": "RXU4RQ=="}), done(0))[1] == expected
    assert answered({"reasoningContent": {"redactedContent": "RXU4RQ=="}})[1] == expected


def test_tools_of_bedrock_itself_are_kept_as_they_are() -> None:
    call = {"toolUseId": "t", "name": "nova_code_interpreter", "type": "server_tool_use"}
    result = {"toolUseId": "t", "status": "success", "type": "nova_code_interpreter_result"}
    blocks: list[dict[str, Any]] = [
        {"toolUse": call | {"input": {"snippet": "1+1"}}},
        {"toolResult": result | {"content": [{"json": {"stdOut": "2"}}]}},
    ]
    events = streamed(
        begun(0, toolUse=call),
        delta(0, toolUse={"input": '{"snippet":'}),
        delta(0, toolUse={"input": '"1+1"}'}),
        done(0),
        begun(1, toolResult=result),
        delta(1, toolResult=[{"json": {"stdOut": "2"}}]),
        done(1),
    )
    for found in (events, answered(*blocks)):
        opaque = [part for part in found if isinstance(part, OpaqueAdded)]
        assert [part.kind for part in opaque] == ["server_tool_use", "nova_code_interpreter_result"]
        assert [json.loads(bytes(part.raw)) for part in opaque] == blocks
        assert {part.dialect for part in opaque} == {"bedrock-converse"}
        assert not any(isinstance(part, ToolCallStarted) for part in found)


CITATION = {
    "title": "Notes",
    "sourceContent": [{"text": "It rains"}, {"text": " a lot."}],
    "location": {"documentChar": {"documentIndex": 0, "start": 3, "end": 9}},
}
WEB_CITATION = {"title": "Rain", "location": {"web": {"url": "https://example.com/rain", "domain": "example.com"}}}


def test_citations_say_what_every_dialect_can_say_of_them() -> None:
    whole = answered({"citationsContent": {"content": [{"text": "Rain."}], "citations": [CITATION, WEB_CITATION]}})
    pieces = streamed(delta(0, text="Rain."), delta(0, citation=CITATION), delta(0, citation=WEB_CITATION), done(0))
    assert [found.cited for found in pieces if isinstance(found, CitationAdded)] == [
        found.cited for found in whole if isinstance(found, CitationAdded)
    ]
    first, second = (found for found in whole if isinstance(found, CitationAdded))
    assert first.cited is not None
    assert second.cited is not None
    assert (first.cited.url, first.cited.title, first.cited.text) == (None, "Notes", "It rains a lot.")
    assert second.cited.url == "https://example.com/rain"
    assert json.loads(bytes(first.raw)) == CITATION
    assert whole[1] == TextAdded("Rain.")


def test_images_that_the_model_made_are_media() -> None:
    expected = MediaAdded("image/webp", "AAAA")
    source = {"source": {"bytes": "AAAA"}}
    assert streamed(begun(0, image={"format": "webp"}), delta(0, image=source), done(0))[1] == expected
    assert answered({"image": {"format": "webp"} | source})[1] == expected
    at_s3 = {"audio": {"format": "mp3", "source": {"s3Location": {"uri": "s3://b/k"}}}}
    assert answered(at_s3)[1] == MediaAdded("audio/mp3", url="s3://b/k")


def test_content_that_is_not_known_is_kept_where_it_is_whole_and_a_fault_where_it_is_not() -> None:
    kept = answered({"hologram": {"a": 1}})[1]
    assert isinstance(kept, OpaqueAdded)
    assert (kept.kind, bytes(kept.raw)) == ("hologram", b'{"hologram": {"a": 1}}')
    with pytest.raises(Fault, match="not known"):
        streamed(delta(0, hologram={"a": 1}))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("end_turn", StopReason.END),
        ("tool_use", StopReason.TOOL_CALLS),
        ("max_tokens", StopReason.LENGTH),
        ("stop_sequence", StopReason.STOP_SEQUENCE),
        ("guardrail_intervened", StopReason.CONTENT_FILTER),
        ("content_filtered", StopReason.CONTENT_FILTER),
        ("model_context_window_exceeded", StopReason.CONTEXT_LENGTH),
        ("something_new", StopReason.END),
    ],
)
def test_every_way_to_end_has_its_word(told: str, reason: StopReason) -> None:
    expected = ChoiceEnded(reason)
    assert expected in answered({"text": "x"}, reason=told)
    assert expected in decoded(stream([START, ("messageStop", {"stopReason": told}), META]), of_stream=True)


@pytest.mark.parametrize(
    ("fields", "sequence"),
    [({"stop_sequence": "END"}, "END"), ({"delta": {"stop_sequence": "END"}}, "END"), ({}, None), ("other", None)],
)
def test_the_stop_sequence_is_told_where_the_model_tells_it(fields: object, sequence: str | None) -> None:
    expected = ChoiceEnded(StopReason.STOP_SEQUENCE, sequence)
    assert expected in answered({"text": "x"}, reason="stop_sequence", additionalModelResponseFields=fields)
    stop = ("messageStop", {"stopReason": "stop_sequence", "additionalModelResponseFields": fields})
    assert expected in decoded(stream([START, stop, META]), of_stream=True)


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_an_answer_that_its_model_spoiled_is_a_fault_after_its_usage(reason: str) -> None:
    with pytest.raises(Fault) as fault:
        answered({"text": "x"}, reason=reason)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR
    decoder = CONVERSE.decoder(stream=True, passing=None)
    events = decoder.feed(stream([START, delta(0, text="x"), ("messageStop", {"stopReason": reason}), META]))
    assert isinstance(events[-1], UsageReported)
    with pytest.raises(Fault) as fault:
        decoder.close()
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (
            {"inputTokens": 3, "outputTokens": 121, "cacheReadInputTokens": 1712, "cacheWriteInputTokens": 236},
            Usage(input_tokens=1951, output_tokens=121, cache_read_tokens=1712, cache_write_tokens=236),
        ),
        (
            {
                "inputTokens": 3,
                "outputTokens": 1,
                "cacheWriteInputTokens": 300,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 100}],
            },
            Usage(input_tokens=303, output_tokens=1, cache_write_tokens=100, cache_write_1h_tokens=200),
        ),
        ({"inputTokens": None, "outputTokens": -5}, Usage()),
    ],
)
def test_input_includes_what_was_read_from_and_written_to_the_cache(told: dict[str, Any], usage: Usage) -> None:
    assert UsageReported(usage) in answered({"text": "x"}, usage=told)
    assert UsageReported(usage) in decoded(stream([START, STOP, ("metadata", {"usage": told})]), of_stream=True)


@pytest.mark.parametrize(("tier", "kept"), [("flex", "flex"), ("priority", "priority"), ("default", ""), (None, "")])
def test_the_tier_that_served_is_part_of_the_usage(tier: str | None, kept: str) -> None:
    fields = {"usage": {"inputTokens": 1, "outputTokens": 1}, "serviceTier": {"type": tier} if tier else None}
    assert UsageReported(Usage(1, 1, tier=kept)) in answered({"text": "x"}, **fields)
    assert UsageReported(Usage(1, 1, tier=kept)) in decoded(stream([START, STOP, ("metadata", fields)]), of_stream=True)


@pytest.mark.parametrize("case", sorted(STREAMS))
def test_a_stream_cut_short_anywhere_is_a_fault(case: str) -> None:
    raw = STREAMS[case]
    for end in range(0, len(raw), 7):
        with pytest.raises(Fault) as fault:
            decoded(raw[:end], of_stream=True)
        assert fault.value.kind is FaultKind.PROVIDER_ERROR


def test_what_follows_the_end_is_nothing() -> None:
    raw = STREAMS["text"]
    assert plain(decoded([raw + raw, b"\xff" * 40], of_stream=True)) == plain(decoded(raw, of_stream=True))


@pytest.mark.parametrize(
    "events",
    [
        [delta(0, text="x")],
        [START, META],
        [START, STOP],
        [START, delta(0, toolUse={"input": "{}"}), STOP, META],
        [START, ("contentBlockDelta", b"{"), STOP, META],
        [START, ("contentBlockDelta", {"contentBlockIndex": "0", "delta": {}}), STOP, META],
        [START, ("messageStop", b"\xff"), META],
        [
            START,
            begun(0, toolUse={"toolUseId": "t", "type": "server_tool_use"}),
            delta(0, toolUse={"input": "{"}),
            done(0),
        ],
    ],
)
def test_a_stream_that_is_not_one_is_a_fault(events: list[tuple[str, object]]) -> None:
    with pytest.raises(Fault) as fault:
        decoded(stream(events), of_stream=True)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


@pytest.mark.parametrize(
    "block",
    [
        b'{"hologram":"\xff"}',
        b'{"citationsContent":{"content":[],"citations":[{"other":"\xff"}]}}',
        b'{"toolUse":{"toolUseId":"t","input":{"a":"\xff"}}}',
    ],
)
def test_what_is_kept_as_it_came_is_sound_text(block: bytes) -> None:
    body = b'{"output":{"message":{"content":[' + block + b']}},"stopReason":"end_turn"}'
    with pytest.raises(Fault) as fault:
        decoded(body, of_stream=False)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


def test_a_block_of_bedrock_itself_is_bounded() -> None:
    piece = event(*delta(0, toolUse={"input": "x" * (1 << 20)}))
    decoder = CONVERSE.decoder(stream=True, passing=None)
    decoder.feed(stream([START, begun(0, toolUse={"toolUseId": "t", "type": "server_tool_use"})]))
    with pytest.raises(Fault, match="too long"):
        for _ in range(17):
            decoder.feed(piece)


@pytest.mark.parametrize(
    ("exception", "message", "kind"),
    [
        ("throttlingException", "Too many requests", FaultKind.RATE_LIMITED),
        ("modelStreamErrorException", "broken", FaultKind.PROVIDER_ERROR),
        ("internalServerException", "oops", FaultKind.PROVIDER_ERROR),
        ("serviceUnavailableException", "busy", FaultKind.OVERLOADED),
        ("modelTimeoutException", "slow", FaultKind.PROVIDER_TIMEOUT),
        ("validationException", "Input is too long for requested model.", FaultKind.CONTEXT_LENGTH_EXCEEDED),
        ("validationException", "Malformed input request", FaultKind.INVALID_REQUEST),
        ("somethingNewException", "?", FaultKind.PROVIDER_ERROR),
    ],
)
def test_an_exception_inside_a_stream_keeps_its_meaning_and_none_of_its_words(
    exception: str, message: str, kind: FaultKind
) -> None:
    raw = stream([START, delta(0, text="x")]) + event(exception, {"message": message}, kind="exception")
    with pytest.raises(Fault) as fault:
        decoded(raw, of_stream=True)
    assert fault.value.kind is kind
    assert fault.value.provider_text == exception
    assert message not in fault.value.message


@pytest.mark.parametrize(
    ("case", "kind", "retry_after_s"),
    [
        ("rate_limit", FaultKind.RATE_LIMITED, 7.0),
        ("context_length", FaultKind.CONTEXT_LENGTH_EXCEEDED, None),
        ("content_filter", FaultKind.SAFETY_VIOLATION, None),
        ("bad_request", FaultKind.INVALID_REQUEST, None),
        ("authentication", FaultKind.PROVIDER_ERROR, None),
        ("overloaded", FaultKind.OVERLOADED, None),
    ],
)
def test_a_refusal_keeps_its_meaning(case: str, kind: FaultKind, retry_after_s: float | None) -> None:
    told = GOLDEN["errors"][case]
    fault = CONVERSE.fault(told["status"], told["headers"], json.dumps(told["body"]).encode())
    assert (fault.kind, fault.retry_after_s, fault.provider_status) == (kind, retry_after_s, told["status"])
    assert told["body"]["message"] in fault.provider_text
    assert told["body"]["message"] not in fault.message


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (400, {}, b'{"message":"The provided model identifier is invalid."}', FaultKind.MODEL_NOT_FOUND),
        (400, {}, b'{"message":"This model doesn\'t support tool use."}', FaultKind.UNSUPPORTED_PARAMETER),
        (400, {}, b'{"__type":"com.amazon.coral#ThrottlingException"}', FaultKind.RATE_LIMITED),
        (403, {}, b'{"Message":"User is not authorized"}', FaultKind.PROVIDER_ERROR),
        (403, {"x-amzn-errortype": "ExpiredTokenException"}, b'{"message":"expired"}', FaultKind.PROVIDER_ERROR),
        (404, {"x-amzn-errortype": "ResourceNotFoundException:http://x/"}, b"{}", FaultKind.MODEL_NOT_FOUND),
        (404, {}, b'{"message":"no such model"}', FaultKind.MODEL_NOT_FOUND),
        (408, {"x-amzn-errortype": "ModelTimeoutException"}, b"{}", FaultKind.PROVIDER_TIMEOUT),
        (424, {"x-amzn-errortype": "ModelErrorException"}, b'{"originalStatusCode":400}', FaultKind.PROVIDER_ERROR),
        (429, {"x-amzn-errortype": "ModelNotReadyException"}, b"{}", FaultKind.OVERLOADED),
        (400, {"x-amzn-errortype": "ServiceQuotaExceededException"}, b"{}", FaultKind.RATE_LIMITED),
        (500, {"x-amzn-errortype": "InternalServerException"}, b"{}", FaultKind.PROVIDER_ERROR),
        (503, {}, b"<html>busy</html>", FaultKind.OVERLOADED),
        (404, {}, b"<html>not here</html>", FaultKind.PROVIDER_ERROR),
        (400, {}, b"\xff\x00", FaultKind.PROVIDER_ERROR),
        (413, {}, b'{"message":"too large"}', FaultKind.PAYLOAD_TOO_LARGE),
    ],
)
def test_every_error_of_aws_has_its_kind(status: int, headers: dict[str, str], body: bytes, kind: FaultKind) -> None:
    fault = CONVERSE.fault(status, headers, body)
    assert fault.kind is kind
    assert fault.param == ("model" if kind is FaultKind.MODEL_NOT_FOUND else None)


@settings(deadline=None)
@given(
    st.sampled_from(["bedrock-converse", "bedrock-embeddings", "bedrock-count-tokens"]),
    st.binary(max_size=300) | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["output", "message", "content", "text", "toolUse", "input", "embedding", "embeddings",
                             "float", "stopReason", "usage", "inputTokens", "reasoningContent", "type", "delta"]),
            inner, max_size=4),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
    st.booleans(),
)  # fmt: skip
def test_arbitrary_bytes_are_an_answer_or_the_fault_of_the_provider(dialect: str, raw: bytes, streaming: bool) -> None:
    decoder = CODECS[dialect].decoder(stream=streaming, passing=None)
    try:
        events = [*decoder.feed(raw), *decoder.close()]
    except Fault as fault:
        kind = fault.kind
    else:
        kind = None
        assert isinstance(events[-1], Finished)
    assert kind in (None, FaultKind.PROVIDER_ERROR)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop",
                             "messageStop", "metadata", "ping"]),
            st.recursive(
                st.none() | st.integers(-1, 3) | st.text(max_size=4),
                lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
                    st.sampled_from(["contentBlockIndex", "delta", "start", "text", "toolUse", "input", "toolResult",
                                     "type", "citation", "image", "source", "bytes", "stopReason", "usage"]),
                    inner, max_size=4),
                max_leaves=10,
            ),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_arbitrary_messages_are_an_answer_or_the_fault_of_the_provider(events: list[tuple[str, object]]) -> None:
    kind = None
    try:
        decoded(stream([START, *events, STOP, META]), of_stream=True)
    except Fault as fault:
        kind = fault.kind
    assert kind in (None, FaultKind.PROVIDER_ERROR)
