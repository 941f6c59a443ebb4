"""The four endpoints through which models answer: a valid request for each, and what its errors must look like."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.support.raw_http import RawAnswer

_MESSAGES = [{"role": "user", "content": "Hello"}]


@dataclass(frozen=True)
class Surface:
    """`error` is the dialect in whose shape faults come."""

    name: str
    path: str
    valid: dict[str, Any]
    error: str

    def body(self, **changes: Any) -> bytes:
        """The valid request with some fields changed."""
        return json.dumps(self.valid | changes).encode()

    def check_error(
        self, answer: RawAnswer, *, status: int = 400, code: str = "INVALID_REQUEST", param: str | None = None
    ) -> None:
        """The fault in the dialect's own shape, complete; `code` is the gateway's own."""
        said = f"{answer.status} {answer.body[:500]!r}"
        assert answer.status == status, said
        assert answer.header("content-type") == "application/json", said
        assert answer.header("x-request-id"), said
        if self.error == "openai":
            assert set(answer.json) == {"error"}, said
            error = answer.json["error"]
            assert set(error) == {"message", "type", "param", "code"}, said
            assert error["code"] == code, said
            assert error["param"] == param, said
        else:
            assert set(answer.json) == {"type", "error", "request_id"}, said
            error = answer.json["error"]
            assert answer.json["type"] == "error", said
            assert answer.json["request_id"] == answer.header("x-request-id"), said
            assert set(error) == {"type", "message"}, said
            assert error["type"] == ANTHROPIC_TYPES[code], said
            assert param is None or error["message"].startswith(param), said
        assert error["message"], said
        assert error["type"], said


ANTHROPIC_TYPES = {
    "INVALID_REQUEST": "invalid_request_error",
    "UNSUPPORTED_PARAMETER": "invalid_request_error",
    "UNAUTHENTICATED": "authentication_error",
    "FORBIDDEN": "permission_error",
    "MODEL_NOT_FOUND": "not_found_error",
    "PAYLOAD_TOO_LARGE": "request_too_large",
}

CHAT = Surface(
    "chat", "/v1/chat/completions", {"model": "gpt-4o-mini", "max_tokens": 5, "messages": _MESSAGES}, "openai"
)
EMBEDDINGS = Surface("embeddings", "/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hello"}, "openai")
MESSAGES = Surface(
    "messages", "/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": _MESSAGES}, "anthropic"
)
COUNT_TOKENS = Surface(
    "count_tokens", "/v1/messages/count_tokens", {"model": "claude-haiku-4-5", "messages": _MESSAGES}, "anthropic"
)
SURFACES = (CHAT, EMBEDDINGS, MESSAGES, COUNT_TOKENS)
