"""AWS's binary event stream: any split gives the same messages, and damage of any kind is the provider's fault."""

from __future__ import annotations

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.event_stream import event, message, string_header

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.bedrock.eventstream import MESSAGE_BYTES_MAX, Message, MessageCutter

ALL_TYPES = (
    b"\x01a\x00\x01b\x01\x01c\x02\x7f\x01d\x03\x00\x01\x01e\x04\x00\x00\x00\x01"
    + b"\x01f\x05" + bytes(8)
    + b"\x01g\x06\x00\x03xyz"
    + b"\x01h\x08" + bytes(8)
    + b"\x01i\x09" + bytes(16)
)  # fmt: skip
EVENTS = st.builds(
    event,
    st.sampled_from(["messageStart", "contentBlockDelta", "metadata"]),
    st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3),
    kind=st.sampled_from(["event", "exception"]),
)


def cut(pieces: list[bytes]) -> list[Message]:
    cutter = MessageCutter()
    messages = [found for piece in pieces for found in cutter.feed(piece)]
    cutter.close()
    return messages


@settings(deadline=None)  # two cores shared with other tests
@given(st.lists(EVENTS, max_size=6), st.data())
def test_any_split_gives_the_messages_that_the_library_of_aws_finds(events: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    theirs = EventStreamBuffer()
    theirs.add_data(raw)
    expected = []
    for found in theirs:
        name = found.headers.get(":event-type") or found.headers.get(":exception-type")
        expected.append((found.headers[":message-type"], name, found.payload))
    assert cut(pieces) == expected
    assert cut([raw[i : i + 1] for i in range(len(raw))]) == expected


def test_headers_of_every_type_are_stepped_over() -> None:
    headers = ALL_TYPES + string_header(":event-type", "ping") + ALL_TYPES + string_header(":message-type", "event")
    assert cut([message(headers, b"{}")]) == [Message("event", "ping", b"{}")]


def test_an_error_is_named_by_its_code() -> None:
    headers = string_header(":message-type", "error") + string_header(":error-code", "InternalError")
    assert cut([message(headers, b"")]) == [Message("error", "InternalError", b"")]


GOOD = event("contentBlockDelta", {"delta": {"text": "Hello"}})


@pytest.mark.parametrize("at", range(len(GOOD)))
def test_one_changed_byte_anywhere_is_a_fault(at: int) -> None:
    spoiled = bytearray(GOOD * 2)
    spoiled[at] ^= 0x40
    with pytest.raises(Fault) as fault:
        cut([bytes(spoiled)])
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


@pytest.mark.parametrize("end", range(1, len(GOOD)))
def test_a_message_cut_short_anywhere_is_a_fault(end: int) -> None:
    with pytest.raises(Fault) as fault:
        cut([GOOD, GOOD[:end]])
    assert fault.value.kind is FaultKind.PROVIDER_ERROR


def prelude(length: int, headers_length: int) -> bytes:
    lengths = struct.pack(">II", length, headers_length)
    return lengths + struct.pack(">I", zlib.crc32(lengths))


@pytest.mark.parametrize(
    ("length", "headers_length"),
    [(0, 0), (15, 0), (16, 1), (100, 85), (MESSAGE_BYTES_MAX + 1, 0), (0xFFFFFFFF, 0), (200_000, 131_073)],
)
def test_an_impossible_length_is_found_before_anything_is_kept(length: int, headers_length: int) -> None:
    with pytest.raises(Fault, match="impossible length"):
        list(MessageCutter().feed(prelude(length, headers_length)))


@pytest.mark.parametrize(
    "headers",
    [
        b"\x01a",
        b"\x05abc",
        b"\x01a\x0a",
        b"\x01a\x07\x00\x05ab",
        b"\x01a\x05\x00",
        b"\x01\xff\x00",
        b"\x01a\x07\x00\x01\xff",
        b"\x00",
        b"\x01a\x07\x00",
    ],
)
def test_headers_that_cannot_be_read_are_a_fault(headers: bytes) -> None:
    with pytest.raises(Fault, match="headers cannot be read"):
        list(MessageCutter().feed(message(headers, b"{}")))


def test_what_headers_say_is_remembered_within_bounds() -> None:
    cutter = MessageCutter()
    for i in range(1_000):
        assert [found.name for found in cutter.feed(event(f"kind{i}", {}))] == [f"kind{i}"]
    assert len(cutter._known) <= 64


@given(st.binary(min_size=1, max_size=400))
def test_arbitrary_bytes_are_a_fault(raw: bytes) -> None:
    with pytest.raises(Fault) as fault:
        cut([raw])
    assert fault.value.kind is FaultKind.PROVIDER_ERROR
