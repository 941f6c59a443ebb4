"""What is known of families of models: how much they take in and give out, what they cannot, and in which dialects they are served.

A family states what its models lack only where that is known; what nobody knows, a model is not refused for. Sources: the
providers' own pages of their models, named above each group.
"""

from __future__ import annotations

from typing import Final

import msgspec

from onevault.core.operations import Capability, Dialect, Operation

CHAT: Final = (Operation.CHAT, Operation.COUNT_TOKENS)
EMBEDDINGS: Final = (Operation.EMBEDDINGS,)
IMAGES: Final = (Operation.IMAGES, Operation.IMAGE_EDITS)
GENERATED: Final = (Operation.IMAGES,)
SPEECH: Final = (Operation.SPEECH,)
TRANSCRIPTION: Final = (Operation.TRANSCRIPTION,)
MODERATION: Final = (Operation.MODERATION,)
RERANK: Final = (Operation.RERANK,)
NOT_SERVED: Final[tuple[Operation, ...]] = ()
ANY: Final = (*CHAT, *EMBEDDINGS, *IMAGES, *SPEECH, *TRANSCRIPTION, *MODERATION, *RERANK)

OPENAI_CHAT_ONLY: Final[tuple[Dialect, ...]] = ("openai-chat",)
OPENAI_BOTH: Final[tuple[Dialect, ...]] = ("openai-chat", "openai-responses")
OPENAI_RESPONSES_ONLY: Final[tuple[Dialect, ...]] = ("openai-responses",)
OPENAI_COMPLETIONS_ONLY: Final[tuple[Dialect, ...]] = ("openai-completions",)

CLAUDE_DIALECTS: Final[tuple[Dialect, ...]] = (
    "anthropic-messages",
    "bedrock-converse",
    "openai-chat",
    "openai-responses",
)
"""Not the gemini dialect of Vertex AI, whose prices list it."""


class Family(msgspec.Struct, frozen=True):
    """Facts of all models whose name begins with `prefix` (the longest such prefix counts). None: unknown.

    `dialects` are the only ones that its own provider serves it in; empty: all. `is_open`: its weights are, and each provider
    serves it with a context of his own, which counts where the price data tells it.
    """

    prefix: str
    output_tokens_max: int | None = None
    context_tokens_max: int | None = None
    operations: tuple[Operation, ...] = CHAT
    adaptive_thinking: bool = True
    lacks: frozenset[Capability] = frozenset()
    dialects: tuple[Dialect, ...] = ()
    is_open: bool = False


_NO_MEDIA_OUT: Final = frozenset({Capability.IMAGE_OUTPUT, Capability.AUDIO_OUTPUT})
_NO_SOUND: Final = _NO_MEDIA_OUT | {Capability.AUDIO_INPUT, Capability.VIDEO_INPUT}
"""Sees, but neither hears nor makes anything but text."""
_TEXT: Final = _NO_SOUND | {Capability.IMAGE_INPUT, Capability.FILE_INPUT}
_BLIND: Final = _NO_SOUND | {Capability.IMAGE_INPUT}
"""Text only; but some providers read files into text for it."""
_NO_TOOLS: Final = frozenset({Capability.TOOLS, Capability.PARALLEL_TOOLS})
_NO_SCHEMA: Final = frozenset({Capability.STRUCTURED_OUTPUT})
_NO_THOUGHT: Final = frozenset({Capability.REASONING})
_NO_LOGPROBS: Final = frozenset({Capability.LOGPROBS})
_TALKS_ONLY: Final = _TEXT | _NO_TOOLS | _NO_SCHEMA | _NO_THOUGHT | _NO_LOGPROBS
_SPEAKS: Final = _TALKS_ONLY - {Capability.AUDIO_OUTPUT}
_CLAUDE: Final = _NO_SOUND | _NO_LOGPROBS
_CLAUDE_3: Final = _CLAUDE | _NO_SCHEMA | _NO_THOUGHT


def _openai(
    prefix: str,
    output: int | None,
    context: int | None,
    lacks: frozenset[Capability],
    dialects: tuple[Dialect, ...] = OPENAI_BOTH,
) -> Family:
    return Family(prefix, output, context, lacks=lacks, dialects=dialects)


def _claude(prefix: str, output: int, context: int, lacks: frozenset[Capability], adaptive_thinking: bool) -> Family:
    return Family(prefix, output, context, adaptive_thinking=adaptive_thinking, lacks=lacks, dialects=CLAUDE_DIALECTS)


def _open(
    prefix: str,
    context: int | None,
    lacks: frozenset[Capability] = frozenset(),
    *,
    output: int | None = None,
) -> Family:
    return Family(prefix, output, context, lacks=lacks, is_open=True)


_OPENAI: Final = (
    # platform.openai.com/docs/models
    _openai("gpt-3.5-turbo", 4_096, 16_385, _TEXT | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-3.5-turbo-instruct", 4_096, 4_096, _TALKS_ONLY - _NO_LOGPROBS, OPENAI_COMPLETIONS_ONLY),
    _openai("gpt-4", 8_192, 8_192, _TEXT | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-4-32k", 32_768, 32_768, _TEXT | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-4-turbo", 4_096, 128_000, _NO_SOUND | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-4-turbo-preview", 4_096, 128_000, _TEXT | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-4-vision", 4_096, 128_000, _NO_SOUND | _NO_TOOLS | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-4-1106", 4_096, 128_000, _TEXT | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-4-1106-vision", 4_096, 128_000, _NO_SOUND | _NO_TOOLS | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-4-0125", 4_096, 128_000, _TEXT | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-4.1", 32_768, 1_047_576, _NO_SOUND | _NO_THOUGHT),
    _openai("gpt-4.5", 16_384, 128_000, _NO_SOUND | _NO_THOUGHT),
    _openai("gpt-4o", 16_384, 128_000, _NO_SOUND | _NO_THOUGHT),
    _openai("gpt-4o-2024-05-13", 4_096, 128_000, _NO_SOUND | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-4o-search", 16_384, 128_000, _NO_SOUND | _NO_TOOLS | _NO_THOUGHT, OPENAI_CHAT_ONLY),
    _openai("gpt-4o-mini-search", 16_384, 128_000, _NO_SOUND | _NO_TOOLS | _NO_THOUGHT, OPENAI_CHAT_ONLY),
    _openai(
        "gpt-4o-audio",
        16_384,
        128_000,
        frozenset({Capability.IMAGE_INPUT, Capability.VIDEO_INPUT, Capability.IMAGE_OUTPUT}) | _NO_THOUGHT,
        OPENAI_CHAT_ONLY,
    ),
    _openai(
        "gpt-4o-mini-audio",
        16_384,
        128_000,
        frozenset({Capability.IMAGE_INPUT, Capability.VIDEO_INPUT, Capability.IMAGE_OUTPUT}) | _NO_THOUGHT,
        OPENAI_CHAT_ONLY,
    ),
    _openai(
        "gpt-audio",
        16_384,
        128_000,
        frozenset({Capability.IMAGE_INPUT, Capability.VIDEO_INPUT, Capability.IMAGE_OUTPUT}) | _NO_THOUGHT,
        OPENAI_CHAT_ONLY,
    ),
    _openai("chatgpt-4o", 16_384, 128_000, _NO_SOUND | _NO_TOOLS | _NO_SCHEMA | _NO_THOUGHT),
    _openai("gpt-5", 128_000, 400_000, _NO_SOUND | _NO_LOGPROBS),
    _openai("gpt-5-chat", 16_384, 128_000, _NO_SOUND | _NO_THOUGHT),
    _openai("gpt-5.1", 128_000, 400_000, _NO_SOUND),
    _openai("gpt-5.1-chat", 16_384, 128_000, _NO_SOUND),
    _openai("gpt-5.2", 128_000, 400_000, _NO_SOUND),
    _openai("gpt-5.2-chat", 16_384, 128_000, _NO_SOUND),
    _openai("gpt-5.3", 128_000, 400_000, _NO_SOUND),
    _openai("gpt-5.3-chat", 16_384, 128_000, _NO_SOUND),
    _openai("gpt-5-pro", 272_000, 400_000, _NO_SOUND | _NO_LOGPROBS, OPENAI_RESPONSES_ONLY),
    _openai("gpt-5-search-api", 128_000, 400_000, _NO_SOUND | _NO_LOGPROBS, OPENAI_CHAT_ONLY),
    _openai("gpt-5.4", 128_000, 1_050_000, _NO_SOUND),
    _openai("gpt-5.4-mini", 128_000, 400_000, _NO_SOUND),
    _openai("gpt-5.4-nano", 128_000, 400_000, _NO_SOUND),
    _openai("gpt-5.5", 128_000, 1_050_000, _NO_SOUND),
    _openai("gpt-5.6", 128_000, 1_050_000, _NO_SOUND),
    _openai("gpt-6", 128_000, 1_050_000, frozenset()),
    _openai("codex-mini", 100_000, 200_000, _NO_SOUND | _NO_LOGPROBS, OPENAI_RESPONSES_ONLY),
    _openai("computer-use", 1_024, 8_192, _NO_SOUND | _NO_LOGPROBS, OPENAI_RESPONSES_ONLY),
    _openai("o1", 100_000, 200_000, _NO_SOUND | _NO_LOGPROBS),
    _openai("o1-mini", 65_536, 128_000, _TEXT | _NO_TOOLS | _NO_SCHEMA | _NO_LOGPROBS),
    _openai("o1-preview", 32_768, 128_000, _TEXT | _NO_TOOLS | _NO_SCHEMA | _NO_LOGPROBS),
    _openai("o1-pro", 100_000, 200_000, _NO_SOUND | _NO_LOGPROBS, OPENAI_RESPONSES_ONLY),
    _openai("o3", 100_000, 200_000, _NO_SOUND | _NO_LOGPROBS),
    _openai("o3-mini", 100_000, 200_000, _TEXT | _NO_LOGPROBS),
    _openai("o3-pro", 100_000, 200_000, _NO_SOUND | _NO_LOGPROBS, OPENAI_RESPONSES_ONLY),
    _openai("o4", 100_000, 200_000, _NO_SOUND | _NO_LOGPROBS),
    _openai("babbage-002", 16_384, 16_384, _TALKS_ONLY - _NO_LOGPROBS, OPENAI_COMPLETIONS_ONLY),
    _openai("davinci-002", 16_384, 16_384, _TALKS_ONLY - _NO_LOGPROBS, OPENAI_COMPLETIONS_ONLY),
    Family("gpt-5-image"),  # so called at OpenRouter: makes images in a chat
    Family("gpt-oss", 131_072, 131_072, lacks=_BLIND),
    Family("text-embedding-", 0, 8_192, EMBEDDINGS),
    Family("gpt-image", 6_540, None, IMAGES),  # of one image: 6,240, and 100 for each of three previews
    Family("gpt-image-2", None, None, IMAGES),
    Family("chatgpt-image", 6_540, None, IMAGES),
    Family("dall-e-2", 0, None, IMAGES),
    Family("dall-e", 0, None, GENERATED),
    Family("gpt-4o-transcribe", 2_000, 16_000, TRANSCRIPTION),
    Family("gpt-4o-mini-transcribe", 2_000, 16_000, TRANSCRIPTION),
    Family("gpt-transcribe", None, None, TRANSCRIPTION),
    Family("whisper", 0, None, TRANSCRIPTION),
    Family("distil-whisper", 0, None, TRANSCRIPTION),
    Family("gpt-4o-mini-tts", 32_000, None, SPEECH),  # 20 minutes, at what is published as a minute's average
    Family("tts-", 0, None, SPEECH),
    Family("omni-moderation", 0, None, MODERATION),
    Family("text-moderation", 0, None, MODERATION),
    Family("moderation", 0, None, NOT_SERVED),  # the price data's name of all of them
    Family("gpt-realtime", operations=NOT_SERVED),
    Family("gpt-4o-realtime", operations=NOT_SERVED),
    Family("gpt-4o-mini-realtime", operations=NOT_SERVED),
    Family("gpt-live", operations=NOT_SERVED),
    Family("text-davinci", operations=NOT_SERVED),
    Family("davinci", operations=NOT_SERVED),
    Family("babbage", operations=NOT_SERVED),
    Family("curie", operations=NOT_SERVED),
    Family("ada", operations=NOT_SERVED),
)

_ANTHROPIC: Final = (
    # platform.claude.com/docs/en/about-claude/models
    _claude("claude-", 128_000, 1_000_000, _CLAUDE, True),
    _claude("claude-2", 4_096, 200_000, _CLAUDE_3 | _TEXT | _NO_TOOLS, False),
    _claude("claude-instant", 4_096, 100_000, _CLAUDE_3 | _TEXT | _NO_TOOLS, False),
    _claude("claude-v1", 4_096, 100_000, _CLAUDE_3 | _TEXT | _NO_TOOLS, False),
    _claude("claude-3-opus", 4_096, 200_000, _CLAUDE_3, False),
    _claude("claude-3-sonnet", 4_096, 200_000, _CLAUDE_3, False),
    _claude("claude-3-haiku", 4_096, 200_000, _CLAUDE_3, False),
    _claude("claude-3-5", 8_192, 200_000, _CLAUDE_3, False),
    _claude("claude-3-7", 64_000, 200_000, _CLAUDE | _NO_SCHEMA, False),
    _claude("claude-sonnet-4", 64_000, 200_000, _CLAUDE, False),
    _claude("claude-sonnet-4-0", 64_000, 200_000, _CLAUDE | _NO_SCHEMA, False),
    _claude("claude-sonnet-4-2025", 64_000, 200_000, _CLAUDE | _NO_SCHEMA, False),
    _claude("claude-sonnet-4-6", 128_000, 1_000_000, _CLAUDE, True),
    _claude("claude-haiku-4", 64_000, 200_000, _CLAUDE, False),
    _claude("claude-opus-4", 32_000, 200_000, _CLAUDE, False),
    _claude("claude-opus-4-0", 32_000, 200_000, _CLAUDE | _NO_SCHEMA, False),
    _claude("claude-opus-4-2025", 32_000, 200_000, _CLAUDE | _NO_SCHEMA, False),
    _claude("claude-opus-4-5", 64_000, 200_000, _CLAUDE, False),
    _claude("claude-opus-4-6", 128_000, 1_000_000, _CLAUDE, True),
    _claude("claude-opus-4-7", 128_000, 1_000_000, _CLAUDE, True),
    _claude("claude-opus-4-8", 128_000, 1_000_000, _CLAUDE, True),
)

_GOOGLE: Final = (
    # ai.google.dev/gemini-api/docs/models: the input limit and the output limit of each
    Family("gemini-1.5-flash", 8_192, 1_048_576, lacks=_NO_MEDIA_OUT | _NO_THOUGHT),
    Family("gemini-1.5-pro", 8_192, 2_097_152, lacks=_NO_MEDIA_OUT | _NO_THOUGHT),
    Family("gemini-2.0-flash", 8_192, 1_048_576, lacks=_NO_MEDIA_OUT | _NO_THOUGHT),
    Family("gemini-2.0-flash-preview-image", 8_192, 32_768, lacks=_NO_TOOLS | {Capability.AUDIO_OUTPUT}),
    Family("gemini-2.0-flash-exp", 8_192, 1_048_576),
    Family("gemini-2.5-pro", 65_536, 1_048_576, lacks=_NO_MEDIA_OUT),
    Family("gemini-2.5-flash", 65_536, 1_048_576, lacks=_NO_MEDIA_OUT),
    Family("gemini-2.5-flash-image", 32_768, 65_536, lacks=_NO_TOOLS | _NO_THOUGHT | {Capability.AUDIO_OUTPUT}),
    Family("gemini-2.5-flash-tts", 16_384, 32_768, lacks=_SPEAKS),
    Family("gemini-2.5-flash-preview-tts", 16_384, 32_768, lacks=_SPEAKS),
    Family("gemini-2.5-flash-lite-preview-tts", 16_384, 32_768, lacks=_SPEAKS),
    Family("gemini-2.5-pro-tts", 16_384, 32_768, lacks=_SPEAKS),
    Family("gemini-2.5-pro-preview-tts", 16_384, 32_768, lacks=_SPEAKS),
    Family("gemini-2.5-flash-native-audio", operations=NOT_SERVED),
    Family("gemini-2.5-computer-use", 64_000, 128_000, lacks=_NO_MEDIA_OUT),
    Family("gemini-3-pro", 65_536, 1_048_576, lacks=_NO_MEDIA_OUT),
    Family("gemini-3-flash", 65_536, 1_048_576, lacks=_NO_MEDIA_OUT),
    Family("gemini-3.1-pro", 65_536, 1_048_576, lacks=_NO_MEDIA_OUT),
    Family("gemini-3.1-flash-lite", 65_536, 1_048_576, lacks=_NO_MEDIA_OUT),
    Family("gemini-3.1-flash-lite-image", 32_768, 65_536, lacks=_NO_TOOLS | {Capability.AUDIO_OUTPUT}),
    Family("gemini-3.1-flash-image", 32_768, 65_536, lacks=_NO_TOOLS | {Capability.AUDIO_OUTPUT}),
    Family("gemini-3-pro-image", 32_768, 65_536, lacks=_NO_TOOLS | {Capability.AUDIO_OUTPUT}),
    Family("gemini-3.1-flash-tts", 16_384, 32_768, lacks=_SPEAKS),
    Family("gemini-3.8-flash-tts", None, None, lacks=_SPEAKS),
    Family("gemini-3.8-flash-lite-tts", None, None, lacks=_SPEAKS),
    Family("gemini-3.1-flash-live", operations=NOT_SERVED),
    Family("gemini-3.8-live", operations=NOT_SERVED),
    Family("gemini-live", operations=NOT_SERVED),
    Family("gemini-embedding", 0, 2_048, EMBEDDINGS),
    Family("gemini-embedding-2", 0, 8_192, EMBEDDINGS),
    Family("text-embedding-004", 0, 2_048, EMBEDDINGS),
    Family("text-embedding-005", 0, 2_048, EMBEDDINGS),
    Family("text-multilingual-embedding", 0, 2_048, EMBEDDINGS),
    Family("multimodalembedding", 0, None, EMBEDDINGS),
    Family("imagen-", 0, None, GENERATED),
    Family("veo-", operations=NOT_SERVED),
    _open("gemma-2", 8_192, _BLIND),
    _open("gemma2", 8_192, _BLIND),
    _open("gemma-3", 131_072, _NO_SOUND),
    _open("gemma3", 131_072, _NO_SOUND),
    _open("gemma-3-1b", 32_768, _BLIND),
    _open("gemma3:1b", 32_768, _BLIND),
    _open("gemma-3n", 32_768),
    _open("gemma3n", 32_768),
)

_COHERE: Final = (
    # docs.cohere.com/docs/models
    Family("command", 4_096, 4_096, lacks=_TEXT | _NO_TOOLS | _NO_THOUGHT),
    Family("command-a", 8_192, 256_000, lacks=_TEXT | _NO_THOUGHT),
    Family("command-a-plus", None, None),
    Family("command-a-reasoning", 32_768, 256_000, lacks=_TEXT),
    Family("command-a-translate", 8_192, 16_384, lacks=_TEXT | _NO_THOUGHT),
    Family("command-a-vision", 8_192, 128_000, lacks=_NO_SOUND | _NO_TOOLS | _NO_THOUGHT),
    Family("command-r", 4_096, 128_000, lacks=_TEXT | _NO_THOUGHT),
    Family("c4ai-aya-expanse-8b", 4_096, 8_192, lacks=_TEXT | _NO_TOOLS | _NO_THOUGHT),
    Family("c4ai-aya-expanse-32b", 4_096, 128_000, lacks=_TEXT | _NO_TOOLS | _NO_THOUGHT),
    Family("c4ai-aya-vision", 4_096, 16_384, lacks=_NO_SOUND | _NO_TOOLS | _NO_THOUGHT),
    Family("embed-", 0, 512, EMBEDDINGS),
    Family("embed-v4.0", 0, 128_000, EMBEDDINGS),
    Family("rerank-", 0, None, RERANK),
    Family("rerank-v3.5", 0, 4_096, RERANK),
    Family("rerank-v4.0", 0, 32_768, RERANK),
)

_MISTRAL: Final = (
    # docs.mistral.ai/getting-started/models
    _open("mistral-tiny", 32_768, _BLIND | _NO_THOUGHT),
    _open("mistral-7b", 32_768, _BLIND | _NO_THOUGHT),
    _open("open-mistral-7b", 32_768, _BLIND | _NO_TOOLS | _NO_THOUGHT),
    _open("mixtral-8x7b", 32_768, _BLIND | _NO_THOUGHT),
    _open("open-mixtral-8x7b", 32_768, _BLIND | _NO_TOOLS | _NO_THOUGHT),
    _open("mixtral-8x22b", 65_536, _BLIND | _NO_THOUGHT),
    _open("open-mixtral-8x22b", 65_536, _BLIND | _NO_THOUGHT),
    _open("mistral-nemo", 131_072, _BLIND | _NO_THOUGHT),
    _open("open-mistral-nemo", 131_072, _BLIND | _NO_THOUGHT),
    _open("mistral-large-24", 131_072, _BLIND | _NO_THOUGHT),
    _open("mistral-large-2512", 262_144, _NO_SOUND),
    _open("mistral-medium-25", 131_072, _NO_SOUND),
    _open("mistral-small-24", 32_768, _BLIND | _NO_THOUGHT),
    _open("mistral-small-2501", 32_768, _BLIND | _NO_THOUGHT),
    _open("mistral-small-25", 131_072, _NO_SOUND | _NO_THOUGHT),
    _open("mistral-saba", 32_768, _BLIND | _NO_THOUGHT),
    _open("ministral-3b-24", 131_072, _BLIND | _NO_THOUGHT),
    _open("ministral-8b-24", 131_072, _BLIND | _NO_THOUGHT),
    _open("codestral-2", 262_144, _BLIND | _NO_THOUGHT),
    _open("codestral-latest", 262_144, _BLIND | _NO_THOUGHT),
    _open("pixtral-", 131_072, _NO_SOUND | _NO_THOUGHT),
    _open("magistral-", 131_072, _NO_SOUND),
    _open("voxtral-small", 32_768, _NO_MEDIA_OUT | {Capability.IMAGE_INPUT, Capability.VIDEO_INPUT} | _NO_THOUGHT),
    Family("voxtral-mini-transcribe", 0, None, TRANSCRIPTION),
    Family("voxtral-small-transcribe", 0, None, TRANSCRIPTION),
    Family("voxtral-mini-26", 0, None, TRANSCRIPTION),
    Family("mistral-embed", 0, 8_192, EMBEDDINGS),
    Family("codestral-embed", 0, 8_192, EMBEDDINGS),
    Family("mistral-moderation", 0, None, MODERATION),
    Family("mistral-ocr", operations=NOT_SERVED),
)

_OTHERS: Final = (
    # github.com/meta-llama/llama-models
    _open("llama-2", 4_096, _BLIND | _NO_TOOLS | _NO_THOUGHT),
    _open("llama2", 4_096, _BLIND | _NO_TOOLS | _NO_THOUGHT),
    _open("llama-3", 8_192, _BLIND | _NO_THOUGHT),
    _open("llama3", 8_192, _BLIND | _NO_THOUGHT),
    _open("llama-3.1", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama3.1", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama3-1", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama-3.2", 131_072, _NO_SOUND | _NO_THOUGHT),
    _open("llama-3.2-1b", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama-3.2-3b", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama3.2", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama3.2-vision", 131_072, _NO_SOUND | _NO_THOUGHT),
    _open("llama3-2", 131_072, _NO_SOUND | _NO_THOUGHT),
    _open("llama3-2-1b", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama3-2-3b", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama-3.3", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama3.3", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama3-3", 131_072, _BLIND | _NO_THOUGHT),
    _open("llama-4-scout", 10_485_760, _NO_SOUND | _NO_THOUGHT),
    _open("llama4-scout", 10_485_760, _NO_SOUND | _NO_THOUGHT),
    _open("llama-4-maverick", 1_048_576, _NO_SOUND | _NO_THOUGHT),
    _open("llama4-maverick", 1_048_576, _NO_SOUND | _NO_THOUGHT),
    _open("llama4", 10_485_760, _NO_SOUND | _NO_THOUGHT),
    # api-docs.deepseek.com/quick_start/pricing: the names without a version mean the newest, so no limit is stated
    _open("deepseek-chat", None, _BLIND),
    _open("deepseek-reasoner", None, _BLIND),
    _open("deepseek-v3", 131_072, _BLIND),
    _open("deepseek-r1", 131_072, _BLIND),
    _open("r1-v1", 131_072, _BLIND),  # as Amazon Bedrock calls it
    # docs.x.ai/docs/models
    Family("grok-3", 131_072, 131_072, lacks=_TEXT),
    Family("grok-2-1212", 32_768, 32_768, lacks=_TEXT | _NO_THOUGHT),
    Family("grok-4-0709", 256_000, 256_000, lacks=_NO_SOUND),
    Family("grok-voice", operations=NOT_SERVED),
    Family("grok-imagine-video", operations=NOT_SERVED),
    Family("grok-2-image", 0, None, GENERATED),
    # docs.perplexity.ai/getting-started/models
    Family("sonar", lacks=_NO_SOUND | _NO_TOOLS | _NO_LOGPROBS),
    # qwenlm.github.io
    _open("qwen2.5-", 131_072, _BLIND | _NO_THOUGHT),
    _open("qwen2.5-vl", 131_072, _NO_MEDIA_OUT | {Capability.AUDIO_INPUT} | _NO_THOUGHT),
    _open("qwen2.5-omni", 32_768),
    # docs.aws.amazon.com/nova/latest/userguide/what-is-nova.html
    Family("nova-micro", 10_000, 128_000, lacks=_TEXT | _NO_THOUGHT),
    Family("nova-lite", 10_000, 300_000, lacks=_NO_MEDIA_OUT | {Capability.AUDIO_INPUT} | _NO_THOUGHT),
    Family("nova-pro", 10_000, 300_000, lacks=_NO_MEDIA_OUT | {Capability.AUDIO_INPUT} | _NO_THOUGHT),
    Family("nova-premier", 10_000, 1_000_000, lacks=_NO_MEDIA_OUT | {Capability.AUDIO_INPUT} | _NO_THOUGHT),
    Family("nova-sonic", operations=NOT_SERVED),
    Family("nova-2-sonic", operations=NOT_SERVED),
    Family("nova-canvas", operations=NOT_SERVED),
    Family("nova-reel", operations=NOT_SERVED),
    Family("titan-text", 8_192, None, lacks=_TALKS_ONLY),
    Family("titan-embed", 0, 8_192, EMBEDDINGS),
)

_BY_WHAT_THEY_DO: Final = (
    # what many companies and local servers call models that do one thing
    Family("nomic-embed", 0, None, EMBEDDINGS),
    Family("mxbai-embed", 0, None, EMBEDDINGS),
    Family("snowflake-arctic-embed", 0, None, EMBEDDINGS),
    Family("all-minilm", 0, None, EMBEDDINGS),
    Family("embeddinggemma", 0, None, EMBEDDINGS),
    Family("qwen3-embedding", 0, None, EMBEDDINGS),
    Family("bge-", 0, None, EMBEDDINGS),
    Family("voyage-", 0, None, EMBEDDINGS),
    Family("jina-embeddings", 0, None, EMBEDDINGS),
    Family("jina-reranker", 0, None, RERANK),
    Family("bge-reranker", 0, None, RERANK),
    Family("mxbai-rerank", 0, None, RERANK),
    Family("qwen3-reranker", 0, None, RERANK),
    Family("flux", 0, None, IMAGES),
    Family("stable-diffusion", 0, None, IMAGES),
    Family("sdxl", 0, None, IMAGES),
    Family("orpheus", 0, None, SPEECH),
    Family("playai-tts", 0, None, SPEECH),
    Family("kokoro", 0, None, SPEECH),
    # the built-in simulator
    Family("sim-", 16_384, 128_000),
    Family("sim-embed", 0, 8_192, EMBEDDINGS),
    Family("sim-image", 0, None, IMAGES),
    Family("sim-speech", 0, None, SPEECH),
    Family("sim-transcribe", 0, None, TRANSCRIPTION),
    Family("sim-moderation", 0, None, MODERATION),
    Family("sim-rerank", 0, None, RERANK),
)

FAMILIES: Final = (*_OPENAI, *_ANTHROPIC, *_GOOGLE, *_COHERE, *_MISTRAL, *_OTHERS, *_BY_WHAT_THEY_DO)
