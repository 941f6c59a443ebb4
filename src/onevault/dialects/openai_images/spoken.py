"""OpenAI's image dialects as the registry takes them up."""

from __future__ import annotations

from onevault.core.codec import PLAIN, AnswerWriter, Decoder, Incoming, RequestLine
from onevault.dialects.openai.passing_only import OpenAIPassing, ProvidersTypeWriter
from onevault.dialects.openai_images.answer import PassingImageEvents, PassingImages
from onevault.dialects.openai_images.names import OPENAI_IMAGE_EDITS, OPENAI_IMAGES
from onevault.dialects.openai_images.request import EDITS_PATH, IMAGES_PATH, read_edits, read_images


class OpenAIImages(OpenAIPassing):
    """Both sides of openai-images."""

    dialect = OPENAI_IMAGES
    paths = ("/v1/images/generations",)
    wire_paths = (IMAGES_PATH,)
    makes = "makes images"

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_images(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return ProvidersTypeWriter()

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        if not stream:
            return PassingImages()
        return PassingImageEvents(images_asked=1 if passing is None else passing.size.images)


class OpenAIImageEdits(OpenAIImages):
    """Both sides of openai-image-edits."""

    dialect = OPENAI_IMAGE_EDITS
    paths = ("/v1/images/edits",)
    wire_paths = (EDITS_PATH,)
    takes = "multipart/form-data"
    makes = "edits images"

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_edits(body, line)
