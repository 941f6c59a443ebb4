"""A hold is an upper bound: whatever a request permits its provider to do, at any of its targets and tiers, costs no more."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onevault.core.codec import Incoming, RequestLine
from onevault.core.identity import Principal
from onevault.core.prices import ContextTier, Price, Rates, ServiceTier
from onevault.core.sending import Plan, Target
from onevault.core.usage import Usage
from onevault.dialects.registry import INGRESS
from onevault.pipeline.caller import CallerRequest
from onevault.pipeline.hold import hold_of
from onevault.pipeline.receipt import Receipt
from onevault.policy.pricing import cost, missing_price, unpriced

CALLER = Principal(
    tenant_id="t", org_id="o", user_id="u", key_id="k", test=False, time_zone="UTC", scopes=(), limits=()
)
CONTEXT = 1_000_000
OUTPUT_MAX = 8_192
TEXT = st.text(st.sampled_from('a é漢🎉 \n\\"'), min_size=1, max_size=40)
MP3 = b"\xff\xfb\x90"

rate = st.integers(0, 10**12)
fee = st.integers(0, 10**10)
RATES = st.builds(
    Rates, input=rate, output=rate, cache_read=rate, cache_write=rate, cache_write_1h=rate, reasoning=rate, input_audio=rate,
    output_audio=rate, request=fee, input_image=rate, output_image=rate, input_video=rate, cache_read_audio=rate, characters=rate,
    audio_hour=fee, image=fee, search=fee,
)  # fmt: skip
PRICES = st.builds(
    Price,
    st.just("p"),
    RATES,
    st.lists(st.integers(1, 500_000), max_size=2, unique=True).flatmap(
        lambda above: st.tuples(*(st.builds(ContextTier, st.just(tokens), RATES) for tokens in sorted(above)))
    ),
    st.tuples(*(st.builds(ServiceTier, st.just(name), RATES) for name in ("flex", "priority"))),
)


def wav(seconds: float, bytes_per_s: int) -> bytes:
    """Of one byte a sample, so that a second can have as few as wished."""
    samples = bytes(int(seconds * bytes_per_s))
    form = (1).to_bytes(2, "little") * 2 + bytes_per_s.to_bytes(4, "little") * 2 + b"\x01\x00\x08\x00"
    return (
        b"RIFF----WAVEfmt " + (16).to_bytes(4, "little") + form + b"data" + len(samples).to_bytes(4, "little") + samples
    )


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


# Each kind of content: the part of a chat, and how many tokens of input a provider may count for it.
PARTS: dict[str, tuple[dict[str, Any], int]] = {
    "an image at an address": ({"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}, 48_169),
    "a small image": ({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}, 48_169),
    "a small document": (
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
        CONTEXT,
    ),
    "a document elsewhere": ({"type": "file", "file": {"file_id": "file-1"}}, CONTEXT),
    "a video": ({"type": "video_url", "video_url": {"url": "https://x.example/v.mp4"}}, CONTEXT),
    "a page": ({"type": "document_url", "document_url": "https://x.example/d.pdf"}, CONTEXT),
    "a slow recording": (
        {"type": "input_audio", "input_audio": {"data": encoded(wav(3600, 10)), "format": "wav"}},
        36_000,
    ),
    "a recording": (
        {"type": "input_audio", "input_audio": {"data": encoded(MP3 + bytes(8_000)), "format": "mp3"}},
        80,
    ),
    "silence": (
        {"type": "input_audio", "input_audio": {"data": encoded(b"OggS" + bytes(60)), "format": "ogg"}},
        CONTEXT,
    ),
}


@st.composite
def chats(draw: st.DrawFn) -> tuple[Incoming, int, int, list[str]]:
    """A chat, how much input and output its provider may count, and the tiers that it may be served at."""
    text = draw(TEXT)
    kinds = draw(st.lists(st.sampled_from(sorted(PARTS)), max_size=3))
    content = [{"type": "text", "text": text}, *(PARTS[kind][0] for kind in kinds)]
    limit = draw(st.one_of(st.none(), st.integers(1, 20_000)))
    choices = draw(st.integers(1, 4))
    tier = draw(st.sampled_from([None, "auto", "default", "flex", "priority"]))
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": content}], "n": choices}
    body |= {} if limit is None else {draw(st.sampled_from(["max_tokens", "max_completion_tokens"])): limit}
    body |= {} if tier is None else {"service_tier": tier}
    given_tokens = sum(PARTS[kind][1] for kind in kinds) + len(text.encode()) + 64
    if draw(st.booleans()):
        body["messages"].append({"role": "assistant", "audio": {"id": "audio_1"}})
        given_tokens = CONTEXT
    served = {None: ["", "priority"], "auto": ["", "flex", "priority"]}.get(tier, ["", tier or ""])
    incoming = INGRESS["openai-chat"].read(json.dumps(body).encode())
    output = (OUTPUT_MAX if limit is None else limit) * choices
    return incoming, min(given_tokens, CONTEXT), output, [each for each in served if each != "default"]


def held_at(incoming: Incoming, targets: tuple[Target, ...]) -> int:
    request = CallerRequest("c", 0, None, cast("Any", Awaitable))
    return hold_of(CALLER, Plan(targets, ""), Receipt(request, CALLER, incoming)).amount


def target(price: Price, **more: Any) -> Target:
    return Target("p", "p", "m", price, OUTPUT_MAX, CONTEXT, context_is_known=True, unsaid_tiers=("priority",), **more)


@settings(max_examples=150, deadline=None)
@given(chats(), st.lists(PRICES, min_size=1, max_size=3), st.data())
def test_no_chat_costs_more_than_its_hold(
    chat: tuple[Incoming, int, int, list[str]], prices: list[Price], data: st.DataObject
) -> None:
    incoming, most_input, most_output, tiers = chat
    held = held_at(incoming, tuple(target(price) for price in prices))
    kinds_in = ("cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image", "input_video")
    share = st.integers(0, most_input)
    usage = Usage(
        input_tokens=most_input,
        output_tokens=most_output,
        reasoning_tokens=data.draw(st.integers(0, most_output)),
        output_audio_tokens=data.draw(st.sampled_from([0, most_output])),
        tier=data.draw(st.sampled_from(tiers)),
        **{f"{kind}_tokens": data.draw(st.one_of(st.just(0), share)) for kind in kinds_in},
    )
    assert max(cost(price, usage) for price in prices) <= held


EMPTY = Rates(
    input=0, output=0, cache_read=0, cache_write=0, cache_write_1h=0, reasoning=0, input_audio=0, output_audio=0
)


def form(**fields: str | bytes) -> tuple[bytes, str]:
    parts = b"".join(
        b'--b\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
        % (
            name.encode(),
            b'; filename="f"' if isinstance(value, bytes) else b"",
            value if isinstance(value, bytes) else value.encode(),
        )
        for name, value in fields.items()
    )
    return parts + b"--b--\r\n", "multipart/form-data; boundary=b"


def read(dialect: str, body: Any, content_type: str = "application/json", path: str = "") -> Incoming:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return INGRESS[dialect].read(raw, RequestLine(path, content_type=content_type))


WEB = {"type": "web_search"}
MEDIA = {
    "images": (read("openai-images", {"prompt": "a cat", "n": 7, "size": "1024x1024", "quality": "high"}), Usage(images=7)),
    "edits": (read("openai-image-edits", *form(prompt="a cat", n="3", image=b"png")), Usage(images=3, input_tokens=48_169)),
    "speech": (read("openai-speech", {"input": "é" * 100, "voice": "v"}), Usage(characters=100, output_tokens=700)),
    "a minute of WAV": (read("openai-transcriptions", *form(file=wav(60, 50))), Usage(audio_ms=60_000)),
    "a started second": (read("openai-transcriptions", *form(file=wav(1.02, 1000))), Usage(audio_ms=2_000)),
    "a search in 250 documents": (read("rerank", {"query": "q", "documents": ["d"] * 250}), Usage(searches=3)),
    "a long document": (read("rerank", {"query": "q", "documents": ["d " * 30_000]}), Usage(searches=1)),
    "embeddings": (read("openai-embeddings", {"input": ["漢" * 10] * 5}), Usage(input_tokens=150)),
    "tokens": (read("openai-embeddings", {"input": [[1, 2, 3], [4]]}), Usage(input_tokens=4)),
    "completions": (
        read("openai-completions", {"prompt": ["a", "b"], "n": 2, "best_of": 5, "max_tokens": 10}),
        Usage(input_tokens=2, output_tokens=100),
    ),
    "searches of Anthropic's": (
        read(
            "anthropic-messages",
            {
                "model": "m",
                "max_tokens": 10,
                "messages": [{"role": "user", "content": "x"}],
                "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 4}],
            },
        ),
        Usage(input_tokens=CONTEXT, output_tokens=10, searches=4),
    ),
    "searches of OpenAI's": (
        read("openai-responses", {"model": "m", "input": "x", "tools": [WEB], "max_tool_calls": 3, "max_output_tokens": 16}),
        Usage(input_tokens=CONTEXT, output_tokens=16, searches=3),
    ),
    "an earlier response": (
        read("openai-responses", {"model": "m", "input": "x", "previous_response_id": "resp_1", "max_output_tokens": 16}),
        Usage(input_tokens=CONTEXT, output_tokens=16),
    ),
    "Gemini's cache": (
        read(
            "gemini",
            {
                "contents": [{"parts": [{"text": "x"}]}],
                "cachedContent": "cachedContents/1",
                "generationConfig": {"maxOutputTokens": 5, "candidateCount": 3},
            },
            path="/v1beta/models/m:generateContent",
        ),
        Usage(input_tokens=CONTEXT, output_tokens=15),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MEDIA)
@settings(max_examples=25, deadline=None)
@given(price=PRICES)
def test_no_other_call_costs_more_than_its_hold(kind: str, price: Price) -> None:
    incoming, usage = MEDIA[kind]
    assert not missing_price(target(price), incoming)
    assert cost(price, usage) <= held_at(incoming, (target(price),))


UNBOUNDED: dict[str, Incoming] = {
    "a chat with a tool of its provider's": read(
        "openai-chat", {"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "browser_search"}]}
    ),
    "xAI's live search": read(
        "openai-chat", {"messages": [{"role": "user", "content": "x"}], "search_parameters": {"mode": "on"}}
    ),
    "OpenRouter's plugins": read(
        "openai-chat", {"messages": [{"role": "user", "content": "x"}], "plugins": [{"id": "web"}]}
    ),
    "a tool that nobody here knows": read(
        "openai-responses", {"model": "m", "input": "x", "tools": [{"type": "x_search"}]}
    ),
    "a container": read(
        "openai-responses",
        {"model": "m", "input": "x", "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]},
    ),
}


@pytest.mark.parametrize("kind", UNBOUNDED)
def test_what_cannot_be_bounded_has_no_price(kind: str) -> None:
    incoming = UNBOUNDED[kind]
    price = Price("p", EMPTY)
    assert "is not known" in unpriced(price, incoming.size, None)
    assert missing_price(target(price), incoming)
