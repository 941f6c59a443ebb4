"""Callers of every dialect: the official SDKs, and plain HTTP for the gateway's own, each asked and answering in one form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import Message
from typing import Any
from urllib.error import HTTPError

import anthropic
from google import genai
from google.genai import types

from tests.support.asking import CITY, DESCRIPTION, PERSON, PNG, THOUGHT_TOKENS, Ask, Said, Talker
from tests.support.openai_callers import Chat, Completions, Responses, chat_body, chat_turns, messages_of
from tests.support.processes import http


class Messages:
    """`messages` of the Anthropic SDK."""

    def __init__(self, url: str, key: str) -> None:
        self._client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)

    def close(self) -> None:
        self._client.close()

    def ask(self, model: str, ask: Ask, *, stream: bool) -> Said:
        body = self._body(model, ask)
        if not stream:
            answer = self._client.messages.with_raw_response.create(**body)
            return self._said(answer.parse(), answer.headers)
        with self._client.messages.stream(**body) as told:
            return self._said(told.get_final_message(), told.response.headers)

    def turns(self, ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
        told = zip(said.ids, results, strict=True)
        blocks = [{"type": "tool_result", "tool_use_id": call, "content": result} for call, result in told]
        return (*self._body("", ask)["messages"], *said.turn, {"role": "user", "content": blocks})

    def _body(self, model: str, ask: Ask) -> dict[str, Any]:
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        messages = messages_of(ask, {"type": "image", "source": source})
        body: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": ask.limit}
        if ask.tools:
            body["tools"] = [{"name": "weather", "description": DESCRIPTION, "input_schema": CITY}]
        if ask.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": PERSON}}
        if ask.thinks:
            body["thinking"] = {"type": "enabled", "budget_tokens": THOUGHT_TOKENS}
        return body

    def _said(self, answer: Any, headers: Mapping[str, str]) -> Said:
        usage, calls = answer.usage, [block for block in answer.content if block.type == "tool_use"]
        assert answer.stop_reason == ("tool_use" if calls else "end_turn")
        return Said(
            text="".join(block.text for block in answer.content if block.type == "text"),
            calls=[(call.name, call.input) for call in calls],
            ids=[call.id for call in calls],
            thought="".join(block.thinking for block in answer.content if block.type == "thinking"),
            input_tokens=usage.input_tokens
            + (usage.cache_read_input_tokens or 0)
            + (usage.cache_creation_input_tokens or 0),
            output_tokens=usage.output_tokens,
            headers=headers,
            turn=[{"role": "assistant", "content": [block.to_dict(mode="json") for block in answer.content]}],
        )


class Gemini:
    """`generate_content` and its stream of the Google Gen AI SDK."""

    def __init__(self, url: str, key: str) -> None:
        self._client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url))

    def close(self) -> None:
        self._client.close()

    def ask(self, model: str, ask: Ask, *, stream: bool) -> Said:
        asked: dict[str, Any] = {"model": model, "contents": self._contents(ask), "config": self._config(ask)}
        if stream:
            return self._said(list(self._client.models.generate_content_stream(**asked)))
        return self._said([self._client.models.generate_content(**asked)])

    def turns(self, ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
        answers = [
            types.Part(function_response=types.FunctionResponse(id=call, name=name, response={"output": result}))
            for call, (name, _), result in zip(said.ids, said.calls, results, strict=True)
        ]
        return (*self._contents(ask), *said.turn, types.Content(role="user", parts=answers))

    def _contents(self, ask: Ask) -> list[Any]:
        image = {"inline_data": {"mime_type": "image/png", "data": PNG}}
        parts = [{"text": ask.text}, *([image] if ask.image else [])]
        return [*ask.before, *([{"role": "user", "parts": parts}] if ask.text else [])]

    def _config(self, ask: Ask) -> types.GenerateContentConfig:
        config = types.GenerateContentConfig(max_output_tokens=ask.limit)
        if ask.tools:
            function: Any = {"name": "weather", "description": DESCRIPTION, "parameters_json_schema": CITY}
            config.tools = [types.Tool(function_declarations=[types.FunctionDeclaration(**function)])]
        if ask.schema:
            config.response_mime_type = "application/json"
            config.response_json_schema = PERSON
        if ask.thinks:
            config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_budget=THOUGHT_TOKENS)
        return config

    def _said(self, answers: list[types.GenerateContentResponse]) -> Said:
        candidates = [answer.candidates[0] for answer in answers if answer.candidates]
        assert candidates[-1].finish_reason == types.FinishReason.STOP
        parts = [part for found in candidates if found.content for part in found.content.parts or []]
        calls = [part.function_call for part in parts if part.function_call]
        usage, head = answers[-1].usage_metadata, answers[0].sdk_http_response
        assert usage is not None
        assert head is not None
        return Said(
            text="".join(part.text or "" for part in parts if not part.thought),
            calls=[(call.name or "", call.args) for call in calls],
            ids=[call.id for call in calls],
            thought="".join(part.text or "" for part in parts if part.thought),
            input_tokens=usage.prompt_token_count or 0,
            output_tokens=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
            headers=head.headers or {},
            turn=[types.Content(role="model", parts=parts)],
        )


class BrokenOff(Exception):
    """A stream of the own dialect that ended in an error."""


class Own:
    """The gateway's own dialect over plain HTTP."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = f"{url}/v1/ai/completions", key

    def close(self) -> None:
        """Nothing stays open."""

    def ask(self, model: str, ask: Ask, *, stream: bool) -> Said:
        status, headers, answer = http(self._url, key=self._key, body=chat_body(model, ask) | {"stream": stream})
        if status != 200:
            told = Message()
            for name, value in headers.items():
                told[name] = value
            raise HTTPError(self._url, status, json.dumps(answer), told, None)
        if stream:
            frames = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: ")]
            if "error" in frames[-1]:
                raise BrokenOff(frames[-1]["error"]["code"])
            assert frames[-1]["done"] is True
            answer = _folded(frames)
        calls = answer.get("tool_calls", [])
        return Said(
            text=answer["content"] or "",
            calls=[(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls],
            ids=[call["id"] for call in calls],
            thought=answer.get("reasoning", ""),
            input_tokens=answer["usage"]["input_tokens"],
            output_tokens=answer["usage"]["output_tokens"],
            headers=headers,
            turn=[{"role": "assistant"} | {name: answer[name] for name in _SENT_BACK if answer.get(name)}],
        )

    def turns(self, ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
        return chat_turns(ask, said, results)


_SENT_BACK = ("content", "tool_calls", "thinking_blocks", "opaque_blocks")


def _folded(frames: list[dict[str, Any]]) -> dict[str, Any]:
    calls: dict[int, dict[str, Any]] = {}
    for delta in (delta for frame in frames for delta in frame.get("tool_calls", ())):
        if delta["index"] in calls:
            calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]
        else:
            calls[delta["index"]] = delta
    return frames[-1] | {
        "content": "".join(frame.get("content", "") for frame in frames),
        "reasoning": "".join(frame.get("reasoning", "") for frame in frames),
        "tool_calls": [calls[index] for index in sorted(calls)],
        "thinking_blocks": [block for frame in frames for block in frame.get("thinking_blocks", ())],
    }


CALLERS: Mapping[str, type[Chat | Responses | Messages | Gemini | Own]] = {
    "chat": Chat,
    "responses": Responses,
    "messages": Messages,
    "gemini": Gemini,
    "own": Own,
}
"""By name, those who can say everything."""


class CallerOf:
    """Callers by name, each made once for a key; `key` is that of those who name none."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key
        self._made: dict[tuple[str, str], Talker] = {}
        self.completions = Completions(url, key)

    def __call__(self, name: str, key: str = "") -> Talker:
        found = self._made.get((name, key))
        if found is None:
            found = self._made[name, key] = CALLERS[name](self._url, key or self._key)
        return found

    def close(self) -> None:
        self.completions.close()
        for caller in self._made.values():
            caller.close()
