"""Decodes OpenAI's embeddings into vectors that every dialect can write."""

from __future__ import annotations

import base64
import binascii
from array import array

import msgspec

from onevault.core.events import EmbeddingsMade, Event, Finished, UsageReported
from onevault.dialects.openai.embeddings_vectors import little_endian
from onevault.dialects.openai.faults import fault_in_stream
from onevault.dialects.openai.usage import OpenAIUsage, usage_of
from onevault.dialects.wire.decoders import WholeDecoder
from onevault.dialects.wire.provider_faults import malformed


class Entry(msgspec.Struct, frozen=True, gc=False):
    embedding: tuple[float, ...] | str
    index: int | None = None


class Made(msgspec.Struct, frozen=True, gc=False):
    data: list[Entry] | None = None
    model: str | None = None
    usage: OpenAIUsage | None = None
    error: object = None


_MADE = msgspec.json.Decoder(Made).decode


class CanonicalEmbeddings(WholeDecoder):
    """Decodes an answer once it has come; the entries stand by their index, whatever their order."""

    __slots__ = ()

    def decoded(self, body: bytes) -> list[Event]:
        try:
            made = _MADE(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("an answer that is not in its dialect", body) from None
        if made.error is not None:
            raise fault_in_stream(made.error)
        if not made.data:
            raise malformed("an answer without embeddings", body)
        entries = made.data
        if all(entry.index is not None for entry in entries):
            entries = sorted(entries, key=_index)
        events: list[Event] = [EmbeddingsMade(tuple(_vector(entry, body) for entry in entries), made.model or "")]
        if made.usage is not None:
            events.append(UsageReported(usage_of(made.usage)))
        events.append(Finished())
        return events


def _index(entry: Entry) -> int:
    return entry.index or 0


def _vector(entry: Entry, body: bytes) -> tuple[float, ...]:
    given = entry.embedding
    if isinstance(given, str):
        numbers = array("f")
        try:
            numbers.frombytes(base64.b64decode(given, validate=True))
        except (binascii.Error, ValueError):
            raise malformed("an embedding that is not base64 of numbers", body) from None
        given = tuple(little_endian(numbers))
    if not given:
        raise malformed("an answer without embeddings", body)
    return given
