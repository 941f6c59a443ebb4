"""Google's library, generateContent: it makes its types of an answer, and of each event of a stream."""

from __future__ import annotations

import json
from typing import Any

from google import genai
from google.genai import types as google

from tests.matrix.cases import TOOLS
from tests.matrix.clients.given import BASE, Given
from tests.matrix.said import Said, joined, without_nothing

PATH = "/v1beta/models/gemini-2.5-pro:generateContent"
_ASKED: dict[str, Any] = {"model": "gemini-2.5-pro", "contents": "x"}


class GeminiClient:
    def __init__(self) -> None:
        self.given = Given()
        options = google.HttpOptions(base_url=BASE, httpx_client=self.given.client())
        self._client = genai.Client(api_key="none", http_options=options)

    def whole(self, body: bytes, *, passed: bool = False) -> Said:
        self.given.gives(body, "application/json")
        return _said([self._client.models.generate_content(**_ASKED)])

    def stream(self, body: bytes, *, passed: bool = False) -> Said:
        self.given.gives(body, "text/event-stream")
        return _said(list(self._client.models.generate_content_stream(**_ASKED)))

    def refuse(self) -> None:
        self._client.models.generate_content(**_ASKED)

    def break_off(self) -> None:
        for _ in self._client.models.generate_content_stream(**_ASKED):
            pass

    def next_request(self, body: bytes) -> dict[str, Any]:
        """The conversation with the library's own content in it, as it sends one."""
        self.given.gives(body, "application/json")
        content = self._client.models.generate_content(**_ASKED).candidates[0].content
        calls = [part.function_call for part in content.parts if part.function_call]
        results = [
            google.Part(
                function_response=google.FunctionResponse(id=call.id, name=call.name, response={"output": "sunny"})
            )
            for call in calls
        ]
        asked = google.Content(role="user", parts=[google.Part(text="x")])
        contents = [asked, content, google.Content(role="user", parts=results)]
        said = [json.loads(each.model_dump_json(by_alias=True, exclude_none=True)) for each in contents]
        return {"contents": said, "tools": TOOLS["gemini"]}


def _said(answers: list[google.GenerateContentResponse]) -> Said:
    parts: list[google.Part] = []
    stop, usage = None, None
    for answer in answers:
        for candidate in answer.candidates or ():
            parts += (candidate.content.parts or []) if candidate.content else []
            stop = candidate.finish_reason or stop
        usage = answer.usage_metadata or usage
    calls = [part.function_call for part in parts if part.function_call]
    return Said(
        text=joined(part.text for part in parts if not part.thought),
        thinking=joined(part.text for part in parts if part.thought),
        signatures=tuple(part.thought_signature.hex() for part in parts if part.thought_signature),
        calls=tuple((call.id or "", call.name or "", call.args) for call in calls),
        stop=None if stop is None else stop.value,
        usage=without_nothing(usage.model_dump(mode="json", exclude_none=True)) if usage else {},
    )
