"""The dialects of Anthropic's API."""

from onevault.dialects.anthropic.spoken import AnthropicCountTokens, AnthropicMessages

INGRESS = (AnthropicMessages(), AnthropicCountTokens())
CODECS = INGRESS
