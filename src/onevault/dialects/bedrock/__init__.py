"""The dialects of AWS Bedrock, spoken to providers only."""

from onevault.dialects.bedrock.embeddings import EmbeddingsWhole, encode_embeddings
from onevault.dialects.bedrock.encode import encode_count_tokens
from onevault.dialects.bedrock.faults import bedrock_fault
from onevault.dialects.bedrock.names import BEDROCK_COUNT_TOKENS, BEDROCK_EMBEDDINGS
from onevault.dialects.bedrock.spoken import BedrockConverse, CountWhole
from onevault.dialects.wire.provider_only import ChatCodec, EmbeddingsCodec

COUNT_PATH = "/model/{model}/count-tokens"

CODECS = (
    BedrockConverse(),
    # InvokeModel is no path of this dialect's alone: what a model is asked there is its own affair.
    EmbeddingsCodec(BEDROCK_EMBEDDINGS, (), encode_embeddings, EmbeddingsWhole, bedrock_fault),
    ChatCodec(BEDROCK_COUNT_TOKENS, (COUNT_PATH,), encode_count_tokens, CountWhole, CountWhole, bedrock_fault),
)
