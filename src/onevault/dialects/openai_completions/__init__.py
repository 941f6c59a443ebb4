"""OpenAI's older completions dialect."""

from onevault.dialects.openai_completions.spoken import OpenAICompletions

INGRESS = (OpenAICompletions(),)
CODECS = INGRESS
