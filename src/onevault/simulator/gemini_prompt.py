"""Counts a prompt as Google's usage splits it: by what the tokens came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from onevault.simulator.tokens import MEDIA_TOKENS, tokens_of, tokens_of_json

_MODALITIES: Final = {"image": "IMAGE", "audio": "AUDIO", "video": "VIDEO", "application": "DOCUMENT"}
BUILT_IN_TOOL_TOKENS: Final = 100


@dataclass(slots=True)
class Prompt:
    """Tokens by modality (`TEXT`, `IMAGE`, `AUDIO`, `VIDEO`, `DOCUMENT`), and what built-in tools added to them."""

    by_modality: dict[str, int] = field(default_factory=dict)
    tool_use_tokens: int = 0
    characters: int = 0

    @property
    def tokens(self) -> int:
        return sum(self.by_modality.values())

    def details(self) -> list[dict[str, Any]]:
        return [{"modality": name, "tokenCount": count} for name, count in self.by_modality.items() if count]

    def add(self, modality: str, tokens: int) -> None:
        self.by_modality[modality] = self.by_modality.get(modality, 0) + tokens

    def add_text(self, text: str) -> None:
        self.add("TEXT", tokens_of(text))
        self.characters += len("".join(text.split()))

    def add_json(self, value: Any) -> None:
        self.add("TEXT", tokens_of_json(value))


def prompt_of(request: dict[str, Any], *, vertex: bool) -> Prompt:
    """Counts the system instruction, the contents and the declared functions; at least one token.

    Each built-in tool adds its own; for a search Vertex AI counts none.
    """
    prompt = Prompt({"TEXT": 0})
    contents = list(request.get("contents", ()))
    if "systemInstruction" in request:
        contents.insert(0, request["systemInstruction"])
    for content in contents:
        add_parts(prompt, content.get("parts", ()))
    for tool in request.get("tools", ()):
        for name, value in tool.items():
            if name == "functionDeclarations":
                for declaration in value:
                    prompt.add_json(declaration)
            elif not (vertex and name == "googleSearch"):
                prompt.tool_use_tokens += BUILT_IN_TOOL_TOKENS
    if not prompt.tokens:
        prompt.add("TEXT", 1)
    return prompt


def add_parts(prompt: Prompt, parts: Iterable[dict[str, Any]]) -> None:
    for part in parts:
        if "text" in part:
            prompt.add_text(part["text"])
        elif "functionCall" in part:
            prompt.add_json(part["functionCall"].get("args"))
        elif "functionResponse" in part:
            prompt.add_json(part["functionResponse"].get("response"))
            add_parts(prompt, part["functionResponse"].get("parts", ()))
        else:
            media = part.get("inlineData") or part.get("fileData") or {}
            kind = str(media.get("mimeType", "")).partition("/")[0]
            prompt.add(_MODALITIES.get(kind, "TEXT"), MEDIA_TOKENS)
