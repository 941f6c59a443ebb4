"""Google's models: the Gemini API with a key (ai.google.dev/api), and Vertex AI with a service account (cloud.google.com/vertex-ai)."""

from __future__ import annotations

from onevault.config.provider_kind import Need, ProviderKind, spoken

KINDS = (
    ProviderKind(
        name="google",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        version_path="/v1beta",
        cuts=("/openai",),
        credential="x-goog-api-key",
        codecs=spoken("gemini", "gemini-embeddings", "gemini-count-tokens"),
        needs=(Need(("api_key",), "the key, or ${GEMINI_API_KEY}"),),
        variables={"api_key": ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "base_url": ("GOOGLE_GEMINI_BASE_URL",)},
        made_by="api_key",
        also_called=("gemini", "google_ai", "google_ai_studio"),
        prices_from=("google",),
        listed_first=("gemini-2.5-flash", "gemini-embedding-001"),
    ),
    ProviderKind(
        name="vertex",
        base_url="https://{region}-aiplatform.googleapis.com",
        # docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations: the global endpoint and the two of several regions
        base_url_in={
            "global": "https://aiplatform.googleapis.com",
            "eu": "https://aiplatform.eu.rep.googleapis.com",
            "us": "https://aiplatform.us.rep.googleapis.com",
        },
        version_path="/v1/projects/{project}/locations/{region}/publishers/google",
        cuts=("/v1", "/v1beta1"),
        credential="gcp",
        codecs=spoken("gemini", "vertex-embeddings", "vertex-count-tokens"),
        needs=(
            Need(("service_account",), "a service account's key: its JSON, or the path of its file"),
            Need(("project",), "the project's id, which a service account's key also has"),
            Need(("region",), "a location such as europe-west4, or global"),
        ),
        takes=frozenset({"service_account", "project", "region"}),
        variables={
            "service_account": ("GOOGLE_APPLICATION_CREDENTIALS",),
            "project": ("GOOGLE_CLOUD_PROJECT",),
            "region": ("GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION"),
            "base_url": ("GOOGLE_VERTEX_BASE_URL",),
        },
        also_called=("vertexai", "vertex_ai", "google_vertex"),
        prices_from=("google",),
        listed_first=("gemini-2.5-flash", "gemini-embedding-001"),
    ),
)
