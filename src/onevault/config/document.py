"""Reads a YAML file into plain values, with the line of every path; a key written twice is a problem, not a silent choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from onevault.config.problems import ConfigurationError, Problem

FILE_BYTES_MAX: Final = 1 << 20
NODES_MAX: Final = 50_000
DEPTH_MAX: Final = 32
_KEY_TAGS: Final = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


def read(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The file's mapping, and the line of each path in it. Raises ConfigurationError."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigurationError([Problem("", f"{path} cannot be read: {error.strerror or error}")]) from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigurationError([Problem("", f"{path} is larger than 1 MiB")])
    try:
        return parsed(data.decode())
    except UnicodeDecodeError:
        raise ConfigurationError([Problem("", f"{path} is not UTF-8")]) from None


def parsed(text: str) -> tuple[dict[str, Any], dict[str, int]]:
    """As `read`, of a text."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return {}, {}
            lines, problems = _walk(root)
            if problems:
                raise ConfigurationError(problems)
            document = loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigurationError(
            [Problem("", f"not YAML: {error.problem or error.context}", line=mark.line + 1 if mark else None)]
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ConfigurationError([Problem("", f"not YAML: {reason}")]) from None
    if not isinstance(document, dict):
        raise ConfigurationError([Problem("", "not a mapping", "sections such as `gateway:` and `providers:`")])
    return document, lines


def _walk(root: yaml.Node) -> tuple[dict[str, int], list[Problem]]:
    """Lines by path, and what is wrong with the tree: keys written twice, keys that are no text, too many nodes.

    Anchors may repeat a subtree, so the walk counts nodes and levels and stops where a small file would grow without bound.
    """
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    waiting: list[tuple[yaml.Node, str, int]] = [(root, "", 0)]
    walked = 0
    while waiting:
        node, path, depth = waiting.pop()
        walked += 1
        if walked > NODES_MAX or depth > DEPTH_MAX:
            return lines, [
                Problem("", "too many values, or nested too deeply", f"{NODES_MAX} values, {DEPTH_MAX} levels")
            ]
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                lines[f"{path}[{index}]"] = item.start_mark.line + 1
                waiting.append((item, f"{path}[{index}]", depth + 1))
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode) or key.tag not in _KEY_TAGS:
                    problems.append(Problem(path, "a key that is not a text", "the name in quotes", line=line))
                    continue
                inner = f"{path}.{key.value}" if path else key.value
                if key.value in seen:
                    problems.append(Problem(inner, "written twice", "one of the two", line=line))
                seen.add(key.value)
                lines[inner] = line
                waiting.append((value, inner, depth + 1))
    return lines, problems
