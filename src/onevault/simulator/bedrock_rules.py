"""Bedrock's requests to converse as they are read, and the errors for those that break the rules.

Written from docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and its data types.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final, Literal

import msgspec

from onevault.simulator.faults import invalid

Block = dict[str, Any]
BLOCK_KINDS: Final = frozenset(
    (
        "text", "image", "document", "video", "audio", "toolUse", "toolResult", "guardContent", "cachePoint",
        "reasoningContent", "citationsContent", "searchResult", "json",
    )
)  # fmt: skip
TOOL_KINDS: Final = frozenset(("toolSpec", "systemTool", "cachePoint"))
_MEDIA: Final = frozenset(("image", "document", "video", "audio"))
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


class Message(msgspec.Struct):
    role: Literal["user", "assistant"]
    content: list[Block]


class Inference(msgspec.Struct, rename="camel"):
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None


class ToolConfig(msgspec.Struct, rename="camel"):
    tools: list[Block]
    tool_choice: Block | None = None


class ConverseRequest(msgspec.Struct, rename="camel"):
    messages: list[Message] = []
    system: list[Block] | None = None
    inference_config: Inference | None = None
    tool_config: ToolConfig | None = None
    guardrail_config: Block | None = None
    additional_model_request_fields: Block | None = None
    output_config: Block | None = None
    performance_config: Block | None = None
    service_tier: Block | None = None


_converse: Final = msgspec.json.Decoder(ConverseRequest)


def read_converse(body: bytes) -> ConverseRequest:
    """Raises Refused in AWS's words."""
    try:
        request = _converse.decode(body or b"{}")
    except msgspec.ValidationError as error:
        raise invalid(f"1 validation error detected: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(str(error), code="SerializationException") from None
    check(request)
    return request


def check(request: ConverseRequest) -> None:
    """Raises Refused in AWS's words for a request that breaks a rule."""
    if not request.messages:
        raise invalid("A conversation must have at least one message. Try again with a conversation that has one.")
    for at, message in enumerate(request.messages):
        if not message.content:
            raise invalid(f"The content field in the Message object at messages.{at} is empty. Add a ContentBlock object to the "
                          "content field and try again.")  # fmt: skip
        for number, block in enumerate(message.content):
            _check_block(block, f"messages.{at}.content.{number}")
    for number, block in enumerate(request.system or ()):
        _check_block(block, f"system.{number}")
    inference = request.inference_config or Inference()
    for name, value, least, most in (
        ("maxTokens", inference.max_tokens, 1, None),
        ("temperature", inference.temperature, 0, 1),
        ("topP", inference.top_p, 0, 1),
    ):
        if value is not None and (value < least or (most is not None and value > most)):
            bound = f"less than or equal to {most}" if value > least else f"greater than or equal to {least}"
            raise invalid(f"1 validation error detected: Value at 'inferenceConfig.{name}' failed to satisfy constraint: "
                          f"Member must have value {bound}")  # fmt: skip
    _check_tools(request)
    _check_uses(request.messages)


def kind_of(block: Block, kinds: frozenset[str], place: str) -> str:
    """Which member of the union the block is. Raises Refused for none and for several."""
    found = kinds & block.keys()
    if len(found) != 1:
        raise invalid(f"The value at {place} must have exactly one member of its union.")
    return next(iter(found))


def _check_block(block: Block, place: str) -> None:
    kind = kind_of(block, BLOCK_KINDS, place)
    value = block[kind]
    if kind == "text":
        if not isinstance(value, str):
            raise invalid(f"1 validation error detected: Value at '{place}.text' must be a string")
        if not value:
            raise invalid(
                f"The text field in the ContentBlock object at {place} is blank. Add text to the text field, and try again."
            )
    elif kind != "json" and not isinstance(value, dict):
        raise invalid(f"1 validation error detected: Value at '{place}.{kind}' must be a structure")
    elif kind in _MEDIA:
        _check_source(value.get("source"), f"{place}.{kind}.source")
    elif kind == "toolResult":
        content = value.get("content")
        if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
            raise invalid(
                f"1 validation error detected: Value at '{place}.toolResult.content' must be a list of structures"
            )
        for at, part in enumerate(content):
            _check_block(part, f"{place}.toolResult.content.{at}")


def _check_source(source: Any, place: str) -> None:
    if not isinstance(source, dict) or len(source) != 1:
        raise invalid(f"1 validation error detected: Value at '{place}' must have exactly one member")
    if "bytes" in source:
        try:
            base64.b64decode(source["bytes"], validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise invalid(f"1 validation error detected: Value at '{place}.bytes' is no base64") from None


def specs_of(request: ConverseRequest) -> list[Block]:
    tools = request.tool_config.tools if request.tool_config else ()
    return [tool["toolSpec"] for tool in tools if isinstance(tool.get("toolSpec"), dict)]


def _check_tools(request: ConverseRequest) -> None:
    config = request.tool_config
    if config is None:
        if any(not block.keys().isdisjoint(("toolUse", "toolResult")) for m in request.messages for block in m.content):
            raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return
    names: list[str] = []
    for at, tool in enumerate(config.tools):
        kind = kind_of(tool, TOOL_KINDS, f"toolConfig.tools.{at}")
        spec = tool[kind]
        if not isinstance(spec, dict):
            raise invalid(f"1 validation error detected: Value at 'toolConfig.tools.{at}.{kind}' must be a structure")
        if kind != "toolSpec":
            continue
        place = f"toolConfig.tools.{at}.toolSpec"
        if not isinstance(spec.get("name"), str) or not _NAME.match(spec["name"]):
            raise invalid(f"1 validation error detected: Value at '{place}.name' failed to satisfy constraint: "
                          "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+")  # fmt: skip
        if spec["name"] in names:
            raise invalid(f"The toolConfig field has the tool {spec['name']} twice.")
        names.append(spec["name"])
        schema = spec.get("inputSchema")
        inner = schema.get("json") if isinstance(schema, dict) else None
        if not isinstance(inner, dict) or inner.get("type") != "object":
            raise invalid(f"The value at {place}.inputSchema.json.type must be one of the following: object.")
    if not config.tools:
        raise invalid("1 validation error detected: Value at 'toolConfig.tools' failed to satisfy constraint: "
                      "Member must have length greater than or equal to 1")  # fmt: skip
    choice = config.tool_choice or {}
    wanted = choice.get("tool")
    if "tool" in choice and (not isinstance(wanted, dict) or wanted.get("name") not in names):
        raise invalid("The toolChoice field names a tool that is not among the tools.")


def _ids(content: list[Block], kind: str) -> list[str]:
    return [str(block[kind].get("toolUseId")) for block in content if kind in block and "type" not in block[kind]]


def _check_uses(messages: list[Message]) -> None:
    """Every use of a tool is answered in the message after it, and nothing else is; tools of the server's own answer themselves."""
    open_ids: list[str] = []
    for at, message in enumerate(messages):
        results = _ids(message.content, "toolResult") if message.role == "user" else []
        missing = [one for one in open_ids if one not in results]
        if missing:
            raise invalid(
                f"Expected toolResult blocks at messages.{at}.content for the following Ids: {', '.join(missing)}"
            )
        if len(results) > len(open_ids):
            raise invalid(f"The number of toolResult blocks at messages.{at}.content exceeds the number of toolUse blocks "
                          "of previous turn.")  # fmt: skip
        open_ids = _ids(message.content, "toolUse") if message.role == "assistant" else []
