"""OpenAI's responses dialect."""

from onevault.dialects.openai_responses.spoken import OpenAIResponses

INGRESS = (OpenAIResponses(),)
CODECS = INGRESS
