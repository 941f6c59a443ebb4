"""Callers through the official OpenAI SDK: chat completions, responses, and the legacy completions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import openai
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.support.asking import CITY, DESCRIPTION, PERSON, PNG, Ask, Said


def messages_of(ask: Ask, image: Any) -> list[Any]:
    content = [{"type": "text", "text": ask.text}, image] if ask.image else ask.text
    return [*ask.before, *([{"role": "user", "content": content}] if ask.text else [])]


_IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
_FUNCTION = {"name": "weather", "description": DESCRIPTION, "parameters": CITY}
_SCHEMA = {"name": "person", "schema": PERSON, "strict": True}


def chat_turns(ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
    told = zip(said.ids, results, strict=True)
    answers = [{"role": "tool", "tool_call_id": call, "content": result} for call, result in told]
    return (*messages_of(ask, _IMAGE), *said.turn, *answers)


def chat_body(model: str, ask: Ask) -> dict[str, Any]:
    body = {"model": model, "messages": messages_of(ask, _IMAGE), "max_tokens": ask.limit}
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
            answer = raw.create(**chat_body(model, ask))
            return self._said(answer.parse(), answer.headers)
        told = raw.create(**chat_body(model, ask), stream=True, stream_options={"include_usage": True})
        state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
        for chunk in told.parse():
            state.handle_chunk(chunk)
        return self._said(state.current_completion_snapshot, told.headers)

    def turns(self, ask: Ask, said: Said, results: list[str]) -> tuple[Any, ...]:
        return chat_turns(ask, said, results)

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
