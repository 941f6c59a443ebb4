"""Amazon Bedrock (docs.aws.amazon.com/bedrock/latest/APIReference): signed requests, or a bearer key."""

from __future__ import annotations

from onevault.config.provider_kind import Need, ProviderKind, spoken

KINDS = (
    ProviderKind(
        name="bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        credential="aws",
        codecs=spoken("bedrock-converse", "bedrock-embeddings", "bedrock-count-tokens"),
        needs=(
            Need(
                ("api_key", "access_key_id"),
                "access_key_id and secret_access_key, or a Bedrock key, which ${AWS_BEARER_TOKEN_BEDROCK} also is",
            ),
            Need(("region",), "the region (us-east-1), or ${AWS_REGION}"),
        ),
        takes=frozenset({"api_key", "access_key_id", "secret_access_key", "session_token", "region"}),
        variables={
            "api_key": ("AWS_BEARER_TOKEN_BEDROCK",),
            "access_key_id": ("AWS_ACCESS_KEY_ID",),
            "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
            "session_token": ("AWS_SESSION_TOKEN",),
            "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
            "base_url": ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME",),
        },
        made_by="api_key",  # keys of AWS are in too many shells for other purposes to mean this provider
        also_called=("aws", "aws_bedrock", "amazon_bedrock", "amazon"),
        prices_from=("aws",),
    ),
)
