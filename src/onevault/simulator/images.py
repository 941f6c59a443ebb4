"""OpenAI's images: generated from a prompt, or edited from pictures sent in a form; whole, or as a stream of events.

Written from platform.openai.com/docs/api-reference/images and /docs/guides/image-generation (tokens by size and quality).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from onevault.simulator.faults import Refused, invalid
from onevault.simulator.multipart import Form, read_form
from onevault.simulator.openai_chat import CREATED_S
from onevault.simulator.openai_format import ERROR_EVENT, OPENAI
from onevault.simulator.openai_reading import check_ranges, missing, read, unsupported
from onevault.simulator.pictures import png
from onevault.simulator.reply import SSE, Reply
from onevault.simulator.tokens import MEDIA_TOKENS, tokens_of
from onevault.simulator.turn import Route, Turn

_TOKENS: Final = {
    "1024x1024": {"low": 272, "medium": 1056, "high": 4160},
    "1024x1536": {"low": 408, "medium": 1584, "high": 6240},
    "1536x1024": {"low": 400, "medium": 1568, "high": 6208},
}
_OLD: Final = {"dall-e-2": ("256x256", "512x512", "1024x1024"), "dall-e-3": ("1024x1024", "1792x1024", "1024x1792")}
"""Models with sizes of their own; they report no usage, and give addresses unless told otherwise."""

_RANGES: Final = (("n", 1, 10), ("partial_images", 0, 3))
_REJECTED: Final = "Your request was rejected as a result of our safety system."
_encode: Final = msgspec.json.encode

Quality = Literal["low", "medium", "high", "auto", "standard", "hd"]


class ImageRequest(msgspec.Struct):
    prompt: str
    model: str = "dall-e-2"
    n: int | None = None
    size: str | None = None
    quality: Quality | None = None
    background: str | None = None
    output_format: str | None = None
    response_format: str | None = None
    stream: bool | None = None
    partial_images: int | None = None


_decoder: Final = msgspec.json.Decoder(ImageRequest)


def generate(turn: Turn) -> Reply:
    return _answer(turn, read(_decoder, turn.request.body), "image_generation", pictures=0)


def edit(turn: Turn) -> Reply:
    form = read_form(turn.request)
    pictures = len(form.files.get("image", [])) + len(form.files.get("image[]", []))
    if not pictures:
        raise missing("image")
    return _answer(turn, _from_form(form, turn.parts.get("model")), "image_edit", pictures=pictures)


def _from_form(form: Form, deployment: str | None) -> ImageRequest:
    fields = {name: values[-1] for name, values in form.fields.items() if values[-1] and "[" not in name}
    fields |= {"prompt": form.required("prompt"), "model": deployment or form.text("model") or "dall-e-2"}
    try:
        return msgspec.convert(fields, ImageRequest, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(f"Invalid form: {error}", code="invalid_value") from None


@dataclass(slots=True)
class _Order:
    """What is to be drawn, its defaults filled in."""

    digest: str
    size: str
    quality: str
    background: str
    count: int
    usage: dict[str, Any]

    def picture(self, at: int) -> str:
        width, height = map(int, self.size.split("x"))
        return base64.b64encode(png(width, height, f"{self.digest[at:]}{self.digest[:at]}")).decode()

    def shown(self) -> dict[str, str]:
        return {"background": self.background, "output_format": "png", "quality": self.quality, "size": self.size}


def _answer(turn: Turn, request: ImageRequest, kind: str, *, pictures: int) -> Reply:
    check_ranges(request, _RANGES)
    prompt = turn.enter(request.model, text=request.prompt, stream=bool(request.stream))
    if not request.prompt:
        raise missing("prompt")
    if turn.behaviour.refusal:
        raise invalid(_REJECTED, code="moderation_blocked")
    order = _order(turn, request, prompt, pictures)
    created_s = CREATED_S + int(order.digest[:6], 16)
    turn.state.log.stats.input_tokens += order.usage["input_tokens"]
    turn.call.output_tokens = order.usage["output_tokens"]
    if request.stream:
        if request.model in _OLD:
            raise invalid("Streaming is not supported for this model.", param="stream")
        events = _events(order, kind, created_s, request.partial_images or 0)
        tokens = turn.call.output_tokens
        return Reply(200, events=events, content_type=SSE, output_tokens=tokens, error_event=ERROR_EVENT)
    answer: dict[str, Any] = {"created": created_s, "data": _data(request, order)}
    if request.model not in _OLD:
        answer |= order.shown()
        if not turn.behaviour.no_usage:
            answer["usage"] = order.usage
    return Reply(200, _encode(answer), output_tokens=turn.call.output_tokens)


def _order(turn: Turn, request: ImageRequest, prompt: str, pictures: int) -> _Order:
    sizes = _OLD.get(request.model, tuple(_TOKENS))
    size = sizes[-1 if request.model == "dall-e-2" else 0] if request.size in (None, "auto") else str(request.size)
    if size not in sizes:
        raise _choice("size", size, (*sizes, "auto"))
    if request.output_format not in (None, "png"):
        raise _choice("output_format", str(request.output_format), ("png",))
    if request.response_format is not None and request.model not in _OLD:
        raise invalid("Unknown parameter: 'response_format'.", param="response_format", code="unknown_parameter")
    quality = request.quality if request.quality in ("low", "medium", "high") else "medium"
    count = request.n or 1
    words, seen = tokens_of(prompt), MEDIA_TOKENS * pictures
    drawn = 0 if request.model in _OLD else _TOKENS[size][quality] * count
    usage = {
        "input_tokens": words + seen,
        "input_tokens_details": {"text_tokens": words, "image_tokens": seen},
        "output_tokens": drawn,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": drawn},
        "total_tokens": words + seen + drawn,
    }
    background = "transparent" if request.background == "transparent" else "opaque"
    digest = turn.state.ring.digest(_encode((request.model, prompt, size, quality)))
    return _Order(digest, size, quality, background, count, usage)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> Refused:
    return unsupported(name, value, ", ".join(f"'{choice}'" for choice in choices))


def _data(request: ImageRequest, order: _Order) -> list[dict[str, str]]:
    """A picture each; of the old models an address, at which there is nothing, unless the request wants the picture."""
    if request.model in _OLD and request.response_format != "b64_json":
        return [{"url": f"https://images.invalid/{order.digest}/{at}.png"} for at in range(order.count)]
    return [{"b64_json": order.picture(at)} for at in range(order.count)]


def _events(order: _Order, kind: str, created_s: int, partial: int) -> Iterator[bytes]:
    about = {"created_at": created_s, **order.shown()}
    for at in range(partial):
        yield _event(f"{kind}.partial_image", {**about, "b64_json": order.picture(at + 1), "partial_image_index": at})
    for at in range(order.count):
        yield _event(f"{kind}.completed", {**about, "b64_json": order.picture(at), "usage": order.usage})


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **data}))


ROUTES: Final = (
    Route("POST", "/v1/images/generations", generate, OPENAI),
    Route("POST", "/v1/images/edits", edit, OPENAI),
)
