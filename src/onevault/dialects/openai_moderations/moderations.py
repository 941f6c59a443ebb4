"""Reads requests to judge texts and images, and passes the verdicts.

Source: OpenAI API reference, "Create moderation"; Mistral's takes the same request and reports a usage, OpenAI's is free of charge.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onevault.core.events import Event, Finished, Passed, UsageReported
from onevault.core.operations import Operation
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.openai.usage import OpenAIUsage, usage_of
from onevault.dialects.openai_moderations.names import OPENAI_MODERATIONS
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.extensions import ExtendedBody, extensions_of
from onevault.dialects.wire.input_size import MediaSize, mixed_size
from onevault.dialects.wire.json_body import decoded, invalid
from onevault.dialects.wire.passing_request import PassingIncoming, checked_model
from onevault.dialects.wire.provider_faults import malformed

MODERATIONS_PATH = "/moderations"
INPUTS_MAX = 2_048


class ImageUrl(msgspec.Struct, frozen=True):
    url: str


class Given(msgspec.Struct, frozen=True):
    """A text or an image: which field counts depends on `type`."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None


class ModerationBody(ExtendedBody, frozen=True, kw_only=True):
    input: Annotated[str, Meta(min_length=1)] | Annotated[list[str | Given], Meta(min_length=1, max_length=INPUTS_MAX)]
    model: str | None = None


class SeenVerdicts(msgspec.Struct, frozen=True):
    results: list[msgspec.Raw] | None = None
    usage: OpenAIUsage | None = None
    error: Any = None


_BODY = msgspec.json.Decoder(ModerationBody)
_SEEN = msgspec.json.Decoder(SeenVerdicts).decode
_NEEDED = {"text": "text", "image_url": "image_url"}


def read_moderation(body: bytes) -> PassingIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    parsed = decoded(_BODY, body)
    media = MediaSize()
    for i, given in enumerate(parsed.input if isinstance(parsed.input, list) else ()):
        if isinstance(given, Given):
            needed = _NEEDED.get(given.type)
            if needed is None:
                raise invalid(f"input[{i}].type", "must be text or image_url")
            if getattr(given, needed) is None:
                raise invalid(f"input[{i}].{needed}", "is missing")
            if given.image_url is not None:
                media.image(len(given.image_url.url))
    return PassingIncoming(
        body=body,
        path=MODERATIONS_PATH,
        dialect=OPENAI_MODERATIONS,
        operation=Operation.MODERATION,
        model=checked_model(parsed.model),
        size=mixed_size(len(body), media, tools=False),
        extensions=extensions_of(parsed),
    )


class PassingVerdicts(WholeDecoder):
    """Passes an answer once it has come and is one."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            seen = _SEEN(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an answer that is not in its dialect", body) from None
        if seen.error is not None:
            raise fault_in_stream(seen.error)
        if seen.results is None:
            raise malformed("an answer without results", body)
        reported: list[Event] = [] if seen.usage is None else [UsageReported(usage_of(seen.usage))]
        return [Passed(body), *reported, Finished()]
