"""The dialects of OpenAI's API."""

from onevault.dialects.openai.spoken import OpenAIChat, OpenAIEmbeddings

INGRESS = (OpenAIChat(), OpenAIEmbeddings())
CODECS = INGRESS
