"""Says Gemini's `contents` as canonical messages.

Contents of the model in a row are one message, and their texts and thoughts in a row one part: a client that streams keeps the
history piece by piece. Calls without an id get one from their place, and responses without one are those of the calls before them,
by name and in order. A turn's function responses come first, as its other parts are said after them.
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from onevault.core.chat import (
    Audio,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from onevault.dialects.gemini import signatures
from onevault.dialects.gemini.body import Blob, ContentIn, FileData, FunctionResponseIn, PartIn
from onevault.dialects.gemini.media import audio_format, is_googles_own, is_youtube, kind_of
from onevault.dialects.gemini.names import GEMINI
from onevault.dialects.wire.json_body import fields_of, invalid, present, unsupported

_NOT_THERE = "cannot be said to the provider that was chosen"
_OUTPUT_NAMES = ("output", "result")
"""What a response with no other field names its text: Google's documentation the first, its SDKs the second."""

_STRING = msgspec.json.Decoder(str)


class _RawContent(msgspec.Struct, frozen=True):
    parts: list[Raw] | None = None


class _Kept(msgspec.Struct, frozen=True):
    opaque_block: Opaque


_RAW_CONTENTS = msgspec.json.Decoder(list[_RawContent])
_KEPT = msgspec.json.Decoder(_Kept)
_NO_DATA = frozenset({"thought", "thoughtSignature", "partMetadata"})


class TurnReader:
    """Reads the contents of one request. `hints` gathers what only tunes."""

    def __init__(self, body: bytes, hints: dict[str, None]) -> None:
        self._body = body
        self._hints = hints
        self._calls = 0
        self._unanswered: list[tuple[str, str]] = []
        self._messages: list[Message] = []

    def messages(self, contents: list[ContentIn]) -> list[Message]:
        """Raises Fault UNSUPPORTED_PARAMETER or INVALID_REQUEST with the part's path."""
        said: list[Part] = []
        for i, content in enumerate(contents):
            path = f"contents[{i}]"
            if content.role == "model":
                for j, part in enumerate(content.parts or ()):
                    self._add_said(part, said, f"{path}.parts[{j}]", (i, j))
                continue
            if content.role not in (None, "", "user", "function"):
                raise invalid(f"{path}.role", "must be user or model")
            self._end_said(said)
            said = []
            self._hear(content, path, i)
        self._end_said(said)
        return self._messages

    # ---- the model's turns

    def _end_said(self, said: list[Part]) -> None:
        if said:
            self._messages.append(Message(role=Role.ASSISTANT, parts=tuple(said)))

    def _add_said(self, part: PartIn, said: list[Part], path: str, at: tuple[int, int]) -> None:
        kept = _kept(part)
        if kept is not None:
            said.append(kept)
            return
        last = said[-1] if said else None
        if part.thought and part.text is not None:
            thought = part.text
            if isinstance(last, Thinking) and last.signature is None:
                thought = last.text + thought
                said.pop()
            if part.thought_signature:
                read = signatures.read(part.thought_signature, thought)
                if not isinstance(read, Thinking) and thought:
                    said.append(Thinking(text=thought))
                said.append(read)
            elif thought:
                said.append(Thinking(text=thought))
            return
        signed = signatures.read(part.thought_signature, "") if part.thought_signature else None
        if part.text is not None:
            if isinstance(last, Text):
                said[-1] = Text(text=last.text + part.text)
            elif part.text:
                said.append(Text(text=part.text))
            if signed is not None:
                said.append(signed)
            return
        if part.function_call is None and part.inline_data is None and part.file_data is None:
            opaque = self._opaque(at)
            if opaque is not None:
                said.append(opaque)
            elif signed is not None:
                said.append(signed)
            return
        if signed is not None:
            said.append(signed)
        if part.function_call is not None:
            call = part.function_call
            id = call.id or self._new_id()
            self._unanswered.append((id, call.name))
            arguments = present(call.args)
            said.append(ToolCall(id=id, name=call.name, arguments="{}" if arguments is None else _text(arguments)))
        else:
            said.append(self._media(part.inline_data, part.file_data, path))

    def _opaque(self, at: tuple[int, int]) -> Part | None:
        """A part that only this dialect can say, as it was written (in the canonical spelling); None for one with no data."""
        i, j = at
        raw = (_RAW_CONTENTS.decode(fields_of(self._body)["contents"])[i].parts or [])[j]
        kind = next((name for name in fields_of(raw) if name not in _NO_DATA), None)
        return None if kind is None else Opaque(dialect=GEMINI, kind=kind, raw=raw)

    # ---- the user's turns

    def _hear(self, content: ContentIn, path: str, i: int) -> None:
        results: list[Part] = []
        others: list[Part] = []
        for j, part in enumerate(content.parts or ()):
            here = f"{path}.parts[{j}]"
            if part.function_response is not None:
                results.append(self._result(part.function_response, f"{here}.functionResponse"))
            elif part.text is not None:
                others.append(Text(text=part.text))
            elif part.inline_data is not None or part.file_data is not None:
                if present(part.video_metadata) is not None:
                    self._hints["videoMetadata"] = None
                if present(part.media_resolution) is not None:
                    self._hints["mediaResolution"] = None
                others.append(self._media(part.inline_data, part.file_data, here))
            else:
                opaque = self._opaque((i, j))
                if opaque is not None:
                    others.append(opaque)
        if results:
            self._messages.append(Message(role=Role.TOOL, parts=tuple(results)))
        if others:
            self._messages.append(Message(role=Role.USER, parts=tuple(others)))

    def _result(self, response: FunctionResponseIn, path: str) -> ToolResult:
        parts: list[Text | Image | Audio | File] = []
        text, is_error = _response_text(response.response)
        if text is not None:
            parts.append(Text(text=text))
        for k, shown in enumerate(response.parts or ()):
            here = f"{path}.parts[{k}]"
            part = self._media(shown.inline_data, shown.file_data, here)
            if isinstance(part, Video):
                _refuse(here)
            parts.append(part)
        return ToolResult(
            call_id=response.id or self._answered(response.name),
            parts=tuple(parts),
            is_error=is_error,
            name=response.name or None,
        )

    def _answered(self, name: str) -> str:
        """The id of the first call that has no response yet: one of that name, else any."""
        found = next((call for call in self._unanswered if call[1] == name), None)
        found = found or next(iter(self._unanswered), None)
        if found is None:
            return self._new_id()
        self._unanswered.remove(found)
        return found[0]

    def _new_id(self) -> str:
        self._calls += 1
        return f"call_{self._calls}"

    def _media(self, blob: Blob | None, file: FileData | None, path: str) -> Image | Audio | Video | File:
        if blob is not None:
            data = signatures.standard_base64(blob.data or "")
            mime_type = blob.mime_type or "application/octet-stream"
            kind = kind_of(mime_type)
            if kind == "image":
                return Image(data=data, media_type=mime_type)
            if kind == "audio":
                return Audio(data=data, format=audio_format(mime_type))
            if kind == "video":
                return Video(data=data, media_type=mime_type)
            return File(data=data, media_type=mime_type, name=blob.display_name)
        uri = file.file_uri if file is not None else None
        if file is None or not uri:
            raise invalid(f"{path}.fileData.fileUri", "is missing")
        if is_googles_own(uri) or not uri.startswith(("http://", "https://")):
            raise unsupported(
                f"{path}.fileData.fileUri", "is known to one provider only; send the file itself or its URL"
            )
        kind = "video" if is_youtube(uri) else kind_of(file.mime_type)
        if kind == "image":
            return Image(url=uri, media_type=file.mime_type)
        if kind == "video":
            return Video(url=uri, media_type=file.mime_type)
        if kind == "audio":
            raise unsupported(
                f"{path}.fileData.fileUri", "names audio, which the provider that was chosen wants itself"
            )
        return File(url=uri, media_type=file.mime_type, name=file.display_name)


def _kept(part: PartIn) -> Opaque | None:
    """Another dialect's block, which the writer of this one put where Google keeps what it does not read."""
    if present(part.part_metadata) is None:
        return None
    try:
        return _KEPT.decode(part.part_metadata).opaque_block
    except msgspec.DecodeError:
        return None


def _response_text(response: Raw) -> tuple[str | None, bool]:
    """A function's response as text, and whether it is an error."""
    if present(response) is None:
        return None, False
    try:
        fields = fields_of(response)
    except msgspec.DecodeError:
        return _text(response), False
    if not fields:
        return None, False
    name, value = next(iter(fields.items()))
    if len(fields) == 1 and (name in _OUTPUT_NAMES or name == "error"):
        return _string_or_json(value), name == "error"
    return _text(response), False


def _string_or_json(raw: Raw) -> str:
    return _STRING.decode(raw) if bytes(raw)[:1] == b'"' else _text(raw)


def _text(raw: Any) -> str:
    return bytes(raw).decode()


def _refuse(path: str) -> NoReturn:
    raise unsupported(path, _NOT_THERE)
