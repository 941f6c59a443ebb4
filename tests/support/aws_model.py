"""Checks a request against AWS's own description of an operation, and that its library would send the very same."""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator


@lru_cache(maxsize=1)
def _service() -> ServiceModel:
    return botocore.session.get_session().get_service_model("bedrock-runtime")


def check(operation: str, path: str, body: bytes) -> dict[str, Any]:
    """The request as a caller of the library gives it. Fails where the library would refuse it, where a string is not of its
    pattern or not one of its values, and where the library would send another path or body."""
    sent = json.loads(body)
    model = _service().operation_model(operation)
    assert model.input_shape is not None
    params = _params(sent, model.input_shape, operation)
    params["modelId"] = unquote(path.split("/")[2])
    errors = ParamValidator().validate(params, model.input_shape)
    assert not errors.has_errors(), errors.generate_report()
    request = create_serializer("rest-json").serialize_to_request(params, model)
    assert request["url_path"] == path
    assert json.loads(request["body"]) == sent
    return params


def _params(value: Any, shape: Shape, at: str) -> Any:
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        assert isinstance(value, dict), at
        if getattr(shape, "is_tagged_union", False):
            assert len(value) == 1, at
        members = shape.members  # type: ignore[attr-defined]
        assert set(value) <= set(members), (at, set(value) - set(members))
        return {name: _params(inner, members[name], f"{at}.{name}") for name, inner in value.items()}
    if shape.type_name == "list":
        return [_params(inner, shape.member, f"{at}[{i}]") for i, inner in enumerate(value)]  # type: ignore[attr-defined]
    if shape.type_name == "map":
        return {
            _params(name, shape.key, at): _params(inner, shape.value, f"{at}.{name}") for name, inner in value.items()
        }  # type: ignore[attr-defined]
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "string":
        allowed = getattr(shape, "enum", None)
        assert not allowed or value in allowed, (at, value)
        pattern = shape.metadata.get("pattern")
        assert pattern is None or re.fullmatch(pattern, value), (at, value)
    return value
