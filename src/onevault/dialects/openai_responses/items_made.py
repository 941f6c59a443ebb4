"""Builds the items of an answer event by event, and writes the frames that tell a caller of each step."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from onevault.core.events import CitationAdded
from onevault.dialects.openai_responses.frames import Frames, begin_item, end_item, fields_written
from onevault.dialects.openai_responses.names import OPENAI_RESPONSES

_encode = msgspec.json.encode
_LOGPROBS = msgspec.json.Decoder(dict[str, list[Raw] | None])


class MessageItem:
    """A message: its texts and refusals are content parts in a row."""

    __slots__ = (
        "_citations",
        "_content",
        "_delta",
        "_frames",
        "_id",
        "_kind",
        "_logprobs",
        "_output",
        "_part",
        "_status",
        "_text",
    )

    def __init__(self, frames: Frames, id: str, output: int) -> None:
        self._frames = frames
        self._id = id
        self._output = output
        self._status = "in_progress"
        self._content: list[dict[str, Any]] = []
        self._kind = ""
        self._part = -1
        self._text: list[str] = []
        self._citations: list[CitationAdded] = []
        self._logprobs: list[Raw] = []
        self._delta = b""
        begin_item(frames, output, self.written())

    def written(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "status": self._status,
            "role": "assistant",
            "content": self._content,
        }

    def text(self, text: str, part: int) -> None:
        if part != self._part or self._kind != "output_text":
            self._open("output_text", part)
        self._text.append(text)
        self._frames.add("response.output_text.delta", self._delta + b',"logprobs":[],"delta":' + _encode(text))

    def refusal(self, text: str, part: int) -> None:
        if part != self._part or self._kind != "refusal":
            self._open("refusal", part)
        self._text.append(text)
        self._frames.add("response.refusal.delta", self._delta + b',"delta":' + _encode(text))

    def cite(self, event: CitationAdded) -> None:
        """Told when its part is complete: it may come before the text that it is about."""
        if event.part != self._part or self._kind != "output_text":
            self._open("output_text", event.part)
        self._citations.append(event)

    def logprobs(self, raw: Raw) -> None:
        """Log probabilities of the text just written, which an empty delta brings, or of the text that follows."""
        found = _LOGPROBS.decode(raw).get("content") or []
        self._logprobs += found
        if found and self._kind == "output_text":
            delta = self._delta + b',"logprobs":' + _encode(found) + b',"delta":""'
            self._frames.add("response.output_text.delta", delta)

    def _open(self, kind: str, part: int) -> None:
        self._close_part()
        self._kind, self._part = kind, part
        place = {"item_id": self._id, "output_index": self._output, "content_index": len(self._content)}
        self._delta = fields_written(place)
        self._frames.add("response.content_part.added", self._delta + b',"part":' + _encode(self._written_part()))

    def _written_part(self) -> dict[str, Any]:
        text = "".join(self._text)
        if self._kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": self._logprobs}

    def _close_part(self) -> None:
        if not self._kind:
            return
        part = self._written_part()
        if self._kind == "refusal":
            self._frames.add("response.refusal.done", self._delta + b"," + fields_written({"refusal": part["refusal"]}))
        else:
            for event in self._citations:
                self._cite(event, part)
            done = fields_written({"text": part["text"], "logprobs": self._logprobs})
            self._frames.add("response.output_text.done", self._delta + b"," + done)
        self._frames.add("response.content_part.done", self._delta + b',"part":' + _encode(part))
        self._content.append(part)
        self._kind, self._text, self._citations, self._logprobs = "", [], [], []

    def _cite(self, event: CitationAdded, part: dict[str, Any]) -> None:
        annotation = _annotation(event, length=len(part["text"]))
        if annotation is None:
            part.setdefault("citations", []).append(event.raw)
            return
        told = fields_written({"annotation_index": len(part["annotations"]), "annotation": annotation})
        part["annotations"].append(annotation)
        self._frames.add("response.output_text.annotation.added", self._delta + b"," + told)

    def close(self, *, complete: bool) -> None:
        self._close_part()
        self._status = "completed" if complete else "incomplete"
        end_item(self._frames, self._output, self.written())


def _annotation(event: CitationAdded, *, length: int) -> dict[str, Any] | Raw | None:
    """A citation as this dialect writes it, spanning its whole part where it says no place; None if it names no page."""
    if event.dialect == OPENAI_RESPONSES:
        return event.raw
    cited = event.cited
    if cited is None or cited.url is None:
        return None
    return {
        "type": "url_citation",
        "url": cited.url,
        "title": cited.title or "",
        "start_index": cited.start if cited.start is not None else 0,
        "end_index": cited.end if cited.end is not None else length,
    }


class CallItem:
    """A call of a function."""

    __slots__ = ("_arguments", "_delta", "_frames", "_id", "_name", "_output", "_status", "call_id")

    def __init__(self, frames: Frames, id: str, output: int, *, call_id: str, name: str) -> None:
        self._frames = frames
        self._id = id
        self._output = output
        self._name = name
        self.call_id = call_id
        self._status = "in_progress"
        self._arguments: list[str] = []
        self._delta = fields_written({"item_id": id, "output_index": output})
        begin_item(frames, output, self.written())

    def written(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "function_call",
            "status": self._status,
            "call_id": self.call_id,
            "name": self._name,
            "arguments": "".join(self._arguments),
        }

    def arguments(self, json_text: str) -> None:
        self._arguments.append(json_text)
        self._frames.add("response.function_call_arguments.delta", self._delta + b',"delta":' + _encode(json_text))

    def close(self, *, complete: bool) -> None:
        if self._status != "in_progress":
            return
        self._status = "completed" if complete else "incomplete"
        written = self.written()
        done = fields_written({"name": self._name, "arguments": written["arguments"]})
        self._frames.add("response.function_call_arguments.done", self._delta + b"," + done)
        end_item(self._frames, self._output, written)


class ReasoningItem:
    """A piece of reasoning, told as a summary, with what its provider needs to know it again."""

    __slots__ = ("_delta", "_encrypted", "_frames", "_id", "_output", "_status", "_text", "part")

    def __init__(self, frames: Frames, id: str, output: int, *, part: int) -> None:
        self._frames = frames
        self._id = id
        self._output = output
        self.part = part
        self._status = "in_progress"
        self._text: list[str] = []
        self._encrypted = ""
        self._delta = fields_written({"item_id": id, "output_index": output, "summary_index": 0})
        begin_item(frames, output, self.written())

    def written(self) -> dict[str, Any]:
        item: dict[str, Any] = {"id": self._id, "type": "reasoning", "status": self._status}
        item["summary"] = [self._part()] if self._text and self._status != "in_progress" else []
        if self._encrypted:
            item["encrypted_content"] = self._encrypted
        return item

    def _part(self) -> dict[str, str]:
        return {"type": "summary_text", "text": "".join(self._text)}

    def text(self, text: str) -> None:
        if not self._text:
            empty = b',"part":{"type":"summary_text","text":""}'
            self._frames.add("response.reasoning_summary_part.added", self._delta + empty)
        self._text.append(text)
        self._frames.add("response.reasoning_summary_text.delta", self._delta + b',"delta":' + _encode(text))

    def sign(self, encrypted: str) -> None:
        self._encrypted = encrypted

    def close(self, *, complete: bool) -> None:
        if self._text:
            part = self._part()
            text = b',"text":' + _encode(part["text"])
            self._frames.add("response.reasoning_summary_text.done", self._delta + text)
            self._frames.add("response.reasoning_summary_part.done", self._delta + b',"part":' + _encode(part))
        self._status = "completed" if complete else "incomplete"
        end_item(self._frames, self._output, self.written())
