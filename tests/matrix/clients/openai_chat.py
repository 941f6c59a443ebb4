"""OpenAI's library, chat completions: its types, its stream, its own accumulation of one."""

from __future__ import annotations

import json
from typing import Any

from openai import OpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.matrix.cases import ASKED, TOOLS
from tests.matrix.clients.given import BASE, Given
from tests.matrix.said import Said, unknown, without_nothing

BEYOND = frozenset({"reasoning_content", "thinking_blocks", "citations", "extra_content"})
"""Fields of a message or a call that other servers of this dialect have."""

PATH = "/v1/chat/completions"
_ASKED = ASKED["openai-chat"]


class OpenAIChatClient:
    def __init__(self) -> None:
        self.given = Given()
        self._client = OpenAI(api_key="none", base_url=f"{BASE}/v1", max_retries=0, http_client=self.given.client())

    def whole(self, body: bytes, *, passed: bool = False) -> Said:
        if not passed:
            _check(ChatCompletion.model_validate_json(body))
        self.given.gives(body, "application/json")
        return _said(self._client.chat.completions.create(**_ASKED))

    def stream(self, body: bytes, *, passed: bool = False) -> Said:
        self.given.gives(body, "text/event-stream")
        state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
        for chunk in self._client.chat.completions.create(
            **_ASKED, stream=True, stream_options={"include_usage": True}
        ):
            if not passed:
                _check(ChatCompletionChunk.model_validate(chunk.to_dict()))
            state.handle_chunk(chunk)
        return _said(state.current_completion_snapshot)

    def refuse(self) -> None:
        self._client.chat.completions.create(**_ASKED)

    def break_off(self) -> None:
        for _ in self._client.chat.completions.create(**_ASKED, stream=True):
            pass

    def next_request(self, body: bytes) -> dict[str, Any]:
        """The conversation with the answer as the library's object, which it sends as it came."""
        answer = ChatCompletion.construct(**json.loads(body))
        message = answer.choices[0].message.to_dict()
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
            for call in answer.choices[0].message.tool_calls or ()
        ]
        return {"model": "m", "messages": [*_ASKED["messages"], message, *results], "tools": TOOLS["openai-chat"]}


def _check(answer: ChatCompletion | ChatCompletionChunk) -> None:
    strange = {path for path in unknown(answer) if path.rpartition(".")[2] not in BEYOND}
    assert not strange, strange


def _said(answer: Any) -> Said:
    (choice,) = answer.choices
    message = choice.message
    beyond = message.model_extra or {}
    return Said(
        text=message.content or "",
        refusal=message.refusal or "",
        thinking=beyond.get("reasoning_content") or "",
        signatures=tuple(block.get("signature") or block["data"] for block in beyond.get("thinking_blocks") or ()),
        calls=tuple(
            (call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()
        ),
        stop=choice.finish_reason,
        usage=without_nothing(answer.usage.to_dict()) if answer.usage else {},
    )
