"""Holds a request that only servers of its own dialect take, and writes it for them with the caller's own bytes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from onevault.core.codec import NO_NEEDS, Canonical, Extensions, InputSize, WireRequest
from onevault.core.operations import Capability, Dialect, Operation
from onevault.dialects.wire.extensions import EXTENSION_NAMES, ExtendedBody, extensions_of, merged
from onevault.dialects.wire.json_body import decoded, fields_of, invalid, unsupported
from onevault.dialects.wire.multipart import Form

MODEL_LENGTH_MAX = 256

_NO_METADATA: Mapping[str, str] = {}
_EXTENDED = msgspec.json.Decoder(ExtendedBody)
_JSON = msgspec.json.Decoder(Raw)


class PassingIncoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request in JSON, or a `form`, read and valid. `answer_format` is how the caller wants the answer written, in the dialect's
    word."""

    body: bytes
    path: str
    dialect: Dialect
    operation: Operation
    model: str | None
    size: InputSize
    extensions: Extensions
    form: Form | None = None
    stream: bool = False
    answer_format: str = ""
    output_tokens_asked: int | None = None
    choices: int = 1
    end_user: str | None = None
    metadata: Mapping[str, str] = _NO_METADATA
    needs: frozenset[Capability] = NO_NEEDS
    service_tier: str | None = None

    def rewritten(self, model: str, *, output_tokens_max: int | None) -> WireRequest:
        """These operations have no limit on their output to set."""
        if self.form is not None:
            body = self.form.rewritten("model", model, without=EXTENSION_NAMES)
            return WireRequest(self.path, body, content_type=self.form.content_type)
        fields = fields_of(self.body)
        fields["model"] = Raw(msgspec.json.encode(model))
        for name in EXTENSION_NAMES:
            fields.pop(name, None)
        return WireRequest(self.path, msgspec.json.encode(fields))

    def canonical(self) -> Canonical:
        raise unsupported(
            "model", f"has no provider that is spoken to in the dialect {self.dialect}, the only one for this"
        )

    def with_header_extensions(self, extensions: Extensions) -> PassingIncoming:
        return msgspec.structs.replace(self, extensions=merged(self.extensions, extensions))


def checked_model(model: str | None) -> str | None:
    """Raises Fault INVALID_REQUEST."""
    if model is not None and not 0 < len(model) <= MODEL_LENGTH_MAX:
        raise invalid("model", f"must have 1 to {MODEL_LENGTH_MAX} characters")
    return model


def form_extensions(texts: Mapping[str, str]) -> Extensions:
    """The gateway's own fields of a form, each of them JSON. Raises Fault as `extensions_of` does."""
    given = {name: texts[name].encode() for name in EXTENSION_NAMES if name in texts}
    for name, value in given.items():
        decoded(_JSON, value, at=name)
    body = b"{" + b",".join(b'"%b":%b' % (name.encode(), value) for name, value in given.items()) + b"}"
    return extensions_of(decoded(_EXTENDED, body))
