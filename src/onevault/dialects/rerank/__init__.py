"""The dialect in which Cohere, Jina and those who follow them rank documents by a query."""

from onevault.dialects.rerank.spoken import Rerank

INGRESS = (Rerank(),)
CODECS = INGRESS
