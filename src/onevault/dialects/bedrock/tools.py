"""Writes tools and the choice among them as Converse's `toolConfig`.

Converse has no `none`: then the tools are left out, and what was called and answered before is told in words. That only one tool
may be called at a time can be said to Claude alone, in its own words among `additionalModelRequestFields`.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from onevault.core.chat import ChatRequest, Opaque, Tool
from onevault.dialects.bedrock.content import cache_point
from onevault.dialects.bedrock.families import TOOLS, Family
from onevault.dialects.bedrock.media import Json
from onevault.dialects.bedrock.names import BEDROCK_CONVERSE
from onevault.dialects.wire.json_body import unsupported
from onevault.dialects.wire.json_schema import arguments_schema, grammar_schema

_EMPTY_SCHEMA: Final = {"type": "object", "properties": {}}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def offers_tools(request: ChatRequest) -> bool:
    """Whether the model may call a tool."""
    return bool(request.tools) and (request.tool_choice is None or request.tool_choice.mode != "none")


def must_call(request: ChatRequest) -> bool:
    return offers_tools(request) and request.tool_choice is not None and request.tool_choice.mode != "auto"


def tool_config(request: ChatRequest, family: Family, dropped: dict[str, None]) -> Json:
    """Raises Fault UNSUPPORTED_PARAMETER."""
    tools: list[Json] = []
    for i, tool in enumerate(request.tools):
        tools += _tool(tool, f"tools[{i}]", family, dropped)
    config: Json = {"tools": tools}
    choice = request.tool_choice
    if choice is not None and choice.mode == "required":
        config["toolChoice"] = {"any": {}}
    elif choice is not None and choice.mode == "tool":
        config["toolChoice"] = {"tool": {"name": choice.name}}
    return config


def one_at_a_time(request: ChatRequest) -> Json:
    """What Claude is told beside `toolConfig`: the kind of choice may be said only once, there or here."""
    return (
        {"disable_parallel_tool_use": True}
        if must_call(request)
        else {"type": "auto", "disable_parallel_tool_use": True}
    )


def _tool(tool: Tool | Opaque, path: str, family: Family, dropped: dict[str, None]) -> list[Json]:
    if isinstance(tool, Opaque):
        if tool.dialect != BEDROCK_CONVERSE:
            raise unsupported(path, "is a kind of tool that the provider that was chosen does not have")
        return [msgspec.json.decode(tool.raw)]
    if _NAME.fullmatch(tool.name) is None:
        raise unsupported(f"{path}.name", "must be of 1 to 64 letters, digits, _ and - at the provider that was chosen")
    spec: Json = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    schema = None if tool.parameters is None else arguments_schema(tool.parameters)
    spec["inputSchema"] = {"json": _EMPTY_SCHEMA if schema is None else schema}
    if tool.strict:
        if family.strict_tools:
            spec["strict"] = True
            if schema is not None:
                spec["inputSchema"] = {"json": grammar_schema(schema, dropped, "tools.parameters")}
        else:
            dropped["tools.strict"] = None
    written: list[Json] = [{"toolSpec": spec}]
    if tool.cache is not None:
        written += cache_point(tool.cache, TOOLS, family, dropped)
    return written
