"""Reads forms with files in them, as OpenAI takes audio and images.

Written from RFC 7578 and RFC 2046, section 5.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from onevault.simulator.faults import invalid
from onevault.simulator.openai_reading import missing
from onevault.simulator.request import Request

_PARTS_MAX: Final = 256
_BOUNDARY: Final = re.compile(rb'boundary=(?:"([^"]{1,200})"|([^;\s]{1,200}))', re.IGNORECASE)
_NAME: Final = re.compile(rb'\bname="([^"]*)"', re.IGNORECASE)
_FILENAME: Final = re.compile(rb'\bfilename="([^"]*)"', re.IGNORECASE)


@dataclass(slots=True)
class File:
    name: str
    data: bytes


@dataclass(slots=True)
class Form:
    """The fields and files by name, in the order they came; a name may come several times."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[File]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """The last field of this name."""
        return self.fields.get(name, [default])[-1]

    def listed(self, name: str) -> list[str]:
        """All fields of this name, with or without the brackets that mark a list."""
        return self.fields.get(name, []) + self.fields.get(f"{name}[]", [])

    def required(self, name: str) -> str:
        """Raises Refused in OpenAI's words where it is not there."""
        if not self.text(name):
            raise missing(name)
        return self.text(name)


def read_form(request: Request) -> Form:
    """Raises Refused in OpenAI's words for a body that is no form."""
    boundary = _BOUNDARY.search(request.headers.get(b"content-type", b""))
    if boundary is None:
        raise invalid("Could not parse multipart form: the content type names no boundary.")
    parts = (b"\r\n" + request.body).split(b"\r\n--" + (boundary[1] or boundary[2]))
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise invalid("Could not parse multipart form: its end is missing.")
    if len(parts) > _PARTS_MAX:
        raise invalid(f"Could not parse multipart form: more than {_PARTS_MAX} parts.")
    form = Form()
    for part in parts[1:-1]:
        head, end, data = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if not end or name is None:
            raise invalid("Could not parse multipart form: a part has no name.")
        filename = _FILENAME.search(head)
        if filename is not None:
            file = File(filename[1].decode(errors="replace"), data)
            form.files.setdefault(name[1].decode(errors="replace"), []).append(file)
        else:
            form.fields.setdefault(name[1].decode(errors="replace"), []).append(data.decode(errors="replace"))
    return form
