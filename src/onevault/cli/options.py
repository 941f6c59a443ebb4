"""Gives commands an option for each field that the admin API takes, so that neither has what the other lacks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
import typer

from onevault.admin.inputs import Input, read
from onevault.core.faults import Fault, FaultKind

I = TypeVar("I", bound=Input)  # noqa: E741
_CALLED: Final = {"org_id": "org", "team_id": "team"}
_TYPES: Final[Mapping[str, Any]] = {
    "number": float,
    "integer": int,
    "string": str,
    "boolean": bool,
    "array": list[str],
    "object": str,
}
_NULL: Final = re.compile(r"[;.]? null: [^.;]*(?=[.;])")
"""What null means is no matter of the command line: it is not to say it, or `--unset`."""
Given = dict[str, Any]


def taking(model: type[Input], *, apart: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Puts options for the fields of a model, but those that stand apart, in the place of a command's parameter `given`, which gets
    what was said, by the names that the admin API has for it."""
    properties = {
        name: _as_schema(schema)
        for name, schema in model.model_json_schema()["properties"].items()
        if name not in apart
    }

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        def run(**said: Any) -> None:
            given = {name: said.pop(name) for name in properties}
            command(given={name: value for name, value in given.items() if value not in (None, [])}, **said)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            if parameter.name == "given":
                parameters += (_option(name, schema) for name, schema in properties.items())
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        run.__doc__ = command.__doc__
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorated


def asked(model: type[I], given: Given, *, unset: list[str] | None = None, **apart: Any) -> I:
    """What was said, as the admin API would have read it; `unset` names fields that are to be null. Raises Fault."""
    properties = model.model_json_schema()["properties"]
    values = dict(given)
    for name in given:
        if _as_schema(properties[name])["type"] == "object":
            values[name] = _object(name, given[name])
    for name in unset or ():
        field = name.replace("-", "_")
        if field in values:
            raise Fault(FaultKind.INVALID_REQUEST, f"{field} is both set and unset.", param=field)
        values[field] = None
    return read(model, values | apart)


def _option(name: str, schema: Mapping[str, Any]) -> inspect.Parameter:
    kind = schema["type"]
    called = _CALLED.get(name, name.removesuffix("s") if kind == "array" else name).replace("_", "-")
    said = [_NULL.sub("", schema.get("description", ""))]
    if "enum" in schema:
        said.append(f"One of {', '.join(schema['enum'])}.")
    if kind == "array":
        said.append("Repeatable.")
    if kind == "object":
        said.append("A JSON object.")
    option = typer.Option(f"--{called}", help=" ".join(filter(None, said)).replace("`", ""))
    taken = list[int] if kind == "array" and schema["items"].get("type") == "integer" else _TYPES[kind]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[taken | None, option]
    )


def _as_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """With one type, null left out: on the command line that is not to say it."""
    found: Mapping[str, Any] = schema
    if "anyOf" in schema:
        found = {**schema["anyOf"][0], **{name: value for name, value in schema.items() if name != "anyOf"}}
    kind = found.get("type", "string")
    return {**found, "type": next(each for each in kind if each != "null") if isinstance(kind, list) else kind}


def _object(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Fault(FaultKind.INVALID_REQUEST, f"{name}: not JSON ({error}).", param=name) from None
