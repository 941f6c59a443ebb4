"""Forms: taken apart strictly, bounded, and written again with one field exchanged and every other byte kept."""

from __future__ import annotations

import email.parser
import email.policy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onevault.core.faults import Fault, FaultKind
from onevault.dialects.wire import multipart
from onevault.dialects.wire.multipart import read_form

TYPE = "multipart/form-data; boundary=XyZ"


def form(*parts: tuple[str, str, bytes], boundary: str = "XyZ") -> bytes:
    line = f"--{boundary}".encode()
    written = [
        line + b'\r\nContent-Disposition: form-data; name="' + name.encode() + b'"' + more.encode() + b"\r\n\r\n" + data
        for name, more, data in parts
    ]
    return b"\r\n".join([*written, line + b"--\r\n"])


FILE = '; filename="a.wav"\r\nContent-Type: audio/wav'


def test_fields_and_files_come_apart_as_they_were() -> None:
    taken = read_form(form(("model", "", b"m"), ("file", FILE, b"\r\n--Xy\r\n\0"), ("model", "", b"n")), TYPE)
    assert taken.texts() == {"model": "n"}
    (file,) = taken.files("file")
    assert (file.name, file.filename, file.data) == ("file", "a.wav", b"\r\n--Xy\r\n\0")


def test_an_array_of_files_counts_under_its_name() -> None:
    taken = read_form(form(("image[]", FILE, b"1"), ("image[]", FILE, b"2"), ("image", "", b"no file")), TYPE)
    assert [file.data for file in taken.files("image")] == [b"1", b"2"]


def test_one_field_is_exchanged_and_all_other_bytes_stay() -> None:
    body = form(("prompt", "", b"x"), ("model", "", b"old"), ("routing", "", b"{}"), ("file", FILE, b"\xff\0"))
    written = read_form(body, TYPE).rewritten("model", "new", without=("routing",))
    assert written == form(("prompt", "", b"x"), ("model", "", b"new"), ("file", FILE, b"\xff\0"))


def test_a_field_that_is_not_there_is_added_as_the_first_and_one_given_twice_stays_once() -> None:
    assert read_form(form(("a", "", b"x")), TYPE).rewritten("model", "new", without=()) == form(
        ("model", "", b"new"), ("a", "", b"x")
    )
    twice = form(("model", "", b"1"), ("a", "", b"x"), ("model", "", b"2"))
    assert read_form(twice, TYPE).rewritten("model", "new", without=()) == form(("model", "", b"new"), ("a", "", b"x"))


BOUNDARIES = st.from_regex(r"[0-9A-Za-z'()+_,./:=?-]{1,70}", fullmatch=True)


@settings(deadline=None)  # two cores shared with other tests
@given(
    BOUNDARIES, st.lists(st.tuples(st.sampled_from(["a", "b", "file", "model"]), st.binary(max_size=50)), max_size=6)
)
def test_any_form_is_read_as_the_standard_library_reads_it(boundary: str, given_parts: list[tuple[str, bytes]]) -> None:
    parts = [(name, FILE if name == "file" else "", data) for name, data in given_parts]
    if any(f"--{boundary}".encode() in b"\r\n" + data + b"\r\n" for _, _, data in parts):
        return  # a boundary may not occur in the data
    taken = read_form(form(*parts, boundary=boundary), f'multipart/form-data; boundary="{boundary}"')
    assert [(field.name, field.data) for field in taken.fields] == given_parts
    assert taken.boundary == boundary
    again = read_form(taken.rewritten("model", "new", without=()), taken.content_type)
    assert [(field.name, field.data) for field in again.fields if field.name != "model"] == [
        part for part in given_parts if part[0] != "model"
    ]
    if all(data.isascii() and b"\r" not in data and b"\n" not in data for _, data in given_parts) and parts:
        head = f'Content-Type: multipart/form-data; boundary="{boundary}"\r\n\r\n'.encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + form(*parts, boundary=boundary))
        read: list[Any] = list(message.iter_parts())
        assert [part.get_payload(decode=True) for part in read] == [data for _, data in given_parts]


HEAD = b'--XyZ\r\nContent-Disposition: form-data; name="a"'
MALFORMED = {
    "nothing": b"",
    "no delimiter": b"hello",
    "something before the first delimiter": b"x\r\n" + form(("a", "", b"1")),
    "no last delimiter": HEAD + b"\r\n\r\nx",
    "cut in the last delimiter": HEAD + b"\r\n\r\nx\r\n--XyZ-",
    "line feeds alone": form(("a", "", b"1")).replace(b"\r\n", b"\n"),
    "something after the last delimiter": form(("a", "", b"1")) + b"--XyZ\r\n",
    "a longer boundary": b"--XyZ2\r\n",
    "a boundary within the data": HEAD + b"\r\n\r\nx\r\n--XyZfoo\r\n--XyZ--",
    "no head": b"--XyZ\r\n\r\nx\r\n--XyZ--",
    "no end of the head": HEAD + b"\r\n--XyZ--",
    "no disposition": b"--XyZ\r\nContent-Type: a/b\r\n\r\nx\r\n--XyZ--",
    "another disposition": b'--XyZ\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--XyZ--',
    "no name": b"--XyZ\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XyZ--",
    "an empty name": b'--XyZ\r\nContent-Disposition: form-data; name=""\r\n\r\nx\r\n--XyZ--',
    "two names": b'--XyZ\r\nContent-Disposition: form-data; name="a"; name="model"\r\n\r\nx\r\n--XyZ--',
    "a name in another coding": HEAD + b"; name*=utf-8''model\r\n\r\nx\r\n--XyZ--",
    "a name that does not end": b'--XyZ\r\nContent-Disposition: form-data; name="a\r\n\r\nx\r\n--XyZ--',
    "two dispositions": HEAD + b'\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--XyZ--',
    "a folded header": HEAD + b"\r\n ; filename=x\r\n\r\nx\r\n--XyZ--",
    "a header without a colon": HEAD + b"\r\nhello\r\n\r\nx\r\n--XyZ--",
    "base64": HEAD + b"\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--XyZ--",
    "a long name": form(("a" * 257, "", b"1")),
    "a long head": form(("a", "\r\nX-A: " + "a" * multipart.HEAD_BYTES_MAX, b"1")),
    "many headers": form(("a", "\r\n" + "\r\n".join(f"X-{i}: a" for i in range(multipart.HEADERS_MAX)), b"1")),
    "many parts": form(*[("a", "", b"1")] * (multipart.PARTS_MAX + 1)),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_quite_a_form_is_refused(case: str) -> None:
    with pytest.raises(Fault) as fault:
        read_form(MALFORMED[case], TYPE)
    assert fault.value.kind is FaultKind.INVALID_REQUEST


def test_the_fault_names_the_last_field_that_was_read() -> None:
    with pytest.raises(Fault) as fault:
        read_form(form(("prompt", "", b"x"), ("file", FILE, b"y"))[:-9], TYPE)
    assert fault.value.param == "prompt"


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "a" * 71,
        'multipart/form-data; boundary="a "',
        'multipart/form-data; boundary="ä"',
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/mixed; boundary=XyZ",
        "text/plain",
    ],
)
def test_a_form_needs_a_boundary(content_type: str) -> None:
    with pytest.raises(Fault) as fault:
        read_form(form(("a", "", b"1")), content_type)
    assert fault.value.param == "content-type"


@pytest.mark.parametrize("data", [b"\xff", b"a" * (multipart.FIELD_BYTES_MAX + 1)])
def test_a_field_that_is_no_file_is_a_text_of_bounded_length(data: bytes) -> None:
    taken = read_form(form(("prompt", "", data)), TYPE)
    with pytest.raises(Fault) as fault:
        taken.texts()
    assert fault.value.param == "prompt"


def test_text_before_and_after_the_boundary_of_the_content_type_is_read_as_clients_write_it() -> None:
    for content_type in ('Multipart/Form-Data;  charset=utf-8; BOUNDARY="XyZ"', "multipart/form-data;boundary=XyZ"):
        assert read_form(form(("a", "", b"1")), content_type).texts() == {"a": "1"}


@settings(deadline=None)  # two cores shared with other tests
@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_a_fault(body: bytes) -> None:
    for given_body in (body, b"--XyZ\r\n" + body, HEAD + body + b"\r\n--XyZ--\r\n"):
        try:
            read_form(given_body, TYPE)
        except Fault as fault:
            assert fault.kind is FaultKind.INVALID_REQUEST  # noqa: PT017 - any other exception fails the test
