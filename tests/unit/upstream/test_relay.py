"""Where a relayed path ends up at its provider, and what of the caller's goes no further."""

from __future__ import annotations

import json

import pytest

from onevault.core.codec import RequestLine
from onevault.core.events import Event, Finished, Passed, UsageReported
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Operation
from onevault.core.relay import RelayedIncoming
from onevault.core.transport import Origin
from onevault.dialects.registry import CODECS
from onevault.upstream.endpoint import Endpoint
from onevault.upstream.relay import Relay
from onevault.upstream.relayed import relay_decoder

DIALECTS = {Operation.CHAT: ("openai-chat", "gemini", "bedrock-converse"), Operation.EMBEDDINGS: ("openai-embeddings",)}


def relayed(
    prefix: str, path: str, *, query: str = "", prefixes: dict[str, str] | None = None, body: bytes = b"{}"
) -> RelayedIncoming:
    endpoint = Endpoint("p", Origin("http", "h", 80), prefix, (), DIALECTS, frozenset(), prefixes or {})
    line = RequestLine(f"/passthrough/p{path}", method="POST", raw_path=f"/passthrough/p{path}", raw_query=query)
    incoming = Relay(lambda: {"p": endpoint}).read(body, line)
    assert isinstance(incoming, RelayedIncoming)
    return incoming


@pytest.mark.parametrize(
    ("prefix", "path", "reached", "dialect"),
    [
        ("/v1", "/v1/chat/completions", "/v1/chat/completions", "openai-chat"),
        ("/v1", "/chat/completions", "/v1/chat/completions", "openai-chat"),
        ("/v1", "/v2/chat/completions", "/v2/chat/completions", "passthrough"),
        ("/v1", "/vector_stores", "/v1/vector_stores", "passthrough"),
        ("/openai/v1", "/openai/v1/embeddings", "/openai/v1/embeddings", "openai-embeddings"),
        ("/openai/v1", "/v1/embeddings", "/openai/v1/embeddings", "openai-embeddings"),
        ("/openai/v1", "/openai/deployments/d/embeddings", "/openai/deployments/d/embeddings", "passthrough"),
        ("/v1beta", "/v1/models/g:generateContent", "/v1/models/g:generateContent", "gemini"),
        ("/v1beta", "/models/g:streamGenerateContent", "/v1beta/models/g:streamGenerateContent", "gemini"),
        ("/v1beta", "/v1beta/models/a%2Fg:generateContent", "/v1beta/models/a%2Fg:generateContent", "gemini"),
        ("", "/model/a%3A0/converse-stream", "/model/a%3A0/converse-stream", "bedrock-converse"),
        ("", "/model/a/invoke", "/model/a/invoke", "passthrough"),
        ("/a", "/chat/completions", "/a/chat/completions", "openai-chat"),
        ("/a", "/v1/chat/completions", "/a/v1/chat/completions", "passthrough"),
    ],
)
def test_a_path_is_the_providers_with_or_without_a_version(prefix: str, path: str, reached: str, dialect: str) -> None:
    incoming = relayed(prefix, path)
    assert (incoming.rewritten("m", output_tokens_max=None).path, incoming.dialect) == (reached, dialect)


def test_a_version_of_the_same_major_number_means_the_same_where_dialects_have_places_of_their_own() -> None:
    prefixes = {"openai-chat": "/v1", "gemini": "/v1beta"}
    assert relayed("", "/v1/models/g:generateContent", prefixes=prefixes).dialect == "gemini"
    assert relayed("", "/v2/models/g:generateContent", prefixes=prefixes).dialect == "passthrough"


@pytest.mark.parametrize(
    ("query", "passed"),
    [
        ("", ""),
        ("key=k", ""),
        ("alt=sse&key=k", "?alt=sse"),
        ("%6Bey=k&a=%20&k%65y=k&b", "?a=%20&b"),
        ("monkey=k&keys=1", "?monkey=k&keys=1"),
        ("$httpMethod=POST&%24httpHeaders=a:b&$alt=json", "?$alt=json"),
    ],
)
def test_a_key_in_the_query_goes_no_further(query: str, passed: str) -> None:
    assert relayed("/v1", "/v1/x", query=query).path == f"/v1/x{passed}"


@pytest.mark.parametrize("name", ["x-http-method", "x-http-method-override", "x-method-override"])
def test_a_reading_stays_one(name: str) -> None:
    endpoint = Endpoint("p", Origin("http", "h", 80), "/v1", (), DIALECTS, frozenset(), {})
    headers = [(name.encode(), b"POST"), (b"x-other", b"kept")]
    line = RequestLine(method="GET", raw_path="/passthrough/p/models/g:generateContent", headers=headers)
    incoming = Relay(lambda: {"p": endpoint}).read(b"{}", line)
    assert isinstance(incoming, RelayedIncoming)
    assert incoming.headers == (("x-other", "kept"),)


@pytest.mark.parametrize("path", ["", "/", "/../x", "/a/%2e%2E/x", "/a/..%5Cx", "//h/x", "/a//x"])
def test_a_path_that_leaves_its_place_is_refused(path: str) -> None:
    with pytest.raises(Fault) as refused:
        relayed("/v1", path)
    assert refused.value.kind is FaultKind.INVALID_REQUEST


def test_every_codec_names_its_paths() -> None:
    """Those of Bedrock's InvokeModel are no one's in particular."""
    assert [name for name, codec in CODECS.items() if not codec.wire_paths] == ["bedrock-embeddings"]


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/chat/completions", "p/cheap"),
        ("/models/dear:generateContent", "p/dear"),
        ("/models/dear:batchGenerateContent", "p/"),
        ("/model/dear/invoke", "p/"),
        ("/chat/completions/", "p/"),
    ],
)
def test_only_a_path_that_is_known_makes_a_request_be_about_its_bodys_model(path: str, model: str) -> None:
    assert relayed("/v1", path, body=b'{"model": "cheap"}').model == model


def metered(
    body: bytes, dialect: str, path: str, *, content_type: str = "application/json", cut: int = 0
) -> list[Event]:
    """The usage, and the count of output in bytes, of an answer that comes in pieces of `cut` bytes."""
    incoming = relayed("/v1", path, body=b'{"contents": [{"parts": [{"text": "Hi"}]}]}')
    decoder = relay_decoder(CODECS.get(dialect), incoming, content_type)
    step = cut or len(body) or 1
    events = [event for i in range(0, len(body), step) for event in decoder.feed(body[i : i + step])] + decoder.close()
    assert b"".join(event.raw for event in events if isinstance(event, Passed)) == body
    assert isinstance(events[-1], Finished)
    return events


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_stream_in_the_form_of_an_array_is_metered_as_it_comes(cut: int) -> None:
    said = 'a "]}\\" [{'
    members = [
        {"candidates": [{"content": {"parts": [{"text": said}]}}], "usageMetadata": {"promptTokenCount": 3}},
        {
            "candidates": [{"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 5},
        },
    ]
    body = json.dumps(members, indent=1).encode()
    events = metered(body, "gemini", "/models/g:streamGenerateContent", cut=cut)
    usage = [event.usage for event in events if isinstance(event, UsageReported)]
    assert (usage[-1].input_tokens, usage[-1].output_tokens) == (3, 5)
    assert sum(event.output_bytes for event in events if isinstance(event, Passed)) == len(said) + 1


@pytest.mark.parametrize(
    ("dialect", "path", "content_type"),
    [
        ("gemini", "/models/g:generateContent", "application/x-protobuf"),
        ("gemini", "/models/g:streamGenerateContent", "application/x-protobuf"),
        ("openai-chat", "/chat/completions", "text/plain"),
        ("passthrough", "/anything", "application/json"),
    ],
)
def test_what_cannot_be_read_counts_as_output_byte_by_byte(dialect: str, path: str, content_type: str) -> None:
    events = metered(b"\x08\x01" * 500, dialect, path, content_type=content_type, cut=300)
    assert sum(event.output_bytes for event in events if isinstance(event, Passed)) == 1000
    assert not any(isinstance(event, UsageReported) for event in events)
