"""A turn that thought, signed its thinking and called two tools goes to a caller, comes back in the next request, and goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.matrix.carried import sent, told_whole
from tests.matrix.cases import PAIRS, TARGETS, read, thinking_with_calls
from tests.matrix.clients import CLIENTS
from tests.matrix.round_trip import calls_in, results_in, signatures_in

ELSEWHERE = [(caller, target, other) for caller, target in PAIRS for other in TARGETS if other != target]
SAME_MODELS = {("anthropic-messages", "bedrock-converse")}
"""Claude on Bedrock is sent what Claude signed elsewhere."""


def next_request(caller: str, target: str) -> dict[str, Any]:
    return CLIENTS[caller].next_request(told_whole(caller, target, thinking_with_calls(target)))


@pytest.mark.parametrize(("caller", "target"), PAIRS)
def test_a_turn_comes_back_to_its_provider_as_the_provider_gave_it(caller: str, target: str) -> None:
    given = json.loads(thinking_with_calls(target))
    back = json.loads(sent(read(caller, next_request(caller, target)), target).body)
    assert signatures_in(back) == signatures_in(given)
    assert calls_in(back) == calls_in(given)
    assert len(calls_in(back)) == 2


@pytest.mark.parametrize(("caller", "target", "other"), ELSEWHERE)
def test_no_other_provider_is_sent_what_one_has_signed(caller: str, target: str, other: str) -> None:
    given = json.loads(thinking_with_calls(target))
    wire = sent(read(caller, next_request(caller, target)), other)
    if (target, other) in SAME_MODELS:
        assert len(signatures_in(json.loads(wire.body))) == len(signatures_in(given))
        return
    assert signatures_in(json.loads(wire.body)) == []
    for signature in signatures_in(given):
        assert signature not in wire.body.decode()
    assert ("thinking" in wire.dropped) >= bool(signatures_in(given))


@pytest.mark.parametrize(("caller", "target", "other"), ELSEWHERE)
def test_another_provider_is_sent_the_same_calls_and_each_with_its_result(caller: str, target: str, other: str) -> None:
    given = json.loads(thinking_with_calls(target))
    went = json.loads(sent(read(caller, next_request(caller, target)), other).body)
    assert [call[1:] for call in calls_in(went)] == [call[1:] for call in calls_in(given)]
    ids = [id for id, _, _ in calls_in(went)]
    assert results_in(went) == ids
    assert len(set(ids)) == 2
