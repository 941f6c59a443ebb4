"""Every request of every caller to every target: as its golden one, valid in the target's library, in the caller's order."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from onevault.core.faults import Fault
from tests.matrix.carried import sent
from tests.matrix.cases import CALLERS, PAIRS, TARGETS, read, requests_of
from tests.matrix.golden import kept, request_golden, written
from tests.matrix.sent_valid import VALID

CASES = [
    pytest.param(caller, target, case, id=f"{caller} to {target}: {case}")
    for caller, target in PAIRS
    for case in requests_of(caller)
]
PASSED_ON = {("openai-chat", "tool_result_image"), ("openai-responses", "audio_data")}
"""What compatible servers take beyond OpenAI's; it is passed to them as the caller wrote it."""


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
def test_a_request_is_written_as_its_golden_one(caller: str, target: str, case: str) -> None:
    assert written(request_golden(caller, target, case)) == written(kept(caller, target)["requests"][case])


@pytest.mark.parametrize(("caller", "target"), PAIRS)
def test_every_golden_request_is_still_asked(caller: str, target: str) -> None:
    assert set(kept(caller, target)["requests"]) == set(requests_of(caller))


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_request_is_one_that_the_targets_library_would_send(
    caller: str, target: str, case: str, stream: bool
) -> None:
    try:
        wire = sent(read(caller, requests_of(caller)[case], stream=stream), target)
    except Fault:
        assert "fault" in kept(caller, target)["requests"][case]
        return
    if caller != target or (caller, case) not in PASSED_ON:
        VALID[target](wire.path, json.loads(wire.body))


@pytest.mark.parametrize(("caller", "target", "case"), CASES)
def test_a_request_written_twice_is_the_same_bytes(caller: str, target: str, case: str) -> None:
    assert written_out(caller, target, case) == written_out(caller, target, case)


def written_out(caller: str, target: str, case: str) -> Any:
    """A request as bytes and all, or where it is at fault."""
    try:
        return sent(read(caller, requests_of(caller)[case]), target)
    except Fault as fault:
        return fault.kind, fault.param


FUNCTION = {"description": "A tool."}


def with_tools(caller: str, names: list[str], keys: list[str]) -> dict[str, Any]:
    """A request with these tools, whose parameters have these keys."""
    schema = {"type": "object", "properties": {key: {"type": "string"} for key in keys}, "required": keys}
    functions = [{"name": name, **FUNCTION, "parameters": schema} for name in names]
    match caller:
        case "openai-responses":
            tools: list[Any] = [{"type": "function", **function, "strict": False} for function in functions]
        case "anthropic-messages":
            tools = [{"name": name, **FUNCTION, "input_schema": schema} for name in names]
        case "gemini":
            tools = [
                {"functionDeclarations": [{"name": name, **FUNCTION, "parametersJsonSchema": schema} for name in names]}
            ]
        case _:
            tools = [{"type": "function", "function": function} for function in functions]
    return {**requests_of(caller)["text"], "tools": tools}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("caller", CALLERS)
def test_tools_and_their_keys_stay_in_the_callers_order(caller: str, target: str) -> None:
    names, keys = [f"tool_{letter}" for letter in "abcdefgh"], [f"key_{letter}" for letter in "abcdefgh"]
    for seed in range(8):
        shuffle = random.Random(seed).shuffle
        shuffle(names)
        shuffle(keys)
        body = sent(read(caller, with_tools(caller, names, keys)), target).body.decode()
        assert re.findall("tool_[a-h]", body) == names
        assert re.findall("key_[a-h]", body) == [key for _ in names for key in (*keys, *keys)]
