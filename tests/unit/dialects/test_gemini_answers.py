"""What becomes of a Gemini provider's answer, and of others' answers for a Gemini caller, judged by Google's own SDK."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.genai import types as genai_types
from hypothesis import given, settings
from hypothesis import strategies as st

from onevault.api.errors import status_of
from onevault.core.chat import RedactedThinking, Thinking
from onevault.core.codec import AnswerFacts, RequestLine
from onevault.core.events import (
    AnswerStarted,
    ChoiceEnded,
    CitationAdded,
    Cited,
    Event,
    Finished,
    LogprobsAdded,
    MediaAdded,
    OpaqueAdded,
    Passed,
    RefusalAdded,
    StopReason,
    TextAdded,
    ThinkingAdded,
    ThinkingRedacted,
    ThinkingSigned,
    TokensCounted,
    ToolArgumentsAdded,
    ToolCallStarted,
    UsageReported,
)
from onevault.core.faults import Fault, FaultKind
from onevault.core.usage import NO_USAGE, Usage
from onevault.dialects.gemini.faults import error_document
from onevault.dialects.gemini.writer import GeminiWriter
from onevault.dialects.registry import CODECS, INGRESS

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "provider" / "gemini.json").read_text(encoding="utf-8")
)
GEMINI = CODECS["gemini"]
HI = b'{"contents":[{"parts":[{"text":"Hi"}]}]}'
WHOLE = INGRESS["gemini"].read(HI, RequestLine("/v1beta/models/m:generateContent"))
EVENTS = INGRESS["gemini"].read(HI, RequestLine("/v1beta/models/m:streamGenerateContent", {"alt": "sse"}))
ARRAY = INGRESS["gemini"].read(HI, RequestLine("/v1beta/models/m:streamGenerateContent"))
S1, S2 = "CiQB0e2KbkZpcnN0U2lnbmF0dXJl", "CiQB0e2KblNlY29uZFNpZ25hdHVyZQ=="
STREAMS: dict[str, str] = GOLDEN["stream"]
NAMES = (
    *("candidates", "content", "parts", "text", "functionCall", "args", "index", "finishReason", "error", "values"),
    *("usageMetadata", "promptTokenCount", "groundingMetadata", "groundingChunks", "thoughtSignature", "predictions"),
    *("logprobsResult", "chosenCandidates", "citationMetadata", "embedding"),
)


def decoded(body: bytes, *, stream: bool = False, passing: Any = None, sizes: tuple[int, ...] = ()) -> list[Event]:
    decoder = GEMINI.decoder(stream=stream, passing=passing)
    events: list[Event] = []
    at = 0
    for size in sizes:
        events += decoder.feed(body[at : at + size])
        at += size
    return [*events, *decoder.feed(body[at:]), *decoder.close()]


def answer(*parts: Any, reason: str | None = "STOP", **more: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, **more}
    if reason:
        candidate["finishReason"] = reason
    return json.dumps({"candidates": [candidate], "responseId": "r-1", "modelVersion": "g"}).encode()


def content(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, AnswerStarted | UsageReported | ChoiceEnded | Finished)]


def ends(events: list[Event]) -> list[StopReason]:
    return [event.reason for event in events if isinstance(event, ChoiceEnded)]


def folded(events: list[Event]) -> list[Event]:
    """The same with texts in a row as one."""
    out: list[Event] = []
    for event in content(events):
        last = out[-1] if out else None
        if isinstance(event, TextAdded | ThinkingAdded) and type(last) is type(event) and last.part == event.part:
            out[-1] = type(event)(last.text + event.text, event.part, event.choice)
        else:
            out.append(event)
    return out


# ---- decoding


CASES: dict[str, tuple[list[Event], StopReason]] = {
    "text": ([TextAdded("Hello, world.")], StopReason.END),
    "tools": (
        [
            ThinkingSigned(S1, 0, 0, "gemini"),
            ToolCallStarted(0, "call_resp1_0_0", "get_weather", 1),
            ToolArgumentsAdded(0, '{"city":"Paris"}', 1),
        ],
        StopReason.TOOL_CALLS,
    ),
    "parallel_tools": (
        [
            ThinkingSigned(S1, 0, 0, "gemini"),
            ToolCallStarted(0, "call_resp1_0_0", "get_weather", 1),
            ToolArgumentsAdded(0, '{"city":"Paris"}', 1),
            ToolCallStarted(1, "call_resp1_0_1", "get_weather", 2),
            ToolArgumentsAdded(1, '{"city":"Rome"}', 2),
        ],
        StopReason.TOOL_CALLS,
    ),
    "thinking": (
        [ThinkingAdded("Let me think.", 0), TextAdded("Hello, world.", 1), ThinkingSigned(S2, 2, 0, "gemini")],
        StopReason.END,
    ),
    "length": ([TextAdded("Hello, wor")], StopReason.LENGTH),
    "refusal_or_filter": ([], StopReason.CONTENT_FILTER),
}


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("form", ["whole", "stream"])
def test_an_answer_is_these_events(case: str, form: str) -> None:
    if form == "stream":
        events = decoded(STREAMS[case].encode(), stream=True)
    else:
        body = json.dumps(GOLDEN["whole"][case], separators=(",", ":")).encode()
        events = decoded(body)
    assert folded(events) == CASES[case][0]
    assert ends(events) == [CASES[case][1]]
    assert isinstance(events[0], AnswerStarted)
    assert (events[0].id, events[0].model) == ("resp1", "gemini-2.5-flash")
    said = GOLDEN["whole"][case]["usageMetadata"]
    usage = next(event.usage for event in reversed(events) if isinstance(event, UsageReported))
    assert usage.total_tokens == said["totalTokenCount"]
    assert usage.reasoning_tokens == said.get("thoughtsTokenCount", 0)
    assert isinstance(events[-1], Finished)


@settings(max_examples=60, deadline=None)
@given(
    case=st.sampled_from(sorted(STREAMS)),
    sizes=st.lists(st.integers(1, 400), max_size=12),
    form=st.sampled_from(["canonical", "events", "array"]),
)
def test_any_split_gives_the_same(case: str, sizes: list[int], form: str) -> None:
    passing = {"canonical": None, "events": EVENTS, "array": ARRAY}[form]
    body = STREAMS[case].encode()
    split = decoded(body, stream=True, passing=passing, sizes=tuple(sizes))
    assert split == decoded(body, stream=True, passing=passing)
    if form == "events":
        assert b"".join(event.raw for event in split if isinstance(event, Passed | Finished)) == body


@settings(max_examples=150, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(NAMES),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(lambda document: json.dumps(document).encode()),
    ),
    stream=st.booleans(),
    dialect=st.sampled_from(sorted(name for name in CODECS if name.startswith(("gemini", "vertex")))),
)
def test_arbitrary_bytes_are_events_or_a_fault(body: bytes, stream: bool, dialect: str) -> None:
    for passing in (None, EVENTS if dialect == "gemini" else None):
        decoder = CODECS[dialect].decoder(stream=stream, passing=passing)
        try:
            events = [*decoder.feed(b"data: " + body + b"\n\n" if stream else body), *decoder.close()]
        except Fault:
            continue
        assert isinstance(events[-1], Finished)


@pytest.mark.parametrize(
    ("body", "stream"),
    [
        (b"", False),
        (b"{}", False),
        (b"<html>", False),
        (b'{"candidates":[]}', False),
        (b'{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}', False),
        (b'{"candidates":[{"index":1e99,"finishReason":"STOP"}]}', False),
        (b"", True),
        (b"data: [DONE]\n\n", True),
        (b'data: {"candidates":[{"content":{"parts":[{"text":"x"}]}}]}\n\n', True),
        (b'data: {"candidates":[{"finishReason":"STOP"},{"index":1}]}\n\n', True),
        (b'data: {"candidates":[{"finishReason":"STOP"}]}\n\ndata: {"cand', True),
    ],
)
def test_what_is_no_answer_or_not_a_whole_one_is_a_provider_error(body: bytes, stream: bool) -> None:
    for passing in (None, EVENTS if stream else WHOLE):
        with pytest.raises(Fault) as fault:
            decoded(body, stream=stream, passing=passing)
        assert fault.value.kind is FaultKind.PROVIDER_ERROR


@pytest.mark.parametrize(
    ("finish_reason", "parts", "reason"),
    [
        ("STOP", [{"text": "x"}], StopReason.END),
        ("STOP", [{"functionCall": {"name": "f"}}], StopReason.TOOL_CALLS),
        ("MAX_TOKENS", [{"functionCall": {"name": "f"}}], StopReason.LENGTH),
        *((word, [], StopReason.CONTENT_FILTER) for word in (
            "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR",
        )),
        ("MALFORMED_FUNCTION_CALL", [], StopReason.END),
        ("UNEXPECTED_TOOL_CALL", [{"functionCall": {"name": "f"}}], StopReason.TOOL_CALLS),
        ("SOMETHING_NEW", [{"text": "x"}], StopReason.END),
    ],
)  # fmt: skip
def test_every_finish_reason_ends_an_answer(finish_reason: str, parts: list[Any], reason: StopReason) -> None:
    body = answer(*parts, reason=finish_reason)
    assert ends(decoded(body)) == [reason]
    assert ends(decoded(body, passing=WHOLE)) == [reason]


def test_candidates_are_choices_of_their_own() -> None:
    chunks = [
        {"candidates": [{"index": 0, "content": {"parts": [{"text": "a"}]}}, {"index": 1, "content": {"parts": [{"text": "b"}]}}]},
        {"candidates": [{"index": 1, "content": {"parts": [{"text": "B"}]}, "finishReason": "STOP"}]},
        {"candidates": [{"index": 0, "content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}]},
    ]  # fmt: skip
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    events = decoded(body, stream=True)
    assert [(event.choice, event.text) for event in events if isinstance(event, TextAdded)] == [
        (0, "a"),
        (1, "b"),
        (1, "B"),
    ]
    assert {event.choice: event.reason for event in events if isinstance(event, ChoiceEnded)} == {
        0: StopReason.TOOL_CALLS,
        1: StopReason.END,
    }


def test_calls_without_an_answers_id_still_have_ids_of_their_own() -> None:
    def ids(*cities: str) -> list[str]:
        calls = [{"functionCall": {"name": "f", "args": {"city": city}}} for city in cities]
        body = json.dumps({"candidates": [{"content": {"parts": calls}, "finishReason": "STOP"}]}).encode()
        return [event.id for event in decoded(body) if isinstance(event, ToolCallStarted)]

    assert ids("Paris", "Paris") == ids("Paris", "Paris")
    assert len({*ids("Paris", "Paris"), *ids("Rome")}) == 3


def test_media_code_and_what_is_new_are_kept() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "QQ=="}
    code = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "Qg=="}
    new = {"hologram": {"a": 1}}
    sketch = {"thought": True, "inlineData": {"mimeType": "image/png", "data": "c2s="}}
    events = content(
        decoded(answer(image, code, new, sketch, {"fileData": {"mimeType": "video/mp4", "fileUri": "https://v"}}))
    )
    assert events[:2] == [ThinkingSigned("QQ==", 0, 0, "gemini"), MediaAdded("image/png", "aGk=", part=1)]
    opaque = [event for event in events if isinstance(event, OpaqueAdded)]
    assert [(event.kind, json.loads(bytes(event.raw))) for event in opaque] == [
        ("executableCode", code),
        ("hologram", new),
        ("inlineData", sketch),
    ]
    assert events[-1] == MediaAdded("video/mp4", url="https://v", part=5)


def test_citations_count_characters_where_google_counts_bytes() -> None:
    text = "Zürich – groß. Bern."
    segment = {"startIndex": len("Zürich – groß. ".encode()), "endIndex": len(text.encode()), "text": "Bern."}
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}, {"retrievedContext": {"title": "B"}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0, 1, 7]}],
        "webSearchQueries": ["q1", "q2"],
    }
    events = decoded(answer({"text": text}, groundingMetadata=grounding))
    cited = [event.cited for event in events if isinstance(event, CitationAdded)]
    assert cited == [Cited("https://a", "A", "Bern.", 15, 20), Cited(None, "B", "Bern.", 15, 20), None]
    body = json.loads(answer({"text": text}, groundingMetadata=grounding)) | {"usageMetadata": {"promptTokenCount": 1}}
    for passing in (None, WHOLE):
        reports = [e.usage for e in decoded(json.dumps(body).encode(), passing=passing) if isinstance(e, UsageReported)]
        assert reports[-1].searches == 2


def test_recited_passages_are_citations() -> None:
    metadata = {"citationSources": [{"startIndex": 2, "endIndex": 4, "uri": "https://a", "license": "MIT"}]}
    events = decoded(answer({"text": "abcdef"}, citationMetadata=metadata))
    (citation,) = [event for event in events if isinstance(event, CitationAdded)]
    assert citation.cited == Cited("https://a", None, None, 2, 4)
    assert b'"MIT"' in bytes(citation.raw)


def test_log_probabilities_are_in_the_common_shape_and_come_back() -> None:
    chosen = [{"token": "é", "logProbability": -0.5, "tokenId": 7}]
    tops = [{"candidates": [*chosen, {"token": "e", "logProbability": -1.5, "tokenId": 8}]}]
    events = decoded(answer({"text": "é"}, logprobsResult={"chosenCandidates": chosen, "topCandidates": tops}))
    (logprobs,) = [event for event in events if isinstance(event, LogprobsAdded)]
    (token,) = json.loads(bytes(logprobs.raw))["content"]
    assert (token["token"], token["logprob"], token["bytes"]) == ("é", -0.5, [195, 169])
    assert [top["token"] for top in token["top_logprobs"]] == ["é", "e"]
    written = genai_types.GenerateContentResponse.model_validate_json(
        GeminiWriter(request_id="r", array=False).whole(events)
    )
    assert written.candidates is not None
    result = written.candidates[0].logprobs_result
    assert result is not None
    assert result.chosen_candidates is not None
    assert result.chosen_candidates[0].log_probability == -0.5


def test_usage_is_said_in_the_common_convention() -> None:
    def count(modality: str, tokens: int) -> dict[str, Any]:
        return {"modality": modality, "tokenCount": tokens}

    metadata = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "toolUsePromptTokenCount": 20,
        "candidatesTokenCount": 30,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 155,
        "promptTokensDetails": [count("TEXT", 40), count("AUDIO", 50), count("IMAGE", 10)],
        "cacheTokensDetails": [count("AUDIO", 45)],
        "candidatesTokensDetails": [count("AUDIO", 12), count("IMAGE", 3)],
        "trafficType": "ON_DEMAND_PRIORITY",
    }
    body = json.loads(answer({"text": "x"})) | {"usageMetadata": metadata}
    (report,) = [event for event in decoded(json.dumps(body).encode()) if isinstance(event, UsageReported)]
    assert report.usage == Usage(
        input_tokens=120,
        output_tokens=35,
        cache_read_tokens=60,
        reasoning_tokens=5,
        input_audio_tokens=50,
        output_audio_tokens=12,
        input_image_tokens=10,
        output_image_tokens=3,
        tier="priority",
        cache_read_audio_tokens=45,
    )


def test_a_blocked_prompt_is_a_safety_violation() -> None:
    body = json.dumps(GOLDEN["errors"]["content_filter"]["body"]).encode()
    for stream in (False, True):
        with pytest.raises(Fault) as fault:
            decoded(b"data: " + body + b"\n\n" if stream else body, stream=stream)
        assert fault.value.kind is FaultKind.SAFETY_VIOLATION
    assert ends(decoded(body, passing=WHOLE)) == [StopReason.CONTENT_FILTER]


# ---- writing


def written(events: list[Event], form: str) -> list[Any]:
    """The objects that a caller gets, each valid in Google's SDK."""
    writer = GeminiWriter(request_id="req-1", array=form == "array")
    if form == "whole":
        bodies = [json.loads(writer.whole(events))]
    else:
        raw = b"".join(writer.write([event]) + writer.comment("x") for event in events[:-1]) + writer.finish(events[-1])
        bodies = (
            json.loads(raw)
            if form == "array"
            else [json.loads(frame.removeprefix(b"data: ")) for frame in raw.split(b"\r\n\r\n")[:-1]]
        )
    for body in bodies:
        genai_types.GenerateContentResponse.model_validate(body)
    assert all(body["responseId"] == "req-1" for body in bodies)
    assert all(body["modelVersion"] == "m" for body in bodies)
    return bodies


def parts_in(bodies: list[Any]) -> list[Any]:
    parts = [part for body in bodies for candidate in body["candidates"] for part in candidate["content"]["parts"]]
    return [part for part in parts if part != {"text": ""}]


def said(*events: Event, reason: StopReason = StopReason.END) -> list[Event]:
    usage = UsageReported(Usage(input_tokens=9, output_tokens=7, reasoning_tokens=2, cache_read_tokens=4))
    return [AnswerStarted("id", "m"), *events, ChoiceEnded(reason), usage, Finished()]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("events", "parts"),
    [
        ([TextAdded("Hi")], [{"text": "Hi"}]),
        ([RefusalAdded("No.")], [{"text": "No."}]),
        (
            [ThinkingAdded("T"), ThinkingSigned("EqQB", 0, 0, "anthropic-messages"), TextAdded("Hi", 1)],
            [{"text": "T", "thought": True, "thoughtSignature": b64("anthropic-messages#EqQB")}, {"text": "Hi"}],
        ),
        (
            [ThinkingRedacted("D", 0, 0, "openai-responses"), TextAdded("Hi", 1)],
            [{"text": "", "thought": True, "thoughtSignature": b64("openai-responses#redacted:D")}, {"text": "Hi"}],
        ),
        (
            [
                ToolCallStarted(0, "a", "f", 0), ToolCallStarted(1, "b", "g", 1), ToolArgumentsAdded(1, '{"n"', 1),
                ToolArgumentsAdded(0, '{"m":1', 0), ToolArgumentsAdded(1, ":2}", 1), ToolArgumentsAdded(0, "}", 0),
            ],
            [
                {"functionCall": {"id": "a", "name": "f", "args": {"m": 1}}},
                {"functionCall": {"id": "b", "name": "g", "args": {"n": 2}}},
            ],
        ),
        (
            [ThinkingSigned("QQ==", 0, 0, "gemini"), ToolCallStarted(0, "a", "f", 1), TextAdded("Hi", 2)],
            [{"text": "Hi"}, {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "QQ=="}],
        ),
        (
            [TextAdded("Hi"), ThinkingSigned("QQ==", 1, 0, "gemini")],
            [{"text": "Hi", "thoughtSignature": "QQ=="}],
        ),
        (
            [ToolCallStarted(0, "a", "f"), ToolArgumentsAdded(0, '{"city":"Par')],
            [{"functionCall": {"id": "a", "name": "f", "args": {"partial_json": '{"city":"Par'}}}],
        ),
        (
            [MediaAdded("image/png", "aGk="), MediaAdded("audio/wav", url="https://a", transcript="la", part=1)],
            [
                {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
                {"fileData": {"mimeType": "audio/wav", "fileUri": "https://a"}},
                {"text": "la"},
            ],
        ),
        (
            [OpaqueAdded("anthropic-messages", "server_tool_use", msgspec.Raw(b'{"a":1}'))],
            [
                {
                    "text": "",
                    "partMetadata": {
                        "opaque_block": {"dialect": "anthropic-messages", "kind": "server_tool_use", "raw": {"a": 1}}
                    },
                }
            ],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["whole", "events", "array"])
def test_an_answer_is_written_as_google_would(events: list[Event], parts: list[Any], form: str) -> None:
    bodies = written(said(*events), form)
    if form == "whole":
        assert parts_in(bodies) == parts
    else:  # a signature that ends a text or a thought comes in a piece of its own
        apart: list[Any] = []
        for part in parts:
            if "text" in part and part["text"] and "thoughtSignature" in part:
                signature = {name: value for name, value in part.items() if name not in ("text", "thoughtSignature")}
                apart += [{name: value for name, value in part.items() if name != "thoughtSignature"}]
                apart += [{"text": "", **signature, "thoughtSignature": part["thoughtSignature"]}]
            else:
                apart.append(part)
        assert parts_in(bodies) == apart
    last = bodies[-1]
    assert [candidate["finishReason"] for candidate in last["candidates"]] == ["STOP"]
    assert last["usageMetadata"]["promptTokenCount"] == 9
    assert last["usageMetadata"]["candidatesTokenCount"] == 5
    assert last["usageMetadata"]["thoughtsTokenCount"] == 2
    assert last["usageMetadata"]["cachedContentTokenCount"] == 4
    assert last["usageMetadata"]["totalTokenCount"] == 16


@pytest.mark.parametrize("form", ["whole", "events", "array"])
def test_what_a_caller_gets_of_another_provider_comes_back_from_it(form: str) -> None:
    """The history that Google's SDKs send is what they were sent, piece by piece."""
    opaque = OpaqueAdded("anthropic-messages", "server_tool_use", msgspec.Raw(b'{"a":1}'), 2)
    bodies = written(
        said(
            ThinkingAdded("I th"),
            ThinkingAdded("ink"),
            ThinkingSigned("EqQB#", 0, 0, "anthropic-messages"),
            ThinkingRedacted("D", 1, 0, "anthropic-messages"),
            opaque,
            TextAdded("Hel", 3),
            TextAdded("lo", 3),
            ToolCallStarted(0, "toolu_1", "f", 4),
            ToolArgumentsAdded(0, '{"n":1}', 4),
        ),
        form,
    )
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
    contents += [candidate["content"] for body in bodies for candidate in body["candidates"]]
    incoming = INGRESS["gemini"].read(
        json.dumps({"contents": contents}).encode(), RequestLine("/v1beta/models/m:generateContent")
    )
    message = incoming.canonical().messages[1]  # type: ignore[union-attr]
    assert message.parts[:2] == (
        Thinking(text="I think", signature="EqQB#", signed_by="anthropic-messages"),
        RedactedThinking(data="D", encrypted_by="anthropic-messages"),
    )
    assert (message.parts[2].dialect, json.loads(bytes(message.parts[2].raw))) == ("anthropic-messages", {"a": 1})
    assert "".join(part.text for part in message.parts[3:] if hasattr(part, "text")) == "Hello"
    (call,) = [part for part in message.parts if hasattr(part, "arguments")]
    assert (call.id, call.name, call.arguments.replace(" ", "")) == ("toolu_1", "f", '{"n":1}')


@pytest.mark.parametrize("form", ["whole", "events"])
def test_citations_are_written_in_bytes(form: str) -> None:
    raw = msgspec.Raw(b"{}")
    page = Cited("https://a", "A", None, 0, 4)
    events = said(
        TextAdded("Zürich. "),
        CitationAdded("anthropic-messages", raw, 1, 0, page),
        CitationAdded("anthropic-messages", raw, 1, 0, Cited(None, "Doc", "quoted")),
        TextAdded("Genève.", 1),
    )
    (grounding,) = [
        candidate["groundingMetadata"]
        for body in written(events, form)
        for candidate in body["candidates"]
        if "groundingMetadata" in candidate
    ]
    assert grounding["groundingChunks"] == [
        {"web": {"uri": "https://a", "title": "A"}},
        {"retrievedContext": {"title": "Doc", "text": "quoted"}},
    ]
    (support,) = grounding["groundingSupports"]
    text = "Zürich. Genève.".encode()
    assert text[support["segment"]["startIndex"] : support["segment"]["endIndex"]].decode() == "Genè"


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (StopReason.END, "STOP"),
        (StopReason.STOP_SEQUENCE, "STOP"),
        (StopReason.TOOL_CALLS, "STOP"),
        (StopReason.PAUSE, "STOP"),
        (StopReason.LENGTH, "MAX_TOKENS"),
        (StopReason.CONTEXT_LENGTH, "MAX_TOKENS"),
        (StopReason.CONTENT_FILTER, "SAFETY"),
        (StopReason.REFUSAL, "SAFETY"),
    ],
)
def test_every_end_has_googles_word(reason: StopReason, word: str) -> None:
    for form in ("whole", "events"):
        assert written(said(TextAdded("x"), reason=reason), form)[-1]["candidates"][0]["finishReason"] == word


def test_usage_that_no_provider_reported_is_the_gateways_own() -> None:
    events: list[Event] = [AnswerStarted("id", "m"), TextAdded("x"), ChoiceEnded(StopReason.END), Finished()]
    facts = AnswerFacts(usage=Usage(input_tokens=3, output_tokens=1))
    body = json.loads(GeminiWriter(request_id="r", array=False).whole(events, facts))
    assert body["usageMetadata"]["totalTokenCount"] == 4


def test_a_fault_ends_an_array_so_that_it_is_json() -> None:
    writer = GeminiWriter(request_id="r", array=True)
    begun = writer.write([AnswerStarted("id", "m"), TextAdded("x")])
    fault = Fault(FaultKind.PROVIDER_ERROR, "It broke.")
    assert json.loads(begun + writer.error_frame(fault))[1]["error"]["message"] == "It broke."
    assert json.loads(GeminiWriter(request_id="r", array=True).error_frame(fault))[0]["error"]["code"] == 502


# ---- faults


@pytest.mark.parametrize(
    ("case", "kind", "retry_after_s"),
    [
        ("rate_limit", FaultKind.RATE_LIMITED, 34.07),
        ("context_length", FaultKind.CONTEXT_LENGTH_EXCEEDED, None),
        ("bad_request", FaultKind.INVALID_REQUEST, None),
        ("authentication", FaultKind.PROVIDER_ERROR, None),
        ("overloaded", FaultKind.OVERLOADED, None),
    ],
)
def test_a_refusal_keeps_its_meaning(case: str, kind: FaultKind, retry_after_s: float | None) -> None:
    refusal = GOLDEN["errors"][case]
    for body in (refusal["body"], [refusal["body"]]):
        fault = GEMINI.fault(refusal["status"], refusal["headers"], json.dumps(body).encode())
        assert (fault.kind, fault.retry_after_s) == (kind, retry_after_s)
        assert fault.provider_status == refusal["status"]
        assert refusal["body"]["error"]["message"] not in fault.message
    frame = b"data: " + json.dumps(refusal["body"]).encode() + b"\r\n\r\n"
    for passing in (None, EVENTS, ARRAY):
        with pytest.raises(Fault) as broken:
            decoded(frame, stream=True, passing=passing)
        assert (broken.value.kind, broken.value.retry_after_s) == (kind, retry_after_s)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"status": "FAILED_PRECONDITION", "message": "Billing"}, FaultKind.PROVIDER_ERROR),
        (400, {"status": "INVALID_ARGUMENT", "message": "User location is not supported"}, FaultKind.PROVIDER_ERROR),
        (401, {"status": "UNAUTHENTICATED", "message": "x"}, FaultKind.PROVIDER_ERROR),
        (403, {"status": "PERMISSION_DENIED", "message": "x"}, FaultKind.PROVIDER_ERROR),
        (404, {"status": "NOT_FOUND", "message": "models/x is not found"}, FaultKind.MODEL_NOT_FOUND),
        (404, {"status": "NOT_FOUND", "message": "File x"}, FaultKind.INVALID_REQUEST),
        (429, {"status": "RESOURCE_EXHAUSTED", "message": "x"}, FaultKind.RATE_LIMITED),
        (499, {"status": "CANCELLED", "message": "x"}, FaultKind.PROVIDER_ERROR),
        (500, {"status": "INTERNAL", "message": "x"}, FaultKind.PROVIDER_ERROR),
        (503, {"status": "UNAVAILABLE", "message": "x"}, FaultKind.OVERLOADED),
        (504, {"status": "DEADLINE_EXCEEDED", "message": "x"}, FaultKind.PROVIDER_TIMEOUT),
        (400, {"message": 5, "status": 7, "details": "x"}, FaultKind.INVALID_REQUEST),
        (400, None, FaultKind.PROVIDER_ERROR),
        (413, None, FaultKind.PAYLOAD_TOO_LARGE),
    ],
)
def test_every_word_of_googles_has_a_kind(status: int, error: Any, kind: FaultKind) -> None:
    body = b"<html>" if error is None else json.dumps({"error": {"code": status, **error}}).encode()
    assert GEMINI.fault(status, {}, body).kind is kind


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_fault_is_told_in_googles_shape_with_the_status_that_it_is_answered_with(kind: FaultKind) -> None:
    fault = Fault(kind, "What went wrong.", param="contents[0]", retry_after_s=1.5)
    for document in (error_document(fault), json.loads(INGRESS["gemini"].error_body(fault, request_id="r"))):
        error = document["error"]
        assert (error["code"], error["message"]) == (status_of(kind), "What went wrong.")
        reason, violation, retry = error["details"]
        assert reason["reason"] == kind.value
        assert violation["fieldViolations"][0]["field"] == "contents[0]"
        assert retry["retryDelay"] == "1.5s"
    again = GEMINI.fault(status_of(kind), {}, INGRESS["gemini"].error_body(fault, request_id="r"))
    assert again.retry_after_s == 1.5


# ---- counting


def test_counts_reach_callers_of_both_dialects() -> None:
    codec = CODECS["gemini-count-tokens"]
    decoder = codec.decoder(stream=False, passing=None)
    events = [*decoder.feed(b'{"totalTokens": 31, "promptTokensDetails": []}'), *decoder.close()]
    assert events == [TokensCounted(31), UsageReported(NO_USAGE), Finished()]
    ingress = INGRESS["gemini-count-tokens"]
    asked = ingress.read(HI, RequestLine("/v1beta/models/m:countTokens"))
    body = ingress.writer(asked, request_id="r", created_s=0).whole(events)
    assert genai_types.CountTokensResponse.model_validate_json(body).total_tokens == 31
    assert body == b'{"totalTokens":31}'
