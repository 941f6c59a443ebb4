"""The dialects of Google's Gemini API, which Vertex AI speaks too."""

from onevault.dialects.gemini.spoken import (
    Gemini,
    GeminiCountTokens,
    GeminiEmbeddings,
    VertexCountTokens,
    VertexEmbeddings,
)

INGRESS = (Gemini(), GeminiCountTokens(), GeminiEmbeddings())
CODECS = (*INGRESS, VertexCountTokens(), VertexEmbeddings())
