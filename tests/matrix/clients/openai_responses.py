"""OpenAI's library, responses: its types, its stream, its own accumulation of one."""

from __future__ import annotations

import json
from typing import Any

from openai import OpenAI, omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.matrix.cases import ASKED, TOOLS
from tests.matrix.clients.given import BASE, Given
from tests.matrix.said import Said, joined, unknown, without_nothing

BEYOND = frozenset({"store", "name", "citations"})
"""What OpenAI's servers write and its library does not know; what its older editions want of the end of a call's arguments; the
citations that have no address."""

PATH = "/v1/responses"
_ASKED = ASKED["openai-responses"]
_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_LAST = ("response.completed", "response.incomplete")


class OpenAIResponsesClient:
    def __init__(self) -> None:
        self.given = Given()
        self._client = OpenAI(api_key="none", base_url=f"{BASE}/v1", max_retries=0, http_client=self.given.client())

    def whole(self, body: bytes, *, passed: bool = False) -> Said:
        if not passed:
            _check(Response.model_validate_json(body))
        self.given.gives(body, "application/json")
        return _said(self._client.responses.create(**_ASKED))

    def stream(self, body: bytes, *, passed: bool = False) -> Said:
        """The response that the last event has, which the deltas before it must amount to."""
        self.given.gives(body, "text/event-stream")
        state: ResponseStreamState[Any] = ResponseStreamState(text_format=omit, input_tools=omit)
        numbers, deltas, last = [], [], None
        for event in self._client.responses.create(**_ASKED, stream=True):
            if not passed:
                _check(_EVENT.validate_python(event.to_dict()))
            numbers.append(event.sequence_number)
            state.handle_event(event)
            if event.type in _LAST:
                last = event.response
            elif event.type == "response.output_text.delta":
                deltas.append(event.delta)
            if event.type == "response.output_item.added":
                assert event.item.to_dict().get("arguments", "") == ""
        assert numbers == list(range(len(numbers)))
        assert last is not None
        said = _said(last)
        assert joined(deltas) == said.text
        shown = state._ResponseStreamState__current_snapshot  # type: ignore[attr-defined]
        accumulated = _said(shown)
        assert (accumulated.text, accumulated.calls) == (said.text, said.calls)
        return said

    def refuse(self) -> None:
        self._client.responses.create(**_ASKED)

    def break_off(self) -> None:
        for _ in self._client.responses.create(**_ASKED, stream=True):
            pass

    def next_request(self, body: bytes) -> dict[str, Any]:
        answer = Response.construct(**json.loads(body))
        turn = [item.to_dict() for item in answer.output]
        results = [
            {"type": "function_call_output", "call_id": item.call_id, "output": "sunny"}
            for item in answer.output
            if item.type == "function_call"
        ]
        return {
            "model": "m",
            "input": [{"role": "user", "content": "x"}, *turn, *results],
            "tools": TOOLS["openai-responses"],
        }


def _check(answer: Any) -> None:
    strange = {path for path in unknown(answer) if path.rpartition(".")[2] not in BEYOND}
    assert not strange, strange


def _said(answer: Any) -> Said:
    contents = [part for item in answer.output if item.type == "message" for part in item.content]
    thought = [item for item in answer.output if item.type == "reasoning"]
    shown = [part for item in thought for part in (*item.summary, *(item.content or ()))]
    why = answer.incomplete_details.reason if answer.incomplete_details else None
    return Said(
        text=joined(part.text for part in contents if part.type == "output_text"),
        refusal=joined(part.refusal for part in contents if part.type == "refusal"),
        thinking=joined(part.text for part in shown),
        signatures=tuple(item.encrypted_content for item in thought if item.encrypted_content),
        calls=tuple(
            (item.call_id, item.name, json.loads(item.arguments))
            for item in answer.output
            if item.type == "function_call"
        ),
        stop=f"{answer.status}: {why}",
        usage=without_nothing(answer.usage.to_dict()) if answer.usage else {},
    )
