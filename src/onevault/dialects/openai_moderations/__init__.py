"""OpenAI's dialect for judging texts and images."""

from onevault.dialects.openai_moderations.spoken import OpenAIModerations

INGRESS = (OpenAIModerations(),)
CODECS = INGRESS
