"""Callers of every dialect: the official SDKs, and plain HTTP for the gateway's own, each asked and answering in one form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Protocol
from urllib.error import HTTPError

import anthropic
import openai
from google import genai
from google.genai import types
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.support.processes import http

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DESCRIPTION = "The weather of a city."
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
THOUGHT_TOKENS = 1024


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is asked: a text, and what comes with it. `thinks`: thoughts are to be shown."""

    text: str
    tools: bool = False
    image: bool = False
    schema: bool = False
    thinks: bool = False
    output_tokens: int = 300
    before: tuple[Any, ...] = ()
    """Earlier turns, as the caller's dialect writes them; `text` is then the newest of the user, unless it is empty."""

    @property
    def limit(self) -> int:
        return self.output_tokens + (THOUGHT_TOKENS if self.thinks else 0)


@dataclass(kw_only=True)
class Said:
    """What a caller's SDK shows. `calls` are names and arguments; input tokens include cached ones, output tokens thoughts."""

    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    thought: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    turn: list[Any] = field(default_factory=list)
    """The same as its SDK would send it back."""


class Caller(Protocol):
    """One client of the gateway."""

    def ask(self, model: str, ask: Ask, *, stream: bool) -> Said: ...
    def close(self) -> None: ...


class Talker(Caller, Protocol):
    """One that has more than one turn."""

    def turns(self, ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
        """What was asked and said, and what the tools that were called answered, as turns before the next."""


def _messages(ask: Ask, image: Any) -> list[Any]:
    content = [{"type": "text", "text": ask.text}, image] if ask.image else ask.text
    return [*ask.before, *([{"role": "user", "content": content}] if ask.text else [])]


_IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
_FUNCTION = {"name": "weather", "description": DESCRIPTION, "parameters": CITY}
_SCHEMA = {"name": "person", "schema": PERSON, "strict": True}


def _chat_turns(ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
    told = zip(said.ids, results, strict=True)
    answers = [{"role": "tool", "tool_call_id": call, "content": result} for call, result in told]
    return (*_messages(ask, _IMAGE), *said.turn, *answers)


def _chat_body(model: str, ask: Ask) -> dict[str, Any]:
    body = {"model": model, "messages": _messages(ask, _IMAGE), "max_tokens": ask.limit}
    if ask.tools:
        body["tools"] = [{"type": "function", "function": _FUNCTION}]
    if ask.schema:
        body["response_format"] = {"type": "json_schema", "json_schema": _SCHEMA}
    if ask.thinks:
        body["reasoning_effort"] = "low"
    return body


class Chat:
    """`chat.completions` of the OpenAI SDK."""

    def __init__(self, url: str, key: str) -> None:
        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def close(self) -> None:
        self._client.close()

    def ask(self, model: str, ask: Ask, *, stream: bool) -> Said:
        raw = self._client.chat.completions.with_raw_response
        if not stream:
            answer = raw.create(**_chat_body(model, ask))
            return self._said(answer.parse(), answer.headers)
        told = raw.create(**_chat_body(model, ask), stream=True, stream_options={"include_usage": True})
        state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
        for chunk in told.parse():
            state.handle_chunk(chunk)
        return self._said(state.current_completion_snapshot, told.headers)

    def turns(self, ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
        return _chat_turns(ask, said, results)

    def _said(self, answer: Any, headers: Mapping[str, str]) -> Said:
        message, usage = answer.choices[0].message, answer.usage
        assert answer.choices[0].finish_reason == ("tool_calls" if message.tool_calls else "stop")
        calls = message.tool_calls or []
        return Said(
            text=message.content or "",
            calls=[(call.function.name, json.loads(call.function.arguments)) for call in calls],
            ids=[call.id for call in calls],
            thought=getattr(message, "reasoning_content", None) or "",
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            headers=headers,
            turn=[message.model_dump(exclude_none=True)],
        )


class Responses:
    """`responses` of the OpenAI SDK."""

    def __init__(self, url: str, key: str) -> None:
        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def close(self) -> None:
        self._client.close()

    def ask(self, model: str, ask: Ask, *, stream: bool) -> Said:
        raw = self._client.responses.with_raw_response
        if not stream:
            answer = raw.create(**self._body(model, ask))
            return self._said(answer.parse(), answer.headers)
        told = raw.create(**self._body(model, ask), stream=True)
        events = list(told.parse())
        assert events[-1].type == "response.completed"
        assert [event.sequence_number for event in events] == list(range(len(events)))
        said = self._said(events[-1].response, told.headers)
        assert _joined(events, "response.output_text.delta") == said.text
        arguments = [event.arguments for event in events if event.type == "response.function_call_arguments.done"]
        assert list(map(json.loads, arguments)) == [arguments for _, arguments in said.calls]
        return said

    def turns(self, ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
        told = zip(said.ids, results, strict=True)
        answers = [{"type": "function_call_output", "call_id": call, "output": result} for call, result in told]
        return (*self._body("", ask)["input"], *said.turn, *answers)

    def _body(self, model: str, ask: Ask) -> dict[str, Any]:
        parts = [{"type": "input_text", "text": ask.text}]
        if ask.image:
            parts.append({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"})
        asked = [{"role": "user", "content": parts}] if ask.text else []
        body: dict[str, Any] = {"model": model, "input": [*ask.before, *asked], "max_output_tokens": ask.limit}
        if ask.tools:
            body["tools"] = [{"type": "function", "strict": False, **_FUNCTION}]
        if ask.schema:
            body["text"] = {"format": {"type": "json_schema", **_SCHEMA}}
        if ask.thinks:
            body["reasoning"] = {"effort": "low", "summary": "auto"}
            body["include"] = ["reasoning.encrypted_content"]
        return body

    def _said(self, answer: Any, headers: Mapping[str, str]) -> Said:
        assert answer.status == "completed"
        calls = [item for item in answer.output if item.type == "function_call"]
        summaries = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
        return Said(
            text=answer.output_text,
            calls=[(call.name, json.loads(call.arguments)) for call in calls],
            ids=[call.call_id for call in calls],
            thought="".join(summaries),
            input_tokens=answer.usage.input_tokens,
            output_tokens=answer.usage.output_tokens,
            headers=headers,
            turn=[item.model_dump(exclude_none=True) for item in answer.output],
        )


def _joined(events: list[Any], kind: str) -> str:
    return "".join(event.delta for event in events if event.type == kind)


class Completions:
    """The legacy `completions` of the OpenAI SDK: text in, text out."""

    def __init__(self, url: str, key: str) -> None:
        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def close(self) -> None:
        self._client.close()

    def ask(self, model: str, ask: Ask, *, stream: bool) -> Said:
        raw = self._client.completions.with_raw_response
        body: dict[str, Any] = {"model": model, "prompt": ask.text, "max_tokens": ask.limit}
        if stream:
            told = raw.create(**body, stream=True, stream_options={"include_usage": True})
            answers, headers = list(told.parse()), told.headers
        else:
            whole = raw.create(**body)
            answers, headers = [whole.parse()], whole.headers
        choices = [choice for answer in answers for choice in answer.choices]
        assert choices[-1].finish_reason == "stop"
        usage = answers[-1].usage
        assert usage is not None
        return Said(
            text="".join(choice.text for choice in choices),
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            headers=headers,
        )


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
        messages = _messages(ask, {"type": "image", "source": source})
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
            function = {"name": "weather", "description": DESCRIPTION, "parameters_json_schema": CITY}
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
        status, headers, answer = http(self._url, key=self._key, body=_chat_body(model, ask) | {"stream": stream})
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
        return _chat_turns(ask, said, results)


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
