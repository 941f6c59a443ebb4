"""What is known of models besides their names: what they cannot, in which dialects they are served, for what, and whose facts hold."""

from __future__ import annotations

from datetime import date

import pytest

from onevault.config.document import parsed
from onevault.config.load import settings_from
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Principal
from onevault.core.operations import Capability, Operation
from onevault.core.sending import ModelFacts, Target
from onevault.upstream.catalog import ConfiguredCatalog
from onevault.upstream.families import ANY, FAMILIES
from onevault.upstream.models import facts, fitting_dialect, is_fine_tuned

TODAY = date(2026, 11, 21)
ANYONE = Principal(
    tenant_id="t", org_id="o", user_id="u", key_id="k", test=False, time_zone="UTC", scopes=(), limits=()
)
OPENAI = {"OPENAI_API_KEY": "k1-real"}


def catalog(text: str = "", **environment: str) -> ConfiguredCatalog:
    return ConfiguredCatalog(settings_from(parsed(text)[0], environment), today=TODAY)


def target(built: ConfiguredCatalog, name: str, operation: Operation = Operation.CHAT) -> Target:
    return built.candidates(name, operation, ANYONE)[0]


def listed(built: ConfiguredCatalog) -> dict[str, ModelFacts]:
    return {one.id: one for one in built.models(ANYONE)}


# ---- families -------------------------------------------------------------------------------------------------------


def test_every_family_has_a_prefix_of_its_own() -> None:
    prefixes = [family.prefix for family in FAMILIES]
    assert len(set(prefixes)) == len(prefixes)
    assert all(prefix == prefix.lower() for prefix in prefixes)


@pytest.mark.parametrize(
    ("model", "lacks", "has"),
    [
        ("gpt-3.5-turbo-0125", {"image_input", "structured_output"}, {"tools", "logprobs"}),
        ("gpt-4-0613", {"image_input"}, {"tools"}),
        ("gpt-4o-mini", {"audio_input", "audio_output", "reasoning"}, {"image_input", "file_input", "tools"}),
        ("gpt-4o-2024-05-13", {"structured_output"}, {"image_input"}),
        ("gpt-4o-audio-preview", {"image_input"}, {"audio_input", "audio_output"}),
        ("o1-mini", {"tools", "image_input"}, {"reasoning"}),
        ("o3", {"logprobs"}, {"image_input", "reasoning"}),
        ("claude-haiku-4-5", {"audio_input", "logprobs"}, {"image_input", "file_input", "structured_output"}),
        ("us.anthropic.claude-3-haiku-20240307-v1:0", {"structured_output", "reasoning"}, {"image_input"}),
        ("anthropic/claude-3.5-sonnet", {"audio_input"}, {"tools"}),
        ("gemini-2.5-flash", {"image_output", "audio_output"}, {"audio_input", "video_input", "file_input"}),
        ("gemini-2.5-flash-image", {"tools"}, {"image_output"}),
        ("gemini-2.5-flash-preview-tts", {"tools", "image_input"}, {"audio_output"}),
        ("command-a-03-2025", {"image_input"}, {"tools", "logprobs"}),
        ("command-a-vision-07-2025", {"tools"}, {"image_input"}),
        ("mistral-large-2411", {"image_input"}, {"tools"}),
        ("pixtral-12b-2409", {"audio_input"}, {"image_input"}),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", {"image_input"}, {"tools"}),
        ("llama3.2-vision:11b", {"audio_input"}, {"image_input"}),
        ("deepseek-reasoner", {"image_input"}, {"reasoning"}),
        ("openai/gpt-oss-120b", {"image_input"}, {"reasoning", "tools"}),
        ("never-heard-of", set(), {capability.value for capability in Capability}),
    ],
)
def test_families_state_what_they_lack_and_unknown_models_lack_nothing(
    model: str, lacks: set[str], has: set[str]
) -> None:
    known = {capability.value for capability in facts(model).lacks}
    assert lacks <= known
    assert not has & known


@pytest.mark.parametrize(
    ("model", "output", "context"),
    [
        ("gemini-2.5-pro", 65_536, 1_048_576),
        ("gemini-1.5-pro-002", 8_192, 2_097_152),
        ("gemini-embedding-001", 0, 2_048),
        ("command-r-plus-08-2024", 4_096, 128_000),
        ("command-a-03-2025", 8_192, 256_000),
        ("embed-v4.0", 0, 128_000),
        ("mistral-large-2411", 131_072, 131_072),
        ("deepseek-v3", 131_072, 131_072),
        ("llama-3.1-8b-instant", 131_072, 131_072),
        ("amazon.nova-micro-v1:0", 10_000, 128_000),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 64_000, 200_000),
        ("anthropic/claude-3.5-haiku", 8_192, 200_000),
    ],
)
def test_limits_of_other_companies_models(model: str, output: int, context: int) -> None:
    known = facts(model)
    assert (known.output_tokens_max, known.context_tokens_max, known.context_is_known) == (output, context, True)


def test_a_provider_serves_open_weights_at_a_context_of_his_own() -> None:
    assert facts("llama-3.3-70b-versatile", 32_768).context_tokens_max == 32_768
    assert facts("gpt-4o", 32_768).context_tokens_max == 128_000


@pytest.mark.parametrize(
    ("model", "operations"),
    [
        ("gpt-image-1", {Operation.IMAGES, Operation.IMAGE_EDITS}),
        ("dall-e-3", {Operation.IMAGES}),
        ("dall-e-2", {Operation.IMAGES, Operation.IMAGE_EDITS}),
        ("tts-1-hd", {Operation.SPEECH}),
        ("gpt-4o-mini-tts", {Operation.SPEECH}),
        ("whisper-1", {Operation.TRANSCRIPTION}),
        ("whisper-large-v3-turbo", {Operation.TRANSCRIPTION}),
        ("gpt-4o-transcribe", {Operation.TRANSCRIPTION}),
        ("omni-moderation-latest", {Operation.MODERATION}),
        ("rerank-v3.5", {Operation.RERANK}),
        ("BAAI/bge-reranker-v2-m3", {Operation.RERANK}),
        ("text-embedding-3-small", {Operation.EMBEDDINGS}),
        ("imagen-4.0-generate-001", {Operation.IMAGES}),
        ("gpt-realtime", set()),
        ("gpt-4o", {Operation.CHAT, Operation.COUNT_TOKENS}),
        ("never-heard-of", set(ANY)),
    ],
)
def test_a_model_does_what_its_family_does(model: str, operations: set[Operation]) -> None:
    assert set(facts(model).operations) == operations


BOTH = ("openai-chat", "openai-responses")


@pytest.mark.parametrize(
    ("model", "dialects"),
    [
        ("gpt-4o", BOTH),
        ("gpt-5-mini", BOTH),
        ("gpt-5-pro", ("openai-responses",)),
        ("gpt-5.2-pro-2025-12-11", ("openai-responses",)),
        ("o1-pro", ("openai-responses",)),
        ("o3-pro-2025-06-10", ("openai-responses",)),
        ("gpt-5.1-codex-mini", ("openai-responses",)),
        ("codex-mini-latest", ("openai-responses",)),
        ("o4-mini-deep-research", ("openai-responses",)),
        ("computer-use-preview", ("openai-responses",)),
        ("gpt-3.5-turbo-instruct", ("openai-completions",)),
        ("babbage-002", ("openai-completions",)),
        ("davinci-002", ("openai-completions",)),
        ("gpt-4o-search-preview", ("openai-chat",)),
        ("gpt-oss-120b", ()),
        ("openai/gpt-5-pro", ()),
        ("never-heard-of", ()),
    ],
)
def test_models_that_are_served_in_some_dialects_only(model: str, dialects: tuple[str, ...]) -> None:
    assert facts(model).dialects == dialects


def test_a_target_names_the_dialects_that_its_provider_speaks_and_its_model_is_served_in() -> None:
    built = catalog(
        "providers: {openai: {api_key: k-1234}, c: {type: openai_compatible, base_url: 'http://h/v1', models: [gpt-5-pro, gpt-4o]}}"
    )
    assert target(built, "openai/gpt-5-pro").dialects == ("openai-responses",)
    assert target(built, "openai/gpt-4o").dialects == BOTH
    assert target(built, "openai/davinci-002").dialects == ("openai-completions",)
    assert target(built, "c/gpt-4o").dialects == ("openai-chat",)
    assert target(built, "c/gpt-5-pro").dialects == ()  # who lists it means that it can be called
    assert target(catalog(), "gpt-4o").dialects == ()  # the simulator serves everything in every dialect


@pytest.mark.parametrize(
    ("model", "dialects", "with_tools", "fitting"),
    [
        ("gpt-5.6-terra", BOTH, True, "openai-responses"),
        ("gpt-5.4-mini", BOTH, True, "openai-responses"),
        ("gpt-5.6-terra", BOTH, False, "openai-chat"),
        ("gpt-5.6-terra", ("openai-chat",), True, "openai-chat"),
        ("gpt-5.2-chat-latest", BOTH, True, "openai-chat"),
        ("gpt-5-mini", BOTH, True, "openai-chat"),
    ],
)
def test_tools_are_told_in_the_dialect_that_the_model_takes_them_in(
    model: str, dialects: tuple[str, ...], with_tools: bool, fitting: str
) -> None:
    assert fitting_dialect(dialects, model, with_tools=with_tools) == fitting


def test_google_does_not_list_the_claudes_that_its_prices_know() -> None:
    built = catalog("providers: {google: {api_key: k-1234}}")
    assert not [name for name in listed(built) if name.startswith("claude")]
    assert {"gemini-2.5-flash", "gemini-embedding-001"} <= set(listed(built))


@pytest.mark.parametrize(
    ("name", "providers"),
    [
        ("anthropic/claude-opus-5", {"openrouter"}),
        ("x-ai/grok-4.7", {"openrouter"}),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", {"bedrock"}),
        ("togethercomputer/GPT-JT-Moderation-6B", {"together"}),
        ("grok-4.7", {"xai", "azure"}),
    ],
)
def test_who_does_not_name_models_by_their_makers_is_not_tried_with_such_names(name: str, providers: set[str]) -> None:
    built = catalog(
        "providers: {openai: {api_key: k-1234}, azure: {api_key: k-1234, base_url: 'http://h'}, google: {api_key: k-1234}, "
        "xai: {api_key: k-1234}, bedrock: {api_key: k-1234, region: us-east-1}, openrouter: {api_key: k-1234}, "
        "together: {api_key: k-1234}}"
    )
    assert {one.provider for one in built.candidates(name, Operation.CHAT, ANYONE)} == providers


def test_azures_claudes_are_not_tried_where_azure_does_not_serve_them() -> None:
    built = catalog("providers: {azure: {api_key: k-1234, base_url: 'http://h'}, anthropic: {api_key: k-1234}}")
    assert [one.provider for one in built.candidates("claude-haiku-4-5", Operation.CHAT, ANYONE)] == ["anthropic"]
    assert not [name for name in listed(built) if name.startswith("azure/claude")]


def test_a_text_to_moderate_goes_to_openais_own_model_where_none_is_named() -> None:
    built = catalog("providers: {openai: {api_key: k-1234}, together: {api_key: k-1234}}")
    assert built.candidates(None, Operation.MODERATION, ANYONE)[0].model == "omni-moderation-latest"


def test_bedrock_lists_names_that_can_be_called() -> None:
    built = catalog("providers: {bedrock: {api_key: k-1234, region: us-east-1}}")
    assert not [name for name in listed(built) if name.startswith("regional.")]
    assert target(built, "us.anthropic.claude-haiku-4-5-20251001-v1:0").price is not None


# ---- fine-tuned and custom names --------------------------------------------------------------------------------------


def test_a_fine_tuned_model_has_its_bases_facts_and_its_own_price() -> None:
    tuned = target(catalog(**OPENAI), "ft:gpt-4.1-mini-2025-04-14:acme::x1")
    assert (tuned.context_tokens_max, tuned.output_tokens_max) == (1_047_576, 32_768)
    assert Capability.AUDIO_INPUT in tuned.lacks
    assert tuned.price is not None
    assert tuned.price.rates.input == 800_000_000


def test_a_fine_tuned_model_whose_price_nobody_knows_is_unpriced_and_never_its_bases() -> None:
    tuned = target(catalog(**OPENAI), "openai/ft:gpt-5-2025-08-07:acme::x1")
    assert (tuned.price, tuned.context_tokens_max) == (None, 400_000)


@pytest.mark.parametrize(("name", "is_one"), [("ft:gpt-4o", False), ("ft:gpt-4o:a::b", True), ("gpt-4o", False)])
def test_a_fine_tuned_name_is_told_from_its_family(name: str, is_one: bool) -> None:
    assert is_fine_tuned(name) is is_one


CUSTOM = """
providers:
  openai:
    api_key: k-1234
    models:
      - {name: acme-support, base: gpt-4o-mini, alias: support}
      - {name: acme-dear, base: gpt-4o-mini, prices: {input: 1, output: 2}}
      - {name: acme-blind, base: gpt-4o, lacks: [image_input], capabilities: [audio_input]}
      - {name: of-nothing, lacks: tools}
      - {name: my-voice, prices: {characters: 15}}
      - {name: my-ear, prices: {minute: 0.006, tiers: {batch: {minute: 0.003}}}}
routing: {aliases: {help: acme-support}}
"""


def test_a_custom_name_inherits_its_bases_facts_and_by_configuration_its_price() -> None:
    built = catalog(CUSTOM)
    support = target(built, "acme-support")
    assert (support.output_tokens_max, support.context_tokens_max, support.model) == (16_384, 128_000, "acme-support")
    assert support.price is not None
    assert support.price.version.endswith(":openai/gpt-4o-mini")
    assert target(built, "acme-dear").price != support.price
    assert target(built, "of-nothing").price is None


def test_the_configuration_knows_better_what_a_model_can() -> None:
    built = catalog(CUSTOM)
    lacks = target(built, "acme-blind").lacks
    assert Capability.IMAGE_INPUT in lacks
    assert Capability.AUDIO_INPUT not in lacks
    assert target(built, "of-nothing").lacks == {Capability.TOOLS}
    assert listed(built)["of-nothing"].capabilities == frozenset(Capability) - {Capability.TOOLS}


def test_configured_prices_of_units_and_tiers_are_exact() -> None:
    built = catalog(CUSTOM)
    voice, ear = (target(built, name).price for name in ("my-voice", "my-ear"))
    assert voice is not None
    assert ear is not None
    assert (voice.rates.characters, voice.rates.input, voice.rates.search) == (15 * 10**9, 0, None)
    assert (ear.rates.audio_hour, ear.services[0].name, ear.services[0].rates.audio_hour) == (
        360_000_000,
        "batch",
        180_000_000,
    )


def test_aliases_stand_with_the_model_that_they_mean() -> None:
    assert set(listed(catalog(CUSTOM))["acme-support"].aliases) == {"support", "help"}


# ---- what is missing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("openai/gpt-4o-audio-preview-2024-10-01", "the price of its audio is not published"),
        ("openai/never-heard-of", "no price is known for it"),
    ],
)
def test_an_unpriced_target_says_what_is_missing(name: str, missing: str) -> None:
    found = target(catalog(**OPENAI), name)
    assert (found.price, found.unpriced) == (None, missing)


def test_an_operation_that_a_model_lacks_names_models_that_have_it() -> None:
    with pytest.raises(Fault) as refused:
        catalog(**OPENAI).candidates("gpt-4o", Operation.TRANSCRIPTION, ANYONE)
    assert refused.value.kind is FaultKind.UNSUPPORTED_PARAMETER
    assert "not offered for transcription" in refused.value.message
    assert "transcribe" in refused.value.message.partition("Models that do:")[2]


def test_a_free_model_is_priced_for_its_operation() -> None:
    found = target(catalog(**OPENAI), "omni-moderation-latest", Operation.MODERATION)
    assert found.price is not None
    assert (found.price.rates.input, found.price.rates.output) == (0, 0)


@pytest.mark.parametrize("name", ["openai/", "openai/gpt-4o", "openai/never-heard-of"])
def test_a_relayed_call_needs_a_provider_and_no_model(name: str) -> None:
    assert target(catalog(**OPENAI), name, Operation.PASSTHROUGH).provider == "openai"


def test_a_relayed_call_to_nobody_is_not_found() -> None:
    with pytest.raises(Fault) as refused:
        catalog(**OPENAI).candidates("nobody/", Operation.PASSTHROUGH, ANYONE)
    assert refused.value.kind is FaultKind.MODEL_NOT_FOUND
