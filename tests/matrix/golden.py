"""The matrix as files that can be read and compared: one for each caller and target."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from onevault.core.codec import WireRequest
from onevault.core.faults import Fault
from tests.matrix.carried import Refused, fault_of, refused, sent, told_stream, told_whole
from tests.matrix.cases import GOLDEN, answers_of, errors_of, read, requests_of

LINE_MAX = 118
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]{100,}")


def path_of(caller: str, target: str) -> Path:
    return GOLDEN / "matrix" / f"{caller}--{target}.json"


def kept(caller: str, target: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path_of(caller, target).read_text(encoding="utf-8"))
    return document


def request_golden(caller: str, target: str, case: str) -> Any:
    """A request as its target gets it, or the fault that it is."""
    try:
        wire = sent(read(caller, requests_of(caller)[case]), target)
    except Fault as fault:
        return {"fault": fault.kind.value, "param": fault.param}
    return _shortened(_wire(wire))


def whole_golden(caller: str, target: str, case: str) -> Any:
    return json.loads(told_whole(caller, target, answers_of(target, "whole")[case]))


def stream_golden(caller: str, target: str, case: str) -> Any:
    """A stream's frames: their data, which in the dialects that name their events says the same name in `type`."""
    return frames(told_stream(caller, target, answers_of(target, "stream")[case]))


def error_golden(caller: str, target: str, case: str) -> Any:
    return _refusal(refused(caller, fault_of(target, *errors_of(target)[case])))


def made(caller: str, target: str) -> dict[str, Any]:
    """The whole file."""
    return {
        "requests": {case: request_golden(caller, target, case) for case in sorted(requests_of(caller))},
        "whole": {case: whole_golden(caller, target, case) for case in sorted(answers_of(target, "whole"))},
        "stream": {case: stream_golden(caller, target, case) for case in sorted(answers_of(target, "stream"))},
        "errors": {case: error_golden(caller, target, case) for case in sorted(errors_of(target))},
    }


def frames(stream: bytes) -> list[Any]:
    """The data of each server-sent event. Fails where an event's name is not its data's `type`."""
    found: list[Any] = []
    for block in re.split(r"\r?\n\r?\n", stream.decode()):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if not fields:
            continue
        assert set(fields) <= {"event", "data"}, block
        data = fields["data"] if fields["data"] == "[DONE]" else json.loads(fields["data"])
        assert "event" not in fields or fields["event"] == data["type"], block
        found.append(data)
    return found


def _wire(wire: WireRequest) -> dict[str, Any]:
    document: dict[str, Any] = {"path": wire.path}
    if wire.headers:
        document["headers"] = dict(wire.headers)
    document["body"] = json.loads(wire.body)
    if wire.dropped:
        document["dropped"] = list(wire.dropped)
    return document


def _refusal(refusal: Refused) -> dict[str, Any]:
    document: dict[str, Any] = {"status": refusal.status}
    if refusal.headers:
        document["headers"] = refusal.headers
    document["body"] = json.loads(refusal.body)
    return document


def _shortened(value: Any) -> Any:
    """Long base64 by its beginning and its length."""
    if isinstance(value, dict):
        return {name: _shortened(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value]
    if isinstance(value, str):
        return _BASE64.sub(lambda found: f"{found[0][:24]}…{len(found[0])}", value)
    return value


def written(value: Any, depth: int = 0, *, taken: int = 0) -> str:
    """JSON that a diff shows well: what fits a line is one, a frame of a stream always."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or depth + taken + len(flat) <= LINE_MAX:
        return flat
    inner, outer = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, list):
        lines = [written(each, depth + 1) for each in value]
        return "[" + inner + f",{inner}".join(lines) + outer + "]"
    lines = []
    for name, each in value.items():
        start = f"{json.dumps(name)}: "
        lines.append(start + written(each, depth + 1, taken=len(start)))
    return "{" + inner + f",{inner}".join(lines) + outer + "}"
