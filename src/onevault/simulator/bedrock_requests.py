"""Bedrock's requests to converse: their prompt counted, and what they ask for.

Written from docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html and .../conversation-inference.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from onevault.simulator.ask import Ask, Tool
from onevault.simulator.bedrock_rules import (
    BLOCK_KINDS,
    TOOL_KINDS,
    Block,
    ConverseRequest,
    Inference,
    Message,
    specs_of,
)
from onevault.simulator.faults import Refused, invalid
from onevault.simulator.tokens import MEDIA_TOKENS, tokens_of, tokens_of_json

_THINKING: Final = ("thinking", "reasoning_config", "reasoningConfig")


@dataclass(slots=True)
class Prompt:
    """Tokens of the prompt, and those of them that cache points cover, by how long they are kept."""

    tokens: int = 0
    marked_5m: int = 0
    marked_1h: int = 0


def prompt_of(request: ConverseRequest) -> Prompt:
    """Counts tools, system prompt and messages in the order in which Bedrock caches them."""
    prompt = Prompt()
    marked = 0
    for block in _blocks(request):
        point = block.get("cachePoint")
        if point is None:
            prompt.tokens += _block_tokens(block)
            continue
        if point.get("ttl") == "1h":
            prompt.marked_1h += prompt.tokens - marked
        else:
            prompt.marked_5m += prompt.tokens - marked
        marked = prompt.tokens
    prompt.tokens = max(1, prompt.tokens)
    return prompt


def _blocks(request: ConverseRequest) -> Iterator[Block]:
    if request.tool_config:
        yield from request.tool_config.tools
    yield from request.system or ()
    for message in request.messages:
        yield from message.content


def _block_tokens(block: Block) -> int:
    kind = next(name for name in block if name in BLOCK_KINDS or name in TOOL_KINDS)
    value = block[kind]
    match kind:
        case "text":
            return tokens_of(value)
        case "toolSpec" | "systemTool" | "json":
            return tokens_of_json(value)
        case "toolUse":
            return tokens_of_json(value.get("input"))
        case "toolResult":
            return sum(map(_block_tokens, value["content"]))
        case "reasoningContent":
            text = value.get("reasoningText")
            return tokens_of(str(text.get("text", ""))) if isinstance(text, dict) else 0
        case "guardContent":
            text = value.get("text")
            return tokens_of(str(text.get("text", ""))) if isinstance(text, dict) else MEDIA_TOKENS
        case _:
            return MEDIA_TOKENS


def text_of(message: Message) -> str:
    """The text of a message; its text blocks joined by line ends."""
    return "\n".join(block["text"] for block in message.content if "text" in block)


def ask_of(request: ConverseRequest, model: str, prompt: Prompt) -> Ask:
    """What the request asks for. Raises Refused for an output schema that is no JSON."""
    inference = request.inference_config or Inference()
    more = request.additional_model_request_fields or {}
    thinking: Block = next((more[name] for name in _THINKING if isinstance(more.get(name), dict)), {})
    asking = [message for message in request.messages if message.role == "user" and text_of(message)]
    ask = Ask(
        model=model,
        content=msgspec.json.encode((model, request.system, request.messages, request.tool_config)),
        user_text=text_of(asking[-1]) if asking else "",
        prompt_tokens=prompt.tokens,
        max_tokens=inference.max_tokens,
        stop=inference.stop_sequences or [],
        answers_tool=any("toolResult" in block for block in request.messages[-1].content),
        thinks=thinking.get("type") in ("enabled", "adaptive"),
        tools=[Tool(spec["name"], spec["inputSchema"]["json"]) for spec in specs_of(request)],
        schema=_schema(request.output_config),
    )
    choice = (request.tool_config.tool_choice if request.tool_config else None) or {}
    if "tool" in choice:
        ask.must_call = str(choice["tool"]["name"])
    elif "any" in choice:
        ask.must_call = True
    return ask


def _schema(output: Block | None) -> Any:
    """The schema is written as a text within the JSON."""
    described: Any = output or {}
    for name in ("textFormat", "structure", "jsonSchema"):
        described = described.get(name) if isinstance(described, dict) else None
    if not isinstance(described, dict):
        return None
    try:
        return msgspec.json.decode(described.get("schema", ""))
    except (msgspec.DecodeError, TypeError, RecursionError):
        raise _no_schema() from None


def _no_schema() -> Refused:
    return invalid("The value at outputConfig.textFormat.structure.jsonSchema.schema is not a valid JSON schema.")
