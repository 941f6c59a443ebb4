"""The dialects of Cohere's API, version 2 (its rerank is a dialect that others speak, too)."""

from onevault.dialects.cohere.spoken import CohereChat, CohereEmbeddings

CODECS = (CohereChat(), CohereEmbeddings())
