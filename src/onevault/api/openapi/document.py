"""The OpenAPI 3.1 document of the whole service: a table for each surface, and the admin API as FastAPI derives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onevault.api.openapi import account, anthropic, gemini, openai_chat, openai_media, own, passthrough
from onevault.api.openapi.operations import HEADERS, PARAMETERS, RESPONSES
from onevault.api.openapi.schema import ERRORS

_OPERATIONS: dict[str, Any] = {
    **openai_chat.OPERATIONS,
    **openai_media.OPERATIONS,
    **anthropic.OPERATIONS,
    **gemini.OPERATIONS,
    **own.OPERATIONS,
    **passthrough.OPERATIONS,
    **account.OPERATIONS,
}
_SCHEMAS = {
    **openai_chat.SCHEMAS,
    **openai_media.SCHEMAS,
    **anthropic.SCHEMAS,
    **gemini.SCHEMAS,
    **own.SCHEMAS,
    **account.SCHEMAS,
    **ERRORS,
}


def _key(place: str, name: str, description: str) -> dict[str, str]:
    return {"type": "apiKey", "in": place, "name": name, "description": description}


_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key `gw_live_…` or `gw_test_…`."},
    "x-api-key": _key("header", "x-api-key", "The same key, Anthropic's way."),
    "x-goog-api-key": _key("header", "x-goog-api-key", "The same key, Google's way."),
    "key": _key("query", "key", "The same key, Google's way where no header can be set."),
}


def document(admin: Mapping[str, Any], *, version: str) -> dict[str, Any]:
    """The merged document. `admin` is the admin API's own OpenAPI document."""
    own_components: dict[str, dict[str, Any]] = {
        "schemas": _SCHEMAS,
        "responses": RESPONSES,
        "headers": HEADERS,
        "parameters": PARAMETERS,
        "securitySchemes": _SECURITY,
    }
    components = dict(admin.get("components", {}))
    for kind, entries in own_components.items():
        components[kind] = entries | components.get(kind, {})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OneVault Gateway",
            "version": version,
            "description": "One service between applications and AI providers. Every dialect's own fields pass beside those named here.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths() | dict(admin.get("paths", {})),
        "components": components,
    }


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for name, operation in _OPERATIONS.items():
        method, path, operation_id = name.split(" ")
        paths.setdefault(path, {})[method.lower()] = operation | {"operationId": operation_id}
    return paths
