"""The documentation of the configuration and the configuration itself say the same."""

from __future__ import annotations

import copy
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from pydantic import AliasChoices, BaseModel

from onevault.config.document import read
from onevault.config.environment import VARIABLES
from onevault.config.kinds import KINDS
from onevault.config.load import CONFIG_VARIABLE, settings_from
from onevault.config.provider_kind import ProviderKind
from onevault.config.written import Written

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs/configuration.md").read_text()
ROW = re.compile(r"^\| `([a-z]+(?:\[\])?\.[.A-Za-z_0-9\[\]]*)`([^|]*)\|([^|]*)\|", re.MULTILINE)
ROWS = {match[1]: (re.findall(r"`([^`]+)`", match[2]), match[3].strip()) for match in ROW.finditer(PAGE)}


def fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Every key that may be written, with its other spellings. Mappings by a free name have NAME or MODEL in their path."""
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        spellings = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [name]
        here = f"{path}.{name}" if path else name
        inner, suffix = model_in(field.annotation)
        if inner is None or inner.__name__ in ("TimeoutsWritten", "PriceWritten", "RatesWritten"):
            yield here, spellings[1:]
        repeats = inner is not None and (inner.__name__ == "RatesWritten" or "models[].prices" in here)
        if inner is not None and not repeats:
            yield from fields(
                inner, here + {"": "", "[]": "[]", "{}": ".MODEL" if "prices" in here else ".NAME"}[suffix]
            )
        if inner is not None and inner.__name__ == "ModelWritten":
            yield here, spellings[1:]


def model_in(kind: Any) -> tuple[type[BaseModel] | None, str]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind, ""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (list, dict):
        inner, _ = model_in(arguments[-1])
        return inner, "[]" if origin is list else "{}"
    if origin is types.UnionType or arguments:
        found = [
            (inner, suffix)
            for part in arguments
            if isinstance(part, type) or get_args(part)
            for inner, suffix in [model_in(part)]
        ]
        return next(((inner, suffix) for inner, suffix in found if inner is not None), (None, ""))
    return None, ""


def test_every_key_of_the_schema_is_on_the_page_and_no_other() -> None:
    assert set(ROWS) == {path for path, _ in fields(Written)}


def test_other_spellings_are_on_the_page() -> None:
    assert {path: spellings for path, (spellings, _) in ROWS.items() if spellings} == {
        path: spellings for path, spellings in fields(Written) if spellings
    }


STATED = {path: default.strip("`") for path, (_, default) in ROWS.items() if re.fullmatch(r"`[^`]+`", default)}


@pytest.mark.parametrize("path", [path for path in STATED if "MODEL" not in path])
def test_a_default_that_the_page_states_is_what_holds_when_nothing_is_written(path: str) -> None:
    base: dict[str, Any] = {
        "providers": {"NAME": {"type": "simulator"}},
        "security": {"oidc": [{"issuer": "https://login.example.com", "audience": "onevault"}]},
        "tenants": [{"id": "default"}],
    }
    written = copy.deepcopy(base)
    node: Any = written
    *above, last = path.replace("[]", ".0").split(".")
    for step in above:
        node = node[0] if step == "0" else node.setdefault(step, {})
    node[last] = yaml.safe_load(STATED[path]) if STATED[path][0] in "[{" else STATED[path]
    assert settings_from(written, {}) == settings_from(base, {})


def test_every_variable_that_is_read_is_on_the_page() -> None:
    section = PAGE[PAGE.index("## Environment") :]
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", section))
    read_ones = {variable.name for variable in VARIABLES} | {CONFIG_VARIABLE, "COST_TRACKING_ENABLED"}
    read_ones |= {name for kind in KINDS.values() for names in kind.variables.values() for name in names}
    assert named == read_ones
    assert {variable.name for variable in VARIABLES if variable.wins} == set(re.findall(r"`([A-Z_]+)` \*", section))


def test_the_example_is_valid_as_it_is_and_with_all_its_providers_enabled() -> None:
    document, _ = read(PROJECT / "onevault.example.yaml")
    assert [entry.name for entry in settings_from(document, {}).providers] == ["simulator"]
    for entry in document["providers"].values():
        entry["enabled"] = True
    built = settings_from(document, {"OPENAI_API_KEY": "k1-real", "ANTHROPIC_API_KEY": "k2-real"})
    assert [entry.name for entry in built.providers] == ["simulator", "openai", "anthropic", "ollama", "local"]


def type_row(kind: ProviderKind) -> str:
    needs = ", ".join(" or ".join(f"`{field}`" for field in need.fields) for need in kind.needs)
    speaks = ", ".join(f"`{dialect}`" for dialects in kind.codecs.values() for dialect in dialects)
    return f"| `{kind.name}` | {needs} | {speaks} |".replace("|  |", "| |")


def variables_row(kind: ProviderKind) -> str:
    cells = []
    for field, names in kind.variables.items():
        mark = "**" if field == kind.made_by else ""
        cells.append(f"`{field}`: " + " or ".join(f"{mark}`{name}`{mark}" for name in names))
    return f"| `{kind.name}` | {'; '.join(cells)} |"


def rows_below(heading: str) -> list[str]:
    table = PAGE[PAGE.index(heading) :].splitlines()[2:]
    return table[: next(number for number, line in enumerate(table) if not line.startswith("|"))]


def test_the_page_has_every_type_with_what_it_needs_and_speaks() -> None:
    assert rows_below("| type | needs | speaks |") == [type_row(kind) for kind in KINDS.values()]


def test_the_page_says_which_variables_complete_and_which_make_an_entry() -> None:
    expected = [variables_row(kind) for kind in KINDS.values() if kind.variables]
    assert rows_below("| type | variables |") == expected
