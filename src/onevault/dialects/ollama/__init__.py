"""The dialects of Ollama's own API."""

from onevault.dialects.ollama.answer import CanonicalEmbeddings, CanonicalStream, CanonicalWhole
from onevault.dialects.ollama.embeddings import EMBED_PATH, encode_embed
from onevault.dialects.ollama.encode import CHAT_PATH, encode_chat
from onevault.dialects.ollama.faults import ollama_fault
from onevault.dialects.ollama.names import OLLAMA_CHAT, OLLAMA_EMBEDDINGS
from onevault.dialects.wire.provider_only import ChatCodec, EmbeddingsCodec

CODECS = (
    ChatCodec(OLLAMA_CHAT, (CHAT_PATH,), encode_chat, CanonicalWhole, CanonicalStream, ollama_fault),
    EmbeddingsCodec(OLLAMA_EMBEDDINGS, (EMBED_PATH,), encode_embed, CanonicalEmbeddings, ollama_fault),
)
