"""Where a relayed path ends up at its provider, and what of the caller's goes no further."""

from __future__ import annotations

import pytest

from onevault.core.codec import RequestLine
from onevault.core.faults import Fault, FaultKind
from onevault.core.operations import Operation
from onevault.core.relay import RelayedIncoming
from onevault.core.transport import Origin
from onevault.dialects.registry import CODECS
from onevault.upstream.client import Endpoint
from onevault.upstream.relay import Relay

DIALECTS = {Operation.CHAT: ("openai-chat", "gemini", "bedrock-converse"), Operation.EMBEDDINGS: ("openai-embeddings",)}


def relayed(prefix: str, path: str, *, query: str = "", prefixes: dict[str, str] | None = None) -> RelayedIncoming:
    endpoint = Endpoint("p", Origin("http", "h", 80), prefix, (), DIALECTS, frozenset(), prefixes or {})
    line = RequestLine(method="POST", raw_path=f"/passthrough/p{path}", raw_query=query)
    incoming = Relay(lambda: {"p": endpoint}).read(b"{}", line)
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
    ],
)
def test_a_key_in_the_query_goes_no_further(query: str, passed: str) -> None:
    assert relayed("/v1", "/v1/x", query=query).path == f"/v1/x{passed}"


@pytest.mark.parametrize("path", ["", "/", "/../x", "/a/%2e%2E/x", "/a/..%5Cx", "//h/x", "/a//x"])
def test_a_path_that_leaves_its_place_is_refused(path: str) -> None:
    with pytest.raises(Fault) as refused:
        relayed("/v1", path)
    assert refused.value.kind is FaultKind.INVALID_REQUEST


def test_every_codec_names_its_paths() -> None:
    """Those of Bedrock's InvokeModel are no one's in particular."""
    assert [name for name, codec in CODECS.items() if not codec.wire_paths] == ["bedrock-embeddings"]
