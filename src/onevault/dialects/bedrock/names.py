"""The names of AWS Bedrock's dialects, and the paths that they are spoken at."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

BEDROCK_CONVERSE: Final = "bedrock-converse"
BEDROCK_EMBEDDINGS: Final = "bedrock-embeddings"
BEDROCK_COUNT_TOKENS: Final = "bedrock-count-tokens"


def path_of(model: str, action: str) -> str:
    """`/model/{modelId}/{action}`; an id may be an ARN, whose colons and slashes are escaped."""
    return f"/model/{quote(model, safe='')}/{action}"
