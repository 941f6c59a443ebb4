"""OpenAI's dialects for speaking and for writing down what was spoken."""

from onevault.dialects.openai_audio.spoken import OpenAISpeech, OpenAITranscriptions

INGRESS = (OpenAISpeech(), OpenAITranscriptions())
CODECS = INGRESS
