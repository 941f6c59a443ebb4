"""OpenAI's dialect for moderation as the registry takes it up."""

from __future__ import annotations

from onevault.core.codec import PLAIN, Decoder, Incoming, RequestLine
from onevault.dialects.openai.passing_only import OpenAIPassing
from onevault.dialects.openai_moderations.moderations import MODERATIONS_PATH, PassingVerdicts, read_moderation
from onevault.dialects.openai_moderations.names import OPENAI_MODERATIONS


class OpenAIModerations(OpenAIPassing):
    """Both sides of openai-moderations."""

    dialect = OPENAI_MODERATIONS
    paths = ("/v1/moderations",)
    wire_paths = (MODERATIONS_PATH,)
    makes = "judges texts"

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_moderation(body)

    def decoder(self, *, stream: bool, passing: Incoming | None) -> Decoder:
        return PassingVerdicts()
