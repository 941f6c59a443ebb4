"""The dialects of Ollama's own API."""

from onevault.dialects.ollama.spoken import OllamaChat, OllamaEmbeddings

CODECS = (OllamaChat(), OllamaEmbeddings())
