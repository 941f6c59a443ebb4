"""Companies and servers that are reached with an address and a key: one row each, with what their documentation says they speak.

Which of them stop billing a stream whose connection is closed: openrouter.ai/docs/api-reference/streaming, "Stream Cancellation",
which lists those that do and those that do not, and says that none does for answers that are not streamed. (OpenRouter itself
depends on whom it has the answer from.) Servers of one's own send no bill.
"""

from __future__ import annotations

from onevault.config.provider_kind import compatible

_CHAT = "openai-chat"
_RESPONSES = "openai-responses"
_COMPLETIONS = "openai-completions"
_EMBEDDINGS = "openai-embeddings"
_IMAGES = "openai-images"
_SPEECH = "openai-speech"
_HEARD = "openai-transcriptions"
_MESSAGES = "anthropic-messages"
_COUNTED = "anthropic-count-tokens"
_RERANK = "rerank"

_MISTRALS = {
    "max_completion_tokens": "max_tokens",
    "seed": "random_seed",
    "stream_options": None,
    "user": "",
    "verbosity": "",
    "service_tier": "",
    "logit_bias": "",
}
"""Mistral answers 422 to a request with a field that it does not know. Its streams tell their usage unasked."""

# fmt: off
KINDS = (
    # inference-docs.cerebras.ai/api-reference
    compatible("cerebras", "https://api.cerebras.ai/v1", key="CEREBRAS_API_KEY", priced_as="cerebras",
               speaks=(_CHAT, _COMPLETIONS)),
    # docs.deepinfra.com
    compatible("deepinfra", "https://api.deepinfra.com/v1/openai", key="DEEPINFRA_API_KEY",
               speaks=(_CHAT, _COMPLETIONS, _EMBEDDINGS, _IMAGES, _SPEECH, _HEARD),
               cancelling_stops_bill="streams"),
    # api-docs.deepseek.com
    compatible("deepseek", "https://api.deepseek.com", key="DEEPSEEK_API_KEY", priced_as="deepseek",
               speaks=(_CHAT, _RESPONSES),
               cancelling_stops_bill="streams"),
    # docs.fireworks.ai/api-reference
    compatible("fireworks", "https://api.fireworks.ai/inference/v1", key="FIREWORKS_API_KEY", priced_as="fireworks",
               speaks=(_CHAT, _RESPONSES, _COMPLETIONS, _MESSAGES, _EMBEDDINGS, _RERANK), also=("fireworks_ai",),
               cancelling_stops_bill="streams"),
    # console.groq.com/docs/api-reference
    compatible("groq", "https://api.groq.com/openai/v1", key="GROQ_API_KEY", priced_as="groq",
               speaks=(_CHAT, _RESPONSES, _SPEECH, _HEARD)),
    # huggingface.co/docs/inference-providers
    compatible("huggingface", "https://router.huggingface.co/v1", key="HF_TOKEN",
               speaks=(_CHAT, _RESPONSES), also=("hugging_face", "hf")),
    # docs.mistral.ai/api (its moderations have no `flagged`, so they are another dialect)
    compatible("mistral", "https://api.mistral.ai/v1", key="MISTRAL_API_KEY", priced_as="mistral",
               speaks=(_CHAT, _EMBEDDINGS), also=("mistralai", "mistral_ai"), field_names=_MISTRALS),
    # platform.moonshot.ai/docs/api
    compatible("moonshot", "https://api.moonshot.ai/v1", key="MOONSHOT_API_KEY", priced_as="moonshotai",
               speaks=(_CHAT,), also=("moonshotai", "kimi")),
    # docs.tokenfactory.nebius.com/api-reference
    compatible("nebius", "https://api.tokenfactory.nebius.com/v1", key="NEBIUS_API_KEY",
               speaks=(_CHAT, _COMPLETIONS, _EMBEDDINGS, _IMAGES)),
    # docs.api.nvidia.com/nim/reference
    compatible("nvidia", "https://integrate.api.nvidia.com/v1", key="NVIDIA_API_KEY",
               speaks=(_CHAT, _EMBEDDINGS), also=("nvidia_nim", "nim")),
    # openrouter.ai/docs/api-reference
    compatible("openrouter", "https://openrouter.ai/api/v1", key="OPENROUTER_API_KEY", priced_as="openrouter",
               speaks=(_CHAT, _RESPONSES, _COMPLETIONS, _MESSAGES, _EMBEDDINGS, _RERANK), also=("open_router",)),
    # docs.perplexity.ai/api-reference
    compatible("perplexity", "https://api.perplexity.ai", key="PERPLEXITY_API_KEY", priced_as="perplexity",
               speaks=(_CHAT,), also=("pplx",)),
    # docs.sambanova.ai/docs/en/api-reference
    compatible("sambanova", "https://api.sambanova.ai/v1", key="SAMBANOVA_API_KEY",
               speaks=(_CHAT, _COMPLETIONS, _EMBEDDINGS, _HEARD)),
    # docs.together.ai/reference
    compatible("together", "https://api.together.xyz/v1", key="TOGETHER_API_KEY", priced_as="together",
               speaks=(_CHAT, _COMPLETIONS, _EMBEDDINGS, _IMAGES, _SPEECH, _HEARD, _RERANK),
               also=("togetherai", "together_ai"),
               cancelling_stops_bill="streams"),
    # docs.x.ai/docs/api-reference
    compatible("xai", "https://api.x.ai/v1", key="XAI_API_KEY", priced_as="x-ai",
               speaks=(_CHAT, _RESPONSES, _COMPLETIONS, _MESSAGES, _IMAGES), also=("x_ai", "grok"),
               cancelling_stops_bill="streams"),
    # docs.z.ai/api-reference
    compatible("zai", "https://api.z.ai/api/paas/v4", key="ZAI_API_KEY", priced_as="zai",
               speaks=(_CHAT, _IMAGES), also=("z_ai", "z.ai", "zhipu", "glm")),
    # github.com/ggml-org/llama.cpp/tree/master/tools/server
    compatible("llamacpp", "http://localhost:8080/v1", key=None,
               speaks=(_CHAT, _RESPONSES, _COMPLETIONS, _MESSAGES, _EMBEDDINGS, _COUNTED, _RERANK),
               also=("llama.cpp", "llama_cpp")),
    # lmstudio.ai/docs/developer
    compatible("lmstudio", "http://localhost:1234/v1", key=None,
               speaks=(_CHAT, _RESPONSES, _COMPLETIONS, _MESSAGES, _EMBEDDINGS), also=("lm_studio",)),
    # docs.sglang.io/docs/basic_usage/openai_api (its rerank answers in a shape of its own)
    compatible("sglang", "http://localhost:30000/v1", key=None,
               speaks=(_CHAT, _COMPLETIONS, _EMBEDDINGS), also=("sgl",)),
    # docs.vllm.ai/en/stable/serving/online_serving.html
    compatible("vllm", "http://localhost:8000/v1", key=None,
               speaks=(_CHAT, _RESPONSES, _COMPLETIONS, _MESSAGES, _COUNTED, _EMBEDDINGS, _HEARD, _RERANK)),
)
# fmt: on
