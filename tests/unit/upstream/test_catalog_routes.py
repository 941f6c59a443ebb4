"""Where a request may go, by what it needs and what it may cost: with the real catalog, and requests as callers write them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import msgspec
import pytest

from onevault.config.document import parsed
from onevault.config.load import settings_from
from onevault.core.codec import Incoming
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Limit, Metric, Principal, ScopeId, Window
from onevault.core.operations import Capability
from onevault.core.sending import Plan
from onevault.dialects.anthropic.request import read_count_tokens, read_messages
from onevault.dialects.openai.chat_request import read_chat
from onevault.pipeline.route import Route
from onevault.upstream.catalog import ConfiguredCatalog

TODAY = date(2026, 11, 21)
KEY = ScopeId("key:k")
FREE = Principal(
    tenant_id="t", org_id="o", user_id="u", key_id="k", test=False, time_zone="UTC", scopes=(KEY,), limits=()
)
LIMITED = Principal(
    tenant_id="t", org_id="o", user_id="u", key_id="k", test=False, time_zone="UTC", scopes=(KEY,),
    limits=(Limit(KEY, Metric.MONEY, Window.MONTH, 10**9),),
)  # fmt: skip

CONFIG = """
providers:
  openai: {api_key: k-1234, models: [gpt-3.5-turbo, gpt-4o-mini, gpt-4o, {name: shared, lacks: [image_input]}, gpt-5-nano]}
  local: {type: openai_compatible, base_url: "http://h/v1", models: [shared, unpriced, {name: priced, prices: {input: 1, output: 1}}]}
  anthropic: {api_key: k-1234, models: [claude-haiku-4-5, claude-3-haiku-20240307]}
"""
ROUTE = Route(ConfiguredCatalog(settings_from(parsed(CONFIG)[0], {}), today=TODAY))
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PLAIN = [{"role": "user", "content": "Hello"}]


def chat(model: str = "gpt-4o", **changes: Any) -> Incoming:
    return read_chat(json.dumps({"model": model, "messages": PLAIN} | changes).encode())


def looking(model: str, **changes: Any) -> Incoming:
    return chat(model, messages=[{"role": "user", "content": [IMAGE]}], **changes)


def refused(incoming: Incoming, who: Principal = FREE) -> Fault:
    with pytest.raises(Fault) as fault:
        ROUTE(who, incoming)
    return fault.value


def targets(plan: Plan) -> list[str]:
    return [f"{target.provider}/{target.model}" for target in plan.targets]


def test_a_target_that_lacks_what_the_request_needs_is_left_out_with_the_reason() -> None:
    assert targets(ROUTE(FREE, chat("shared"))) == ["openai/shared", "local/shared"]
    plan = ROUTE(FREE, looking("shared"))
    assert targets(plan) == ["local/shared"]
    assert plan.excluded == (("openai", "does not support images as input"),)


@pytest.mark.parametrize(
    ("incoming", "says", "param"),
    [
        (looking("gpt-3.5-turbo"), "images as input", "messages"),
        (chat("gpt-4o", modalities=["text", "audio"]), "audio as output", "modalities"),
        (
            chat("gpt-3.5-turbo", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
            "structured output",
            "response_format",
        ),
        (chat("claude-haiku-4-5", logprobs=True), "logprobs", "logprobs"),
        (
            looking("gpt-3.5-turbo", response_format={"type": "json_schema", "json_schema": {"name": "x"}}),
            "images as input and structured output",
            "messages",
        ),
    ],
)
def test_where_no_target_can_the_capability_is_named_and_the_field(incoming: Incoming, says: str, param: str) -> None:
    fault = refused(incoming)
    assert (fault.kind, fault.param) == (FaultKind.UNSUPPORTED_PARAMETER, param)
    assert f"does not support {says}." in fault.message


def test_the_callers_models_that_can_are_named_and_no_others() -> None:
    assert "Models that do: gpt-4o-mini, gpt-4o, gpt-5-nano." in refused(looking("gpt-3.5-turbo")).message
    narrow = msgspec.structs.replace(FREE, allowed_models=frozenset({"gpt-3.5-turbo", "gpt-4o"}))
    assert refused(looking("gpt-3.5-turbo"), narrow).message.endswith("Models that do: gpt-4o.")
    alone = msgspec.structs.replace(FREE, allowed_models=frozenset({"gpt-3.5-turbo"}))
    assert "Models that do" not in refused(looking("gpt-3.5-turbo"), alone).message


# ---- what cannot be priced ------------------------------------------------------------------------------------------

SEARCH: dict[str, Any] = {"web_search_options": {}}


@pytest.mark.parametrize(
    ("incoming", "says"),
    [
        (chat("unpriced"), "no price is known for it"),
        (chat("gpt-5-nano", service_tier="priority"), "its service tier 'priority' has no known price"),
        (chat("priced", **SEARCH), "the fee for its provider's searches is not known"),
    ],
)
def test_what_cannot_be_priced_is_refused_under_a_budget_and_says_what_is_missing(
    incoming: Incoming, says: str
) -> None:
    fault = refused(incoming, LIMITED)
    assert (fault.kind, fault.param) == (FaultKind.UNPRICED_MODEL, "model")
    assert says in fault.message
    assert ROUTE(FREE, incoming).targets


@pytest.mark.parametrize(
    "incoming",
    [
        chat("gpt-5-nano", service_tier="flex"),
        chat("gpt-5-nano", service_tier="auto"),
        chat("gpt-5-nano", service_tier="default"),
        chat("gpt-4o", **SEARCH),
        read_count_tokens(b'{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"x"}]}'),
    ],
)
def test_what_can_be_priced_goes_through(incoming: Incoming) -> None:
    assert ROUTE(LIMITED, incoming).targets


def test_a_target_without_a_price_is_left_out_for_another_that_has_one() -> None:
    plan = ROUTE(LIMITED, chat("gpt-4o", routing={"preferred_models": ["unpriced"]}))
    assert targets(plan) == ["openai/gpt-4o"]
    both = chat("auto", routing={"preferred_models": ["unpriced", "gpt-4o"]})
    plan = ROUTE(LIMITED, both)
    assert targets(plan) == ["openai/gpt-4o"]
    assert plan.excluded == (("local", "no price is known for it, and a budget applies"),)


# ---- what requests need ---------------------------------------------------------------------------------------------


def needs(**changes: Any) -> set[str]:
    return {capability.value for capability in chat(**changes).needs}


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, set()),
        ({"reasoning_effort": "high", "parallel_tool_calls": True, "n": 2}, set()),
        ({"messages": [{"role": "user", "content": "an image of a file, modalities and audio"}]}, set()),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, {"image_input"}),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "A", "format": "wav"}}]}]},
            {"audio_input"},
        ),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, {"file_input"}),
        ({"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "u"}}]}]}, {"video_input"}),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, {"tools"}),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, {"structured_output"}),
        ({"logprobs": True}, {"logprobs"}),
        ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, {"audio_output"}),
        ({"modalities": ["text", "image"]}, {"image_output"}),
    ],
)  # fmt: skip
def test_an_openai_chat_needs_what_its_content_is(changes: dict[str, Any], needed: set[str]) -> None:
    assert needs(**changes) == needed


def message(**changes: Any) -> Incoming:
    return read_messages(
        json.dumps({"model": "claude-haiku-4-5", "max_tokens": 9, "messages": PLAIN} | changes).encode()
    )


def said(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


SOURCE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
SEEN = {"type": "image", "source": SOURCE}


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, set()),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, set()),
        (said({"type": "text", "text": "an image"}), set()),
        (said(SEEN), {Capability.IMAGE_INPUT}),
        (said({"type": "document", "source": SOURCE}), {Capability.FILE_INPUT}),
        (said({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}), set()),
        (said({"type": "tool_result", "tool_use_id": "t", "content": [SEEN]}), {Capability.IMAGE_INPUT}),
        ({"tools": [{"name": "f", "input_schema": {}}]}, {Capability.TOOLS}),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, {Capability.STRUCTURED_OUTPUT}),
        ({"output_config": {"effort": "low"}}, set()),
    ],
)
def test_an_anthropic_message_needs_what_its_content_is(changes: dict[str, Any], needed: set[Capability]) -> None:
    assert message(**changes).needs == needed


@pytest.mark.parametrize(
    ("changes", "tier"),
    [
        ({}, None),
        ({"service_tier": "auto"}, None),
        ({"service_tier": "standard_only"}, None),
        ({"speed": "fast"}, "fast"),
        ({"speed": "standard"}, None),
        ({"inference_geo": "us"}, "us"),
        ({"inference_geo": "global"}, None),
        ({"inference_geo": "us", "speed": "fast"}, "fast+us"),
        ({"speed": 7}, None),
    ],
)
def test_what_changes_anthropics_price_is_asked_for_as_a_tier(changes: dict[str, Any], tier: str | None) -> None:
    assert message(**changes).service_tier == tier


@pytest.mark.parametrize(
    ("tools", "searches"),
    [
        ([], 0),
        ([{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}], 3),
        ([{"type": "web_search_20260209", "name": "web_search"}], 10),
        ([{"type": "web_fetch_20250910", "name": "web_fetch"}], 0),
        ([{"name": "web_search_mine", "input_schema": {}}], 0),
    ],
)
def test_searches_are_bounded_by_what_the_request_allows(tools: list[dict[str, Any]], searches: int) -> None:
    assert message(tools=tools).size.searches_at_most == searches


def test_audio_that_is_given_is_bounded_in_time() -> None:
    heard = {"type": "input_audio", "input_audio": {"data": "A" * 4000, "format": "mp3"}}
    size = chat(messages=[{"role": "user", "content": [heard]}]).size
    assert (size.audio_ms_at_most, size.audio_ms_estimated) == (3000, 187)
