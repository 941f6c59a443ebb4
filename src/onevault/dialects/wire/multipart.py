"""Takes a `multipart/form-data` body apart within bounds, and writes it again with one field exchanged and every other byte kept.

Follows RFC 7578 (form-data) and RFC 2046, 5.1.1 (boundaries), strictly: lines end in CRLF, nothing stands before the first delimiter,
a delimiter is a line of its own, the last one is there. Everything is in memory already, so this is a search and no state machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from onevault.core.faults import Fault, FaultKind

PARTS_MAX = 128
"""Image edits take 16 images and a dozen fields."""
HEAD_BYTES_MAX = 4_096
HEADERS_MAX = 8
NAME_LENGTH_MAX = 256
FIELD_BYTES_MAX = 1 << 20
"""What is no file is a name, a number or a text of some thousand characters."""

_CONTENT_TYPE = re.compile(r"multipart/form-data[ \t]*;(?P<parameters>.*)", re.IGNORECASE | re.DOTALL)
_BOUNDARY = re.compile(r"""[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]""")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  # of a header's grammar, not a secret
_PARAMETER = re.compile(rf';[ \t]*({_TOKEN})=(?:"((?:[^"\\\x00-\x1f]|\\[\x20-\x7e])*)"|({_TOKEN}))[ \t]*')
_HEADER = re.compile(rf"({_TOKEN}):[ \t]*(.*?)[ \t]*", re.DOTALL)
_BARE = re.compile(_TOKEN)


class Field(msgspec.Struct, frozen=True):
    """One part. `segment` is its head and data as they came; `filename` is None where it is no file."""

    name: str
    filename: str | None
    data: bytes
    segment: bytes


class Form(msgspec.Struct, frozen=True):
    """A body taken apart, its fields in their order."""

    boundary: str
    fields: tuple[Field, ...]

    @property
    def content_type(self) -> str:
        boundary = self.boundary if _BARE.fullmatch(self.boundary) else f'"{self.boundary}"'
        return f"multipart/form-data; boundary={boundary}"

    def texts(self) -> dict[str, str]:
        """The values of the fields that are no files; of a name given twice the last. Raises Fault INVALID_REQUEST."""
        return {field.name: text_of(field) for field in self.fields if field.filename is None}

    def files(self, *names: str) -> list[Field]:
        """The files under these names, an array's `name[]` counting as its `name`."""
        return [
            field
            for field in self.fields
            if field.filename is not None and (field.name in names or field.name.removesuffix("[]") in names)
        ]

    def rewritten(self, name: str, value: str, *, without: Collection[str]) -> bytes:
        """The same body with the field `name` exchanged, or added as the first, and without the named fields."""
        segment = b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name.encode(), value.encode())
        segments: list[bytes] = []
        for field in self.fields:
            if field.name == name:
                if segment is not None:
                    segments.append(segment)
                segment = b""
            elif field.name not in without:
                segments.append(field.segment)
        if segment:
            segments.insert(0, segment)
        line = b"--" + self.boundary.encode()
        return b"".join(line + b"\r\n" + kept + b"\r\n" for kept in segments if kept) + line + b"--\r\n"


def text_of(field: Field) -> str:
    """The value of a field that is no file. Raises Fault INVALID_REQUEST."""
    if len(field.data) > FIELD_BYTES_MAX:
        raise _malformed(f"has a field longer than {FIELD_BYTES_MAX} bytes that is not a file", field.name)
    try:
        return field.data.decode()
    except UnicodeDecodeError:
        raise _malformed("has a field that is not text in UTF-8", field.name) from None


def read_form(body: bytes, content_type: str) -> Form:
    """Raises Fault INVALID_REQUEST, with the field at fault where it has a name by then."""
    boundary = _boundary(content_type)
    delimiter = b"\r\n--" + boundary.encode()
    if not body.startswith(delimiter[2:]):
        raise _malformed("does not begin with its boundary")
    fields: list[Field] = []
    at = len(delimiter) - 2
    while True:
        after = body[at : at + 2]
        if after == b"--":
            break
        line_end = body.find(b"\r\n", at, at + HEAD_BYTES_MAX)
        last = fields[-1].name if fields else None
        if line_end < 0 or body[at:line_end].strip(b" \t"):
            raise _malformed("has a delimiter that is not a line of its own", last)
        if len(fields) == PARTS_MAX:
            raise _malformed(f"has more than {PARTS_MAX} parts", last)
        start = line_end + 2
        end = body.find(delimiter, line_end)
        if end < 0:
            raise _malformed("ends without its last delimiter", last)
        fields.append(_field(body[start:end], last))
        at = end + len(delimiter)
    if body[at + 2 :].strip(b" \t\r\n"):
        raise _malformed("goes on after its last delimiter")
    return Form(boundary, tuple(fields))


def _boundary(content_type: str) -> str:
    found = _CONTENT_TYPE.fullmatch(content_type.strip())
    boundary = _parameters(found["parameters"]).get("boundary") if found else None
    if boundary is None or _BOUNDARY.fullmatch(boundary) is None:
        raise Fault(
            FaultKind.INVALID_REQUEST,
            "The request's content-type must be multipart/form-data with a boundary.",
            param="content-type",
        )
    return boundary


def _field(segment: bytes, last: str | None) -> Field:
    if segment.startswith(b"\r\n"):
        raise _malformed("has a part without a content-disposition", last)
    head_end = segment.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
    if head_end < 0:
        raise _malformed(f"has a part whose head does not end within {HEAD_BYTES_MAX} bytes", last)
    disposition = _disposition(segment[:head_end], last)
    parameters = _parameters(disposition)
    name = parameters.get("name")
    if not name or len(name) > NAME_LENGTH_MAX or "name*" in parameters:
        raise _malformed(f"has a part without a plain name of 1 to {NAME_LENGTH_MAX} characters", last)
    filename = parameters.get("filename", parameters.get("filename*"))
    return Field(name, filename, segment[head_end + 4 :], segment)


def _disposition(head: bytes, last: str | None) -> str:
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise _malformed("has a part whose head is not UTF-8", last) from None
    if len(lines) > HEADERS_MAX:
        raise _malformed(f"has a part with more than {HEADERS_MAX} headers", last)
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None or found[1].lower() in headers or "\n" in line or "\r" in line or "\0" in line:
            raise _malformed("has a part with a malformed header", last)
        headers[found[1].lower()] = found[2]
    kind, _, parameters = headers.get("content-disposition", "").partition(";")
    if kind.strip().lower() != "form-data":
        raise _malformed("has a part that is not form-data", last)
    coding = headers.get("content-transfer-encoding", "binary").lower()
    if coding not in ("7bit", "8bit", "binary"):
        raise _malformed("has a part with a transfer encoding, which form-data does not know (RFC 7578, 4.7)", last)
    return parameters


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a header, from behind its first semicolon; {} if they are malformed or one is given twice."""
    found: dict[str, str] = {}
    text, at = ";" + text, 0
    while at < len(text):
        parameter = _PARAMETER.match(text, at)
        if parameter is None or parameter[1].lower() in found:
            return {}
        quoted = parameter[2]
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3]
        # Browsers and the SDKs write a quote in a name as %22 (HTML standard, multipart/form-data encoding).
        found[parameter[1].lower()] = value.replace("%22", '"')
        at = parameter.end()
    return found


def _malformed(what: str, param: str | None = None) -> Fault:
    return Fault(
        FaultKind.INVALID_REQUEST, f"The body is not valid multipart/form-data: it {what}.", param=param or None
    )
