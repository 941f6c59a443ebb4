"""The paths of Google's API: `models/{model}:{verb}`, as callers write them and as providers are sent them."""

from __future__ import annotations

from urllib.parse import quote

from onevault.dialects.wire.json_body import invalid

MODEL_LENGTH_MAX = 256


def ingress_paths(*verbs: str) -> tuple[str, ...]:
    """Where callers POST to: both versions of the API have every verb."""
    return tuple(f"/{version}/models/{{model}}:{verb}" for verb in verbs for version in ("v1beta", "v1"))


def wire_paths(*verbs: str) -> tuple[str, ...]:
    return tuple(f"/models/{{model}}:{verb}" for verb in verbs)


def model_and_verb(path: str) -> tuple[str | None, str]:
    """What a caller's path asks for. Raises Fault INVALID_REQUEST for a model's name that is too long."""
    head, _, verb = path.rpartition(":")
    model = head.partition("/models/")[2].removeprefix("models/")
    if len(model) > MODEL_LENGTH_MAX:
        raise invalid("model", f"must have 1 to {MODEL_LENGTH_MAX} characters")
    return model or None, verb


def resource_of(model: str) -> str:
    """The model as a resource: `models/gemini-2.5-pro`; `tunedModels/…` is one already."""
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def wire_path(model: str, verb: str) -> str:
    return f"/{quote(resource_of(model))}:{verb}"
