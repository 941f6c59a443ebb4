"""Bounds and estimates how many tokens a request's input has, for holds and rate limits; bills use what the provider reports.

The bound rests on this: no tokenizer in use makes more tokens than the text has UTF-8 bytes, and the JSON around the text (27 bytes
and more for a message, 60 for a tool) is longer than what a provider adds for it. So the body's length bounds the text, the
messages and the tools together, and only media must be counted apart.
"""

from __future__ import annotations

from onevault.core.codec import InputSize
from onevault.dialects.wire.audio_length import AUDIO_BYTES_PER_MS_MIN, bytes_per_s_at_least

IMAGE_TOKENS_MAX = 48_169
"""OpenAI, gpt-4o-mini: 2,833 + 8 tiles × 5,667 (others of OpenAI ≤ 24,600 as patches × multiplier); Anthropic: ≤ 4,784."""

IMAGE_TOKENS_ESTIMATED = 1_200

DOCUMENT_TOKENS_MAX = 1_000_000
"""No provider takes a prompt longer than this. How many pages a document has its length does not tell: they can be compressed, and one
page can stand in it any number of times."""

AUDIO_TOKENS_PER_S = 10
"""OpenAI. (Google: 32.)"""

AUDIO_BYTES_PER_MS_ESTIMATED = 16
"""128 kbit/s, as MP3 mostly has."""

AUDIO_BYTES_PER_S_ESTIMATED = 4_000

SEARCHES_MAX = 10
"""A search tool without a limit of its own may search as often as it likes; more than so many a call seldom does."""

PROVIDER_TOOL_TOKENS_MAX = 8_192
"""A provider's own tool brings its description along: Anthropic's memory tool 1,500, its computer toolset about 5,000."""

FETCHED_TOKENS_MAX = 1_000_000
"""What a provider's search or code tool finds is counted as input, as much as the context holds."""

SYSTEM_TOKENS = 64
TOOL_SYSTEM_TOKENS = 1_024
"""What providers put before tools: Anthropic's table lists 264–804."""

_BYTES_PER_TOKEN = 4


class MediaSize:
    """Counts the media of one request, so that their base64 is not taken for text."""

    __slots__ = (
        "audio_bytes",
        "bytes_apart",
        "charged_apart",
        "searches_at_most",
        "tokens_at_most",
        "tokens_estimated",
    )

    def __init__(self) -> None:
        self.bytes_apart = 0
        self.tokens_at_most = 0
        self.tokens_estimated = 0
        self.audio_bytes = 0
        self.searches_at_most = 0
        self.charged_apart = ""

    def image(self, encoded_bytes: int) -> None:
        """An image; `encoded_bytes` is the length of its base64 or URL in the body."""
        self._add(encoded_bytes, IMAGE_TOKENS_MAX, IMAGE_TOKENS_ESTIMATED)

    def document(self, encoded_bytes: int) -> None:
        """A PDF or the like in base64."""
        self._add(encoded_bytes, DOCUMENT_TOKENS_MAX, max(encoded_bytes // 40, 2_000))

    def document_elsewhere(self) -> None:
        """A document that the provider fetches or already has: nothing is known about it."""
        self._add(0, DOCUMENT_TOKENS_MAX, 10_000)

    def audio(self, data: str, *, tokens_per_s: int = AUDIO_TOKENS_PER_S) -> None:
        """Audio in base64; its beginning tells how many bytes a second has at least."""
        data_bytes = len(data) * 3 // 4
        per_s = bytes_per_s_at_least(data)
        tokens = 1 + data_bytes * tokens_per_s // per_s if per_s else DOCUMENT_TOKENS_MAX
        estimated = 1 + data_bytes * tokens_per_s // AUDIO_BYTES_PER_S_ESTIMATED
        self._add(len(data), min(tokens, DOCUMENT_TOKENS_MAX), estimated)
        self.audio_bytes += data_bytes

    def provider_tool(self, *, fetches: bool, searches_at_most: int = 0) -> None:
        """A tool of the provider's own: it `fetches` if what it finds is input, too; searches may be paid for apart."""
        self.searches_at_most += searches_at_most
        if fetches:
            self._add(0, FETCHED_TOKENS_MAX, 10_000)
        else:
            self._add(0, PROVIDER_TOOL_TOKENS_MAX, 1_500)

    def _add(self, encoded_bytes: int, at_most: int, estimated: int) -> None:
        self.bytes_apart += encoded_bytes
        self.tokens_at_most += at_most
        self.tokens_estimated += estimated


def text_size(body_bytes: int, *, tools: bool) -> InputSize:
    """The size of a request without media."""
    added = SYSTEM_TOKENS + TOOL_SYSTEM_TOKENS if tools else SYSTEM_TOKENS
    return InputSize(body_bytes + added, max(body_bytes // _BYTES_PER_TOKEN, 1))


def mixed_size(body_bytes: int, media: MediaSize, *, tools: bool) -> InputSize:
    """The size of a request with media."""
    text = text_size(max(body_bytes - media.bytes_apart, 0), tools=tools)
    return InputSize(
        text.tokens_at_most + media.tokens_at_most,
        text.tokens_estimated + media.tokens_estimated,
        audio_ms_at_most=media.audio_bytes // AUDIO_BYTES_PER_MS_MIN,
        searches_at_most=media.searches_at_most,
        audio_ms_estimated=media.audio_bytes // AUDIO_BYTES_PER_MS_ESTIMATED,
        charged_apart=media.charged_apart,
    )
