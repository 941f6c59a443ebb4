"""Turns plain values into what may be written, or into every problem at once, each with its path and its line."""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, ValidationError

from onevault.config.problems import Problem, did_you_mean
from onevault.config.quantities import Refused
from onevault.config.written import Written

ROUNDS_MAX: Final = 8


def validated(document: Mapping[str, Any]) -> tuple[Written | None, list[Problem]]:
    """The document as `Written`, and its problems. What is wrong is left out of it, so that what is wrong between the other
    values can still be found; None where too little is left."""
    problems: list[Problem] = []
    remaining: Any = copy.deepcopy(dict(document))
    for _ in range(ROUNDS_MAX):  # leaving out one thing may make another incomplete
        try:
            return Written.model_validate(remaining), problems
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        problems += [_problem(detail["loc"], detail) for detail in details]
        for location in sorted({_at_fault(detail) for detail in details}, key=_backwards):
            _leave_out(remaining, location)
    return None, problems


def _at_fault(detail: Any) -> tuple[int | str, ...]:
    location: tuple[int | str, ...] = detail["loc"]
    return location[:-1] if detail["type"] == "missing" else location


def _backwards(location: tuple[int | str, ...]) -> list[tuple[int, str]]:
    """Later items of a list first, so that taking them out moves none that is still to go."""
    return [(-step, "") if isinstance(step, int) else (0, step) for step in location]


def _leave_out(document: Any, location: tuple[int | str, ...]) -> None:
    """Takes a value out; of a provider its name stays, as others may refer to it."""
    around, last = document, None
    for depth, step in enumerate(location):
        inner = around if last is None else around[last]
        if not (isinstance(inner, dict) and step in inner) and not _has_item(inner, step):
            break  # a short form, as one duration for all timeouts: it goes as a whole
        around, last = inner, step
        if depth == 1 and location[0] == "providers" and len(location) == 2:
            around[step] = {}
            return
    if last is not None:
        del around[last]


def _has_item(node: Any, step: int | str) -> bool:
    return isinstance(node, list) and isinstance(step, int) and step < len(node)


def _problem(location: tuple[int | str, ...], detail: Any) -> Problem:
    path = path_of(location)
    match detail["type"]:
        case "extra_forbidden":
            known = known_names(location[:-1])
            return Problem(path, "unknown name", did_you_mean(str(location[-1]), known))
        case "missing":
            return Problem(path, "missing", "a value")
        case "value_error" if isinstance(refusal := detail["ctx"]["error"], Refused):
            return Problem(path, str(refusal), refusal.expected)
        case "model_type" | "model_attributes_type" | "dict_type":
            return Problem(path, "not a mapping", "names and values: `name: value`")
        case "list_type":
            return Problem(path, "not a list", "a list: [first, second]")
        case _:
            return Problem(path, str(detail["msg"]))


def path_of(location: tuple[int | str, ...]) -> str:
    """`("providers", "a", "models", 1)` as people read it: `providers.a.models[1]`."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path


def known_names(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The names that may stand in the mapping at this place; empty where any may."""
    kind: Any = Written
    for step in location:
        model = _model_in(kind)
        if model is not None and isinstance(step, str) and (field := _field(model, step)) is not None:
            kind = model.model_fields[field].annotation
        else:
            kind = _item_in(kind)
    model = _model_in(kind)
    return tuple(_names(model)) if model is not None else ()


def _names(model: type[BaseModel]) -> Iterator[str]:
    for field in model.model_fields:
        yield from _spellings(model, field)


def _field(model: type[BaseModel], name: str) -> str | None:
    return next((field for field in model.model_fields if name == field or name in _spellings(model, field)), None)


def _spellings(model: type[BaseModel], field: str) -> tuple[str, ...]:
    alias = model.model_fields[field].validation_alias
    return tuple(str(choice) for choice in alias.choices) if isinstance(alias, AliasChoices) else (field,)


def _model_in(kind: Any) -> type[BaseModel] | None:
    """The model that a type stands for, through `Annotated` and `| None`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) in (Annotated, Union, types.UnionType):
        return next((model for part in get_args(kind) if (model := _model_in(part)) is not None), None)
    return None


def _item_in(kind: Any) -> Any:
    """What a mapping or list holds, through `Annotated` and `| None`."""
    origin = get_origin(kind)
    if origin in (dict, list):
        return get_args(kind)[-1]
    if origin in (Annotated, Union, types.UnionType):
        return next((item for part in get_args(kind) if (item := _item_in(part)) is not None), None)
    return None
