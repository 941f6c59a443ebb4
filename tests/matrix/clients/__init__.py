"""The official libraries of the callers' dialects, given the gateway's bytes instead of a network."""

from __future__ import annotations

from typing import Any, Protocol

from tests.matrix.clients.anthropic_messages import AnthropicClient
from tests.matrix.clients.gemini import GeminiClient
from tests.matrix.clients.given import Given
from tests.matrix.clients.openai_chat import OpenAIChatClient
from tests.matrix.clients.openai_responses import OpenAIResponsesClient
from tests.matrix.clients.own import OwnClient
from tests.matrix.said import Said


class Client(Protocol):
    """One library. What was `passed` on untouched is the provider's to answer for: it is understood, but not checked."""

    def whole(self, body: bytes, *, passed: bool = False) -> Said: ...
    def stream(self, body: bytes, *, passed: bool = False) -> Said: ...
    def next_request(self, body: bytes) -> dict[str, Any]:
        """The next request of a conversation: the whole answer sent back by the library, and a result for each call."""


class Library(Client, Protocol):
    """One with errors of its own, which `refuse` and `break_off` raise."""

    given: Given

    def refuse(self) -> None:
        """Asks for a whole answer."""

    def break_off(self) -> None:
        """Asks for a stream and reads it to its end."""


LIBRARIES: dict[str, Library] = {
    "openai-chat": OpenAIChatClient(),
    "openai-responses": OpenAIResponsesClient(),
    "anthropic-messages": AnthropicClient(),
    "gemini": GeminiClient(),
}
CLIENTS: dict[str, Client] = {**LIBRARIES, "own": OwnClient()}
