"""Anthropic's library, messages: its types, its stream, its own accumulation of one."""

from __future__ import annotations

import json
from typing import Any

from anthropic import Anthropic
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from tests.matrix.cases import ASKED, TOOLS
from tests.matrix.clients.given import BASE, Given
from tests.matrix.said import Said, joined, unknown, without_nothing

PATH = "/v1/messages"
_ASKED = ASKED["anthropic-messages"]
_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


class AnthropicClient:
    def __init__(self) -> None:
        self.given = Given()
        self._client = Anthropic(api_key="none", base_url=BASE, max_retries=0, http_client=self.given.client())

    def whole(self, body: bytes, *, passed: bool = False) -> Said:
        if not passed:
            _check(Message.model_validate_json(body))
        self.given.gives(body, "application/json")
        return _said(self._client.messages.create(**_ASKED))

    def stream(self, body: bytes, *, passed: bool = False) -> Said:
        self.given.gives(body, "text/event-stream")
        message: Any = None
        buffers: dict[int, bytes] = {}
        kinds = []
        for event in self._client.messages.create(**_ASKED, stream=True):
            if not passed:
                _check(_EVENT.validate_python(event.to_dict()))
            kinds.append(event.type)
            message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)
        assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
        return _said(message)

    def refuse(self) -> None:
        self._client.messages.create(**_ASKED)

    def break_off(self) -> None:
        for _ in self._client.messages.create(**_ASKED, stream=True):
            pass

    def next_request(self, body: bytes) -> dict[str, Any]:
        answer = Message.construct(**json.loads(body))
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": "sunny"}
            for block in answer.content
            if block.type == "tool_use"
        ]
        turn = {"role": "assistant", "content": [block.to_dict() for block in answer.content]}
        messages = [*_ASKED["messages"], turn, {"role": "user", "content": results}]
        return {**_ASKED, "messages": messages, "tools": TOOLS["anthropic-messages"]}


def _check(answer: Any) -> None:
    strange = set(unknown(answer))
    assert not strange, strange


def _said(message: Any) -> Said:
    blocks = message.content
    return Said(
        text=joined(block.text for block in blocks if block.type == "text"),
        thinking=joined(block.thinking for block in blocks if block.type == "thinking"),
        signatures=tuple(
            block.signature if block.type == "thinking" else block.data
            for block in blocks
            if block.type in ("thinking", "redacted_thinking")
        ),
        calls=tuple((block.id, block.name, block.input) for block in blocks if block.type == "tool_use"),
        stop=f"{message.stop_reason}: {message.stop_sequence}",
        usage=without_nothing(message.usage.to_dict()),
    )
