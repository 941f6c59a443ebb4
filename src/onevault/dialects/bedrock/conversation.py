"""Writes canonical messages as Converse's `system` and `messages`, in the shape that Bedrock demands.

System messages, wherever they stand, are gathered into `system`. Roles take turns, so neighbouring messages of one role are one;
a conversation that an assistant begins gets a user's word before it; a message with a document gets a text, which must be there;
images and documents that the assistant made, which only users may show, are shown by the user's next message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onevault.core.chat import Audio, File, Image, Message, Role, Text, ToolCall, ToolResult, Video
from onevault.dialects.bedrock.content import ContentWriter
from onevault.dialects.bedrock.families import MESSAGES, SYSTEM, Family
from onevault.dialects.bedrock.media import Json
from onevault.dialects.wire.json_body import unsupported

_FIRST_WORD: Final = "(The conversation begins with the assistant.)"
_SEE_DOCUMENT: Final = "(See the document.)"
_INSTRUCTING: Final = frozenset({Role.SYSTEM, Role.DEVELOPER})
_MADE: Final = "What the assistant made:"


def mentions_tools(messages: Sequence[Message]) -> bool:
    """Whether a tool was called or has answered."""
    return any(isinstance(part, ToolCall | ToolResult) for message in messages for part in message.parts)


def conversation_of(
    messages: Sequence[Message], family: Family, dropped: dict[str, None], *, calls_as_text: bool
) -> tuple[list[Json], list[Json]]:
    """`system` and `messages`. Raises Fault UNSUPPORTED_PARAMETER, INVALID_REQUEST for arguments that are no JSON object."""
    writer = ContentWriter(family, dropped, calls_as_text=calls_as_text)
    system: list[Json] = []
    written: list[Json] = []
    made: list[Json] = []
    for i, message in enumerate(messages):
        if message.name is not None:
            dropped["messages.name"] = None
        blocks, shown = _content(message, f"messages[{i}]", writer)
        if message.role in _INSTRUCTING:
            system += blocks
            continue
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if role == "user" and made:  # the answers of tools must come first
            blocks = [*blocks, *made] if message.role is Role.TOOL else [*made, *blocks]
            made = []
        made += shown
        if blocks:
            _add_turn(role, blocks, written)
    if made:
        _add_turn("user", made, written)
    if not written and system:
        system, written = [], [{"role": "user", "content": system}]  # instructions alone are what the user says
    if not written:
        raise unsupported("messages", "must have a message with content at the provider that was chosen")
    if written[0]["role"] == "assistant":
        written.insert(0, {"role": "user", "content": [{"text": _FIRST_WORD}]})
    for turn in written:
        content = turn["content"]
        if any("document" in block for block in content) and not any("text" in block for block in content):
            content.append({"text": _SEE_DOCUMENT})
    if not family.ends_in_white_space:
        _trim_last(written)
    return system, written


def _content(message: Message, path: str, writer: ContentWriter) -> tuple[list[Json], list[Json]]:
    """A message's blocks, and those of them that only a user may show."""
    blocks: list[Json] = []
    shown: list[Json] = []
    instructs = message.role in _INSTRUCTING
    calls = 0
    for j, part in enumerate(message.parts):
        here = f"{path}.content[{j}]"
        if isinstance(part, ToolCall):
            here = f"{path}.tool_calls[{calls}].function.arguments"
            calls += 1
        elif instructs and not isinstance(part, Text):
            raise unsupported(here, "must be text in a system message at the provider that was chosen")
        written = writer.blocks(part, here, place=SYSTEM if instructs else MESSAGES)
        if message.role is Role.ASSISTANT and isinstance(part, Image | File | Audio | Video):
            shown += [{"text": _MADE}, *written]
        else:
            blocks += written
    return blocks, shown


def _add_turn(role: str, blocks: list[Json], written: list[Json]) -> None:
    if written and written[-1]["role"] == role:
        written[-1]["content"] += blocks
    else:
        written.append({"role": role, "content": blocks})


def _trim_last(written: list[Json]) -> None:
    """Claude refuses a prefilled answer that ends in white space."""
    last = written[-1]
    if last["role"] != "assistant":
        return
    content = last["content"]
    while content and "text" in content[-1]:
        content[-1]["text"] = content[-1]["text"].rstrip()
        if content[-1]["text"]:
            return
        content.pop()
    if not content:
        written.pop()
