"""Reads requests to make or to edit images: valid or a fault, sized, ready to be passed on with their own bytes.

Source: OpenAI API reference, "Create image" and "Create image edit". Models that charge by the image are sized by `images`, those
that charge by the token by their input and by what an image can take at most.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from onevault.core.codec import InputSize, RequestLine
from onevault.core.operations import Operation
from onevault.dialects.openai_images.names import OPENAI_IMAGE_EDITS, OPENAI_IMAGES
from onevault.dialects.wire.extensions import EXTENSION_NAMES, ExtendedBody, extensions_of
from onevault.dialects.wire.input_size import MediaSize, mixed_size
from onevault.dialects.wire.json_body import decoded, invalid
from onevault.dialects.wire.multipart import Form, read_form
from onevault.dialects.wire.passing_request import PassingIncoming, checked_model, form_extensions

IMAGES_PATH = "/images/generations"
EDITS_PATH = "/images/edits"

PROMPT_LENGTH_MAX = 32_000
IMAGES_IN_MAX = 16


class ImagesBody(ExtendedBody, frozen=True, kw_only=True):
    """What both operations take; other fields pass unread."""

    prompt: Annotated[str, Meta(min_length=1, max_length=PROMPT_LENGTH_MAX)]
    model: str | None = None
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: Annotated[str, Meta(pattern=r"^(auto|\d{2,5}x\d{2,5})$")] | None = None
    quality: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None
    user: str | None = None


_IMAGES_BODY = msgspec.json.Decoder(ImagesBody)
_EDITS_FORM = msgspec.json.Decoder(ImagesBody, strict=False)
"""Not strict: a form's values are all texts."""


def read_images(body: bytes) -> PassingIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    parsed = decoded(_IMAGES_BODY, body)
    images = parsed.n or 1
    size = mixed_size(len(body), MediaSize(), tools=False)
    return PassingIncoming(
        body=body,
        path=IMAGES_PATH,
        dialect=OPENAI_IMAGES,
        operation=Operation.IMAGES,
        model=checked_model(parsed.model),
        size=msgspec.structs.replace(size, images=images),
        extensions=extensions_of(parsed),
        stream=parsed.stream is True,
        choices=images,
        end_user=parsed.user,
    )


def read_edits(body: bytes, line: RequestLine) -> PassingIncoming:
    """Raises as `read_images` does."""
    form = read_form(body, line.content_type)
    texts = form.texts()
    own = {name: text for name, text in texts.items() if name not in EXTENSION_NAMES}
    parsed = decoded(_EDITS_FORM, msgspec.json.encode(own))
    images = parsed.n or 1
    return PassingIncoming(
        body=body,
        form=form,
        path=EDITS_PATH,
        dialect=OPENAI_IMAGE_EDITS,
        operation=Operation.IMAGE_EDITS,
        model=checked_model(parsed.model),
        size=_size(form, texts, images),
        extensions=form_extensions(texts),
        stream=parsed.stream is True,
        choices=images,
        end_user=parsed.user,
    )


def _size(form: Form, texts: dict[str, str], images: int) -> InputSize:
    given = form.files("image")
    if not given:
        raise invalid("image", "is missing")
    if len(given) > IMAGES_IN_MAX:
        raise invalid("image", f"may have {IMAGES_IN_MAX} files at most")
    masks = form.files("mask")
    if len(masks) > 1:
        raise invalid("mask", "may be one file at most")
    media = MediaSize()
    for file in (*given, *masks):
        if not file.data:
            raise invalid(file.name, "must not be empty")
        media.image(0)
    size = mixed_size(len(texts["prompt"].encode()), media, tools=False)
    return msgspec.structs.replace(size, images=images)
