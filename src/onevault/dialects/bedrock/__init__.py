"""The dialects of AWS Bedrock, spoken to providers only."""

from onevault.dialects.bedrock.spoken import BedrockConverse, BedrockCountTokens, BedrockEmbeddings

CODECS = (BedrockConverse(), BedrockEmbeddings(), BedrockCountTokens())
