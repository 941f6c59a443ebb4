"""Watches the answer of an image operation go by: how many images, which usage, whether it is complete."""

from __future__ import annotations

from typing import Any

import msgspec

from onevault.core.events import Event, Finished, Passed, UsageReported
from onevault.core.usage import Usage
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.wire.answers_passed import EventsOrWhole
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.media_usage import MediaUsage, media_usage_of
from onevault.dialects.wire.provider_faults import malformed

PARTIAL_IMAGE_BYTES = 400
"""A partial image costs 100 output tokens, and generated text is taken for a token every four bytes."""

_COMPLETED = frozenset({"image_generation.completed", "image_edit.completed"})
_PARTIAL = frozenset({"image_generation.partial_image", "image_edit.partial_image"})


class SeenImage(msgspec.Struct, frozen=True, gc=False):
    """An image; what it is does not matter here."""


class SeenImages(msgspec.Struct, frozen=True, gc=False):
    data: list[SeenImage] | None = None
    usage: MediaUsage | None = None
    error: Any = None


class SeenEvent(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    usage: MediaUsage | None = None
    error: Any = None


_WHOLE = msgspec.json.Decoder(SeenImages).decode
_EVENT = msgspec.json.Decoder(SeenEvent).decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _used(images: int, reported: MediaUsage | None, earlier: Usage | None = None) -> Usage:
    """Images are counted as they come; where tokens are reported without their kind, those of the output are the images'."""
    usage = Usage(images=images)
    if reported is not None:
        usage = media_usage_of(reported, certain=usage)
        if reported.output_tokens_details is None:
            usage = msgspec.structs.replace(usage, output_image_tokens=usage.output_tokens)
    if earlier is None:
        return usage
    return msgspec.structs.replace(
        usage,
        **{
            name: getattr(usage, name) + getattr(earlier, name)
            for name in (
                "input_tokens",
                "output_tokens",
                "input_image_tokens",
                "output_image_tokens",
                "cache_read_tokens",
            )
        },
    )


def _whole(body: bytes) -> list[Event]:
    try:
        seen = _WHOLE(body)
    except _NOT_JSON:
        raise malformed("an answer that is not in its dialect", body) from None
    if seen.error is not None:
        raise fault_in_stream(seen.error)
    if seen.data is None:
        raise malformed("an answer without images", body)
    return [Passed(body), UsageReported(_used(len(seen.data), seen.usage)), Finished()]


class PassingImages(WholeDecoder):
    """Passes a whole answer once it has come and is one."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        return _whole(body)


class PassingImageEvents(EventsOrWhole):
    """Passes a stream, complete with as many images as were asked for; each may report its own usage."""

    __slots__ = ("_asked", "_images", "_usage")

    def __init__(self, *, images_asked: int) -> None:
        super().__init__()
        self._asked = images_asked
        self._images = 0
        self._usage: Usage | None = None

    def seen(self, data: bytes, events: list[Event]) -> int:
        try:
            event = _EVENT(data)
        except _NOT_JSON:
            raise malformed("an event that is not in its dialect", data) from None
        if event.error is not None or event.type == "error":
            raise fault_in_stream(event.error)
        if event.type in _PARTIAL:
            return PARTIAL_IMAGE_BYTES
        if event.type in _COMPLETED:
            self._images += 1
            self._complete = self._images >= self._asked
            self._usage = _used(self._images, event.usage, self._usage)
            events.append(UsageReported(self._usage))
        return 0

    def whole(self, body: bytes) -> list[Event]:
        return _whole(body)
