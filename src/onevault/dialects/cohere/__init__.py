"""The dialects of Cohere's API, version 2 (its rerank is a dialect that others speak, too)."""

from onevault.dialects.cohere.answer import CanonicalStream, CanonicalWhole
from onevault.dialects.cohere.embeddings import EMBED_PATH, CanonicalEmbeddings, encode_embed
from onevault.dialects.cohere.encode import CHAT_PATH, encode_chat
from onevault.dialects.cohere.faults import cohere_fault
from onevault.dialects.cohere.names import COHERE_CHAT, COHERE_EMBEDDINGS
from onevault.dialects.wire.provider_only import ChatCodec, EmbeddingsCodec

CODECS = (
    ChatCodec(COHERE_CHAT, (CHAT_PATH,), encode_chat, CanonicalWhole, CanonicalStream, cohere_fault),
    EmbeddingsCodec(COHERE_EMBEDDINGS, (EMBED_PATH,), encode_embed, CanonicalEmbeddings, cohere_fault),
)
