"""Frames of an event stream, however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.wire import sse
from onevault.dialects.wire.sse import FrameCutter, frame_data, frame_event


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"data: x\r\n\r\n", b"x"),
        (b"data: x\r\r", b"x"),
        (b"event: e\ndata: x\n\n", b"x"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"data\n\n", b""),
        (b"event: e\nid: 1\ndata: x\n\n", b"x"),
        (b"event: e\ndata: x\nid: 1\n\n", b"x"),
        (b"data: x\nid: 1\n\n", b"x"),
        (b"\xef\xbb\xbfdata: x\n\n", b"x"),
        (b"\ndata: x\n\n", b"x"),
        (b": comment\n\n", None),
        (b"event: e\n\n", None),
        (b"\n\n", None),
    ],
)
def test_a_frames_data_is_what_the_standard_says(frame: bytes, data: bytes | None) -> None:
    assert frame_data(frame) == data


def test_a_frames_last_event_name_counts() -> None:
    assert frame_event(b"event: a\nevent: b\ndata: x\n\n") == b"b"
    assert frame_event(b"data: x\n\n") == b""


LINES = st.sampled_from([b"data: x", b"event: e", b": c", b"", b"id: 1", b'data: {"a": 1}'])
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=20).map(lambda lines: b"".join(line + end for line, end in lines))


@settings(deadline=None)  # two cores shared with other tests
@given(STREAMS, st.data())
def test_any_split_gives_the_same_frames_and_loses_no_byte(stream: bytes, data: st.DataObject) -> None:
    whole = FrameCutter()
    expected = [*whole.feed(stream), whole.close()]
    assert b"".join(expected) == stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    cutter, frames = FrameCutter(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        frames += cutter.feed(stream[start:end])
    assert [*frames, cutter.close()] == expected


def test_a_frame_that_never_ends_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "FRAME_BYTES_MAX", 100)
    cutter = FrameCutter()
    cutter.feed(b"data: " + b"x" * 90)
    with pytest.raises(Fault) as fault:
        cutter.feed(b"x" * 90)
    assert fault.value.kind is FaultKind.PROVIDER_ERROR
