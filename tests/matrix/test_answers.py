"""Every answer of every target to every caller: as its golden one, and understood by the caller's library, whole and streamed alike."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from onevault.dialects.registry import INGRESS
from tests.matrix.carried import told_array, told_as_a_stream, told_stream, told_whole
from tests.matrix.cases import CALLERS, PAIRS, TARGETS, answers_of, thinking_with_calls
from tests.matrix.clients import CLIENTS, LIBRARIES
from tests.matrix.golden import frames, kept, stream_golden, whole_golden, written

CASES = [
    pytest.param(caller, target, case, id=f"{target} to {caller}: {case}")
    for caller, target in PAIRS
    for case in answers_of(target, "whole")
]


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
def test_a_whole_answer_is_written_as_its_golden_one(caller: str, target: str, case: str) -> None:
    assert written(whole_golden(caller, target, case)) == written(kept(caller, target)["whole"][case])


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
def test_a_stream_is_written_as_its_golden_one(caller: str, target: str, case: str) -> None:
    assert written(stream_golden(caller, target, case)) == written(kept(caller, target)["stream"][case])


@pytest.mark.parametrize(("caller", "target"), PAIRS)
def test_every_golden_answer_is_still_given(caller: str, target: str) -> None:
    for form in ("whole", "stream"):
        assert set(kept(caller, target)[form]) == set(answers_of(target, form))


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
def test_the_callers_library_makes_the_same_of_the_whole_answer_and_of_the_stream(
    caller: str, target: str, case: str
) -> None:
    client, passed = CLIENTS[caller], caller == target
    whole = client.whole(told_whole(caller, target, answers_of(target, "whole")[case]), passed=passed)
    stream = client.stream(told_stream(caller, target, answers_of(target, "stream")[case]), passed=passed)
    if caller == "anthropic-messages":
        # A stream tells the tier before the provider has said at which it served.
        whole.usage.pop("service_tier", None)
    if passed:
        # Whole and stream are two answers of a provider, which names calls as it likes.
        whole, stream = (replace(said, calls=tuple(call[1:] for call in said.calls)) for said in (whole, stream))
    assert stream == whole


CALLS = {"tools": ["get_weather"], "parallel_tools": ["get_weather", "get_weather"]}
STOPS = {
    "openai-chat": {"text": "stop", "length": "length", "tools": "tool_calls"},
    "openai-responses": {
        "text": "completed: None",
        "length": "incomplete: max_output_tokens",
        "tools": "completed: None",
    },
    "anthropic-messages": {"text": "end_turn: None", "length": "max_tokens: None", "tools": "tool_use: None"},
    "gemini": {"text": "STOP", "length": "MAX_TOKENS", "tools": "STOP"},
    "own": {"text": "stop", "length": "length", "tools": "tool_calls"},
}
LIKE = {"parallel_tools": "tools", "thinking": "text", "citations": "text"}


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
def test_what_the_provider_said_arrives(caller: str, target: str, case: str) -> None:
    passed = caller == target
    said = CLIENTS[caller].whole(told_whole(caller, target, answers_of(target, "whole")[case]), passed=passed)
    assert [name for _, name, _ in said.calls] == CALLS.get(case, [])
    if not passed:
        assert len({id for id, _, _ in said.calls if id}) == len(said.calls)
    assert all(set(arguments) == {"city"} for _, _, arguments in said.calls)
    assert (said.thinking != "") == (case == "thinking")
    assert (said.text != "") >= (case in ("text", "length", "thinking", "citations"))
    assert said.usage
    if case != "refusal_or_filter":
        assert said.stop == STOPS[caller][LIKE.get(case, case)]


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
def test_a_stream_is_the_same_however_its_events_are_batched(caller: str, target: str, case: str) -> None:
    answer = answers_of(target, "stream")[case]
    assert told_stream(caller, target, answer, one_by_one=True) == told_stream(caller, target, answer)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("caller", CALLERS)
def test_thinking_in_several_blocks_and_calls_after_it_are_the_same_told_in_pieces(caller: str, target: str) -> None:
    answer = thinking_with_calls(target)
    whole = CLIENTS[caller].whole(told_whole(caller, target, answer), passed=caller == target)
    stream = CLIENTS[caller].stream(told_as_a_stream(caller, target, answer))
    assert (stream.thinking, stream.text, stream.signatures) == (whole.thinking, whole.text, whole.signatures)
    assert [call[1:] for call in stream.calls] == [call[1:] for call in whole.calls]


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "gemini"])
def test_a_stream_as_an_array_has_the_same_frames(target: str) -> None:
    for answer in answers_of(target, "stream").values():
        assert json.loads(told_array(target, answer)) == frames(told_stream("gemini", target, answer))


@pytest.mark.parametrize("caller", LIBRARIES)
def test_a_library_asks_where_the_gateway_listens(caller: str) -> None:
    library = LIBRARIES[caller]
    library.whole(told_whole(caller, "bedrock-converse", answers_of("bedrock-converse", "whole")["text"]))
    assert library.given.path.replace("gemini-2.5-pro", "{model}") in INGRESS[caller].paths
