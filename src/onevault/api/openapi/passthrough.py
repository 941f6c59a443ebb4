"""Providers' own paths as they are described: any method, any body, any answer."""

from __future__ import annotations

from typing import Any

from onevault.api.openapi.operations import ANY, GOOGLE_KEY, in_path

TAG = "Passthrough"
_READS = ("GET",)
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


def _answer(description: str) -> dict[str, Any]:
    return {"description": description, "content": {ANY: {}}}


def _operation(method: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "summary": f"{method} at a provider, its bytes untouched",
        "description": (
            "Authenticated, limited and recorded like every call, and priced where the gateway knows the path: under a budget, or "
            "with a key for some models only, other paths are refused. Status, headers and body are the provider's."
        ),
        "tags": [TAG],
        "security": GOOGLE_KEY,
        "parameters": [
            in_path("provider", "A provider by its configured name.", example="simulator"),
            in_path(
                "path", "The path at the provider, with or without its version; slashes are fine.", example="v1/models"
            ),
        ],
        "responses": {
            "2XX": _answer("The provider's answer."),
            "400": _answer("The gateway's own fault, in OpenAI's shape, or the provider's."),
            "401": _answer(
                "The gateway's own fault: the API key is absent, unknown, expired or revoked; or the provider's."
            ),
            "default": _answer("Any other fault of the gateway, in OpenAI's shape, or what the provider said."),
        },
    }
    return made if method in _READS else made | {"requestBody": {"content": {ANY: {}}}}


OPERATIONS = {
    f"{method} /passthrough/{{provider}}/{{path}} pass_{method.lower()}": _operation(method)
    for method in (*_READS, *_WRITES)
}
