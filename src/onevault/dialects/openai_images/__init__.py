"""OpenAI's dialects for making and editing images."""

from onevault.dialects.openai_images.spoken import OpenAIImageEdits, OpenAIImages

INGRESS = (OpenAIImages(), OpenAIImageEdits())
CODECS = INGRESS
