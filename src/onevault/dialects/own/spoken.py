"""The gateway's own dialects as the registry takes them up; providers speak none of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from onevault.core.codec import NO_FACTS, PLAIN, AnswerFacts, AnswerWriter, Incoming, RequestLine
from onevault.core.events import EmbeddingsMade, Event
from onevault.core.faults import Fault
from onevault.dialects.openai.embeddings import read_embeddings
from onevault.dialects.openai.faults import openai_error_body, openai_error_frame
from onevault.dialects.openai_images.request import read_images
from onevault.dialects.own.names import OWN_CHAT, OWN_EMBEDDINGS, OWN_GENERATE, OWN_IMAGES
from onevault.dialects.own.request import read_generate, read_own
from onevault.dialects.own.writer import OwnWriter, facts_written
from onevault.dialects.wire.json_body import fields_of
from onevault.dialects.wire.passing import PassingWriter


class OwnFaults:
    """What is the same for all of them: faults look as OpenAI's do, with the gateway's code."""

    takes = "application/json"

    def error_body(self, fault: Fault, *, request_id: str) -> bytes:
        return openai_error_body(fault, request_id=request_id)

    def error_frame(self, fault: Fault, *, request_id: str) -> bytes:
        return openai_error_frame(fault, request_id=request_id)


class OwnChat(OwnFaults):
    """`POST /v1/ai/completions`."""

    dialect = OWN_CHAT
    paths = ("/v1/ai/completions",)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_own(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return OwnWriter(request_id=request_id, created_s=created_s)


class OwnGenerate(OwnFaults):
    """`POST /api/v1/ai/generate`: the same, with `options` in and the text also as `text` out."""

    dialect = OWN_GENERATE
    paths = ("/api/v1/ai/generate",)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_generate(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return OwnWriter(request_id=request_id, created_s=created_s, text_field="text")


class OwnEmbeddings(OwnFaults):
    """`POST /v1/ai/embeddings`: OpenAI's request; the answer tells what it cost."""

    dialect = OWN_EMBEDDINGS
    paths = ("/v1/ai/embeddings",)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return msgspec.structs.replace(read_embeddings(body), dialect=OWN_EMBEDDINGS)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return OwnEmbeddingsWriter()


class OwnEmbeddingsWriter(PassingWriter):
    """`{"object": "list", "data": [{"object", "index", "embedding"}], "provider", "model", "cost", …}`."""

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        vectors = next((event.vectors for event in events if isinstance(event, EmbeddingsMade)), ())
        data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        return msgspec.json.encode({"object": "list", "data": data, **facts_written(facts)})


class OwnImages(OwnFaults):
    """`POST /v1/ai/images/generations`: OpenAI's request; the answer is OpenAI's with what it cost beside it."""

    dialect = OWN_IMAGES
    paths = ("/v1/ai/images/generations",)

    def read(self, body: bytes, line: RequestLine = PLAIN) -> Incoming:
        return read_images(body)

    def writer(self, incoming: Incoming, *, request_id: str, created_s: int) -> AnswerWriter:
        return OwnImagesWriter()


class OwnImagesWriter(PassingWriter):
    """Adds the facts to the provider's own answer; its `usage` stays what the provider said."""

    def whole(self, events: Sequence[Event], facts: AnswerFacts = NO_FACTS) -> bytes:
        fields: dict[str, Any] = dict(fields_of(self.write(events)))
        told = facts_written(facts)
        if "usage" in fields:
            del told["usage"]
        return msgspec.json.encode({**fields, **told})
