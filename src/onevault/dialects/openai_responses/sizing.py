"""Bounds how much input a responses request has, with what the provider has already or fetches, and says what it needs of a model."""

from __future__ import annotations

import msgspec

from onevault.core.codec import InputSize
from onevault.core.operations import Capability
from onevault.dialects.openai_responses.body import CALL_OUTPUT, ContentPart, ItemIn, ResponsesBody
from onevault.dialects.wire.input_size import SEARCHES_MAX, MediaSize, mixed_size

_CALLERS_HANDS = frozenset(
    {"function", "custom", "computer", "computer_use_preview", "local_shell", "apply_patch", "namespace", "tool_search"}
)
"""Tools that run at the caller's; all others run at the provider's, and what they find is input."""

_KNOWN_FEES = ("web_search", "mcp")
"""By the search, and nothing. OpenAI charges for others by the container, by the search in files, by the image; what a tool of whom
else costs is not known."""

_SCREENSHOT = msgspec.json.Decoder(ContentPart)
_NEEDED = {
    "input_image": Capability.IMAGE_INPUT,
    "computer_screenshot": Capability.IMAGE_INPUT,
    "input_file": Capability.FILE_INPUT,
    "input_audio": Capability.AUDIO_INPUT,
}
_LOGPROBS = "message.output_text.logprobs"


def measured(body: ResponsesBody, body_bytes: int) -> tuple[InputSize, frozenset[Capability]]:
    """How much input there is, and what a model must be able to for it. How much to think is a hint, not a need.

    Of what the provider fetches or has kept nothing is known but that it is no more than a context holds.
    """
    media, kinds = MediaSize(), set[str]()
    for tool in body.tools or ():
        _add_tool(tool.type, body.max_tool_calls, media)
    if body.is_continued or body.takes_several_passes:
        media.provider_tool(fetches=True)
    if isinstance(body.input, list):
        for item in body.input:
            _add_item(item, media, kinds)
    asked = body.text.format if body.text is not None else None
    size = mixed_size(body_bytes, media, tools=bool(body.tools) or asked is not None)
    needs = {_NEEDED[kind] for kind in kinds if kind in _NEEDED}
    if body.tools:
        needs.add(Capability.TOOLS)
    if asked is not None and asked.type == "json_schema":
        needs.add(Capability.STRUCTURED_OUTPUT)
    if body.top_logprobs or _LOGPROBS in (body.include or ()):
        needs.add(Capability.LOGPROBS)
    return size, frozenset(needs)


def _add_tool(kind: str, calls_max: int | None, media: MediaSize) -> None:
    if kind in ("function", "custom", "namespace"):
        return  # in the body already
    if kind not in _CALLERS_HANDS and not kind.startswith(_KNOWN_FEES):
        media.charged_apart = kind
    searches = SEARCHES_MAX if calls_max is None else calls_max
    searches = searches if kind.startswith("web_search") else 0
    media.provider_tool(fetches=kind not in _CALLERS_HANDS, searches_at_most=searches)


def _add_item(item: ItemIn, media: MediaSize, kinds: set[str]) -> None:
    if isinstance(item.content, list):
        _add_parts(item.content, media, kinds)
    if item.output and not bytes(item.output).startswith(b'"'):
        _add_output(item, media, kinds)
    kind = item.kind
    if kind == "item_reference":
        media.provider_tool(fetches=True)
    elif kind == "image_generation_call":
        media.image(len(item.result))


def _add_output(item: ItemIn, media: MediaSize, kinds: set[str]) -> None:
    try:
        if item.kind == "computer_call_output":
            parts: str | list[ContentPart] = [_SCREENSHOT.decode(item.output)]
        else:
            parts = CALL_OUTPUT.decode(item.output)
    except msgspec.DecodeError:
        return  # its bytes count as text
    _add_parts(parts if isinstance(parts, list) else [], media, kinds)


def _add_parts(parts: list[ContentPart], media: MediaSize, kinds: set[str]) -> None:
    for part in parts:
        kinds.add(part.type)
        if part.type in ("input_image", "computer_screenshot"):
            media.image(len(part.image_url or ""))
        elif part.type == "input_file":
            if part.file_data is not None:
                media.document(len(part.file_data))
            else:
                media.document_elsewhere()
        elif part.input_audio is not None:
            media.audio(part.input_audio.data)
