"""Embeddings as the Gemini API has them: `:embedContent` for one text, `:batchEmbedContents` for many; as callers ask for them.

Source: Gemini API reference, "Embeddings".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from onevault.core.codec import (
    NO_NEEDS,
    PLAIN,
    Extensions,
    InputSize,
    RequestLine,
    WireRequest,
)
from onevault.core.embeddings import EmbeddingsRequest, Purpose
from onevault.core.operations import Capability, Dialect, Operation
from onevault.dialects.gemini.body import ContentIn, spelled
from onevault.dialects.gemini.names import GEMINI_EMBEDDINGS
from onevault.dialects.gemini.paths import model_and_verb, resource_of, wire_path
from onevault.dialects.wire.extensions import EXTENSION_NAMES, ExtendedBody, extensions_of, merged
from onevault.dialects.wire.input_size import text_size
from onevault.dialects.wire.json_body import fields_of, invalid, unsupported

EMBED = "embedContent"
EMBED_BATCH = "batchEmbedContents"
BATCH_MAX = 100
"""Google takes no more requests in one batch."""

TASK_TYPES = {
    Purpose.QUERY: "RETRIEVAL_QUERY",
    Purpose.DOCUMENT: "RETRIEVAL_DOCUMENT",
    Purpose.SIMILARITY: "SEMANTIC_SIMILARITY",
    Purpose.CLASSIFICATION: "CLASSIFICATION",
    Purpose.CLUSTERING: "CLUSTERING",
    Purpose.CODE_QUERY: "CODE_RETRIEVAL_QUERY",
    Purpose.QUESTION: "QUESTION_ANSWERING",
    Purpose.FACT_CHECK: "FACT_VERIFICATION",
}
_PURPOSES = {task: purpose for purpose, task in TASK_TYPES.items()}

_Dimensions = Annotated[float, Meta(ge=1, le=2**20)]


class EmbedConfig(msgspec.Struct, frozen=True, rename="camel"):
    """Where Vertex AI's callers put the same."""

    task_type: str | None = None
    title: str | None = None
    output_dimensionality: _Dimensions | None = None


class EmbedIn(msgspec.Struct, frozen=True, rename="camel"):
    """A request for one vector."""

    content: ContentIn
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: _Dimensions | None = None
    embed_content_config: EmbedConfig | None = None

    @property
    def asked(self) -> tuple[str | None, str | None, int | None]:
        """Task, title and dimensions."""
        config = self.embed_content_config or _NO_CONFIG
        dimensions = self.output_dimensionality or config.output_dimensionality
        return self.task_type or config.task_type, self.title or config.title, int(dimensions) if dimensions else None


_NO_CONFIG = EmbedConfig()


class EmbedBody(ExtendedBody, frozen=True, kw_only=True, rename="camel"):
    content: ContentIn
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: _Dimensions | None = None
    embed_content_config: EmbedConfig | None = None


class BatchBody(ExtendedBody, frozen=True, kw_only=True, rename="camel"):
    requests: Annotated[list[EmbedIn], Meta(min_length=1, max_length=BATCH_MAX)]


_EMBED_BODY = msgspec.json.Decoder(EmbedBody)
_BATCH_BODY = msgspec.json.Decoder(BatchBody)
_REQUESTS = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_NO_METADATA: Mapping[str, str] = {}


class GeminiEmbeddingsIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request for embeddings in Google's dialect, read and valid."""

    body: bytes
    requests: tuple[EmbedIn, ...]
    batch: bool
    model: str | None
    size: InputSize
    extensions: Extensions
    stream: bool = False
    output_tokens_asked: int | None = None
    choices: int = 1
    metadata: Mapping[str, str] = _NO_METADATA
    end_user: str | None = None
    needs: frozenset[Capability] = NO_NEEDS
    service_tier: str | None = None
    dialect: Dialect = GEMINI_EMBEDDINGS
    operation: Operation = Operation.EMBEDDINGS

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        """Google wants the model in each request of a batch, too."""
        fields = fields_of(self.body)
        for name in EXTENSION_NAMES:
            fields.pop(name, None)
        named = Raw(msgspec.json.encode(resource_of(model)))
        if not self.batch:
            if "model" in fields:
                fields["model"] = named
            return WireRequest(wire_path(model, EMBED), msgspec.json.encode(fields))
        given = bytes(fields["requests"])
        requests = [
            request | {"model": named} for request in _REQUESTS(given if given[:1] == b"[" else b"[%b]" % given)
        ]
        fields["requests"] = Raw(msgspec.json.encode(requests))
        return WireRequest(wire_path(model, EMBED_BATCH), msgspec.json.encode(fields))

    def canonical(self) -> EmbeddingsRequest:
        """Raises Fault UNSUPPORTED_PARAMETER for what is no text, and for requests of a batch that differ in more than that."""
        first = self.requests[0].asked
        inputs: list[str] = []
        for i, request in enumerate(self.requests):
            path = f"requests[{i}]" if self.batch else ""
            if request.asked != first:
                raise unsupported(path, "must ask for the same as the first at the provider that was chosen")
            inputs.append(_text(request.content, f"{path}.content" if path else "content"))
        task, title, dimensions = first
        purpose = _PURPOSES.get(task or "")
        unknown = task not in (None, "", "TASK_TYPE_UNSPECIFIED") and purpose is None
        return EmbeddingsRequest(
            model=self.model or "",
            inputs=tuple(inputs),
            dimensions=dimensions,
            purpose=purpose,
            title=title,
            hints=("taskType",) if unknown else (),
        )

    def with_header_extensions(self, extensions: Extensions) -> GeminiEmbeddingsIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))


def _text(content: ContentIn, path: str) -> str:
    texts: list[str] = []
    for j, part in enumerate(content.parts or ()):
        if part.text is None:
            raise unsupported(f"{path}.parts[{j}]", "must be text at the provider that was chosen")
        texts.append(part.text)
    return "\n".join(texts)


def read_embeddings(body: bytes, line: RequestLine = PLAIN) -> GeminiEmbeddingsIncoming:
    """Raises Fault INVALID_REQUEST, or UNSUPPORTED_PARAMETER for an extension that is not built yet."""
    model, verb = model_and_verb(line.path)
    batch = verb == EMBED_BATCH
    extended: ExtendedBody
    if batch:
        parsed, _ = spelled(_BATCH_BODY, body)
        extended, requests = parsed, tuple(parsed.requests)
    else:
        one, _ = spelled(_EMBED_BODY, body)
        names = EmbedIn.__struct_fields__
        extended, requests = one, (EmbedIn(**{name: getattr(one, name) for name in names}),)
    for i, request in enumerate(requests):
        if not request.content.parts:
            raise invalid(f"requests[{i}].content.parts" if batch else "content.parts", "must not be empty")
    return GeminiEmbeddingsIncoming(
        body=body,
        requests=requests,
        batch=batch,
        model=model,
        size=text_size(len(body), tools=False),
        extensions=extensions_of(extended),
    )
