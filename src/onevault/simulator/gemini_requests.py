"""Google's requests to generate: the rules they must keep, and what they ask for.

Written from ai.google.dev/api/generate-content, /gemini-api/docs/function-calling, /structured-output, /thinking and
/thought-signatures.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from onevault.simulator.ask import Ask, Tool
from onevault.simulator.faults import Refused, invalid
from onevault.simulator.gemini_fields import PART_KINDS
from onevault.simulator.gemini_prompt import Prompt

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}\Z")
_VERSION: Final = re.compile(r"gemini-(\d+)")
_RANGES: Final = (
    ("temperature", 0, 2),
    ("topP", 0, 1),
    ("candidateCount", 1, 8),
    ("maxOutputTokens", 1, None),
    ("logprobs", 0, 20),
)
_SIGNATURE_MISSING: Final = (
    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, "
    "and missing thought_signature may lead to degraded model performance. Additional data, function call `{}` , position {}. "
    "Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
)


def generation(model: str) -> int:
    """2 for `gemini-2.5-flash`; 0 for a name that does not say. From 3 on calls have ids, and their signatures are asked for."""
    match = _VERSION.search(model)
    return int(match[1]) if match else 0


def check(request: dict[str, Any], model: str) -> None:
    """Raises Refused in Google's words for a request that breaks a rule."""
    contents = request.get("contents")
    if not contents:
        raise _broken("contents", "contents is not specified")
    for at, content in enumerate(contents):
        _check_content(content, f"contents[{at}]")
    config = request.get("generationConfig", {})
    for name, least, most in _RANGES:
        value = config.get(name)
        if value is not None and (value < least or (most is not None and value > most)):
            bound = f"[{least}, {most}]" if most is not None else f"at least {least}"
            raise invalid(f"Unable to submit request because {name} is {value}, but the supported range is {bound}.")
    if len(config.get("stopSequences", ())) > 5:
        raise invalid("The number of stop sequences must not exceed 5.")
    if config.get("logprobs") and not config.get("responseLogprobs"):
        raise invalid("logprobs is set but response_logprobs is not: set response_logprobs to true.")
    if ("responseSchema" in config or "responseJsonSchema" in config) and config.get("responseMimeType") not in (
        "application/json",
        "text/x.enum",
    ):
        raise invalid("responseSchema and responseJsonSchema need responseMimeType: application/json or text/x.enum.")
    if "responseSchema" in config and "responseJsonSchema" in config:
        raise invalid("Only one of response_schema and response_json_schema can be set.")
    _check_tools(request)
    _check_calls(contents, model)


def _broken(field: str, why: str) -> Refused:
    return invalid(f"* GenerateContentRequest.{field}: {why}\n")


def _check_content(content: dict[str, Any], place: str) -> None:
    if content.get("role", "user") not in ("user", "model", "function"):
        raise invalid("Please use a valid role: user, model.")
    if not content.get("parts"):
        raise _broken(f"{place}.parts", "contents.parts must not be empty.")
    for at, part in enumerate(content["parts"]):
        kinds = [kind for kind in PART_KINDS if kind in part]
        if len(kinds) > 1:
            raise invalid(f"Invalid value at '{place}.parts[{at}]' (oneof), oneof field 'data' is already set.")
        if not kinds and "thoughtSignature" not in part:
            raise _broken(f"{place}.parts[{at}].data", "required oneof field 'data' must have one initialized field")


def _check_tools(request: dict[str, Any]) -> None:
    declared = [function for tool in request.get("tools", ()) for function in tool.get("functionDeclarations", ())]
    for at, function in enumerate(declared):
        name = function.get("name", "")
        if not _NAME.match(name):
            why = "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), "
            why += "underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128."
            raise _broken(f"tools[0].function_declarations[{at}].name", why)
        if "parameters" in function and "parametersJsonSchema" in function:
            raise invalid("Only one of parameters and parameters_json_schema can be set.")
    names = [function["name"] for function in declared]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"Duplicate function declaration found: {name}")
    calling = request.get("toolConfig", {}).get("functionCallingConfig", {})
    if calling.get("mode") in ("ANY", "VALIDATED") and not declared:
        raise invalid("Function calling config is set without function_declarations.")
    allowed = calling.get("allowedFunctionNames", ())
    if allowed and calling.get("mode") not in ("ANY", "VALIDATED"):
        raise invalid("Allowed function names can only be set when function calling mode is ANY or VALIDATED.")
    for name in allowed:
        if name not in names:
            raise invalid(f"Allowed function name {name} is not among the function declarations.")


def _turns(contents: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Role and parts of each turn; contents of one role that follow each other are one turn."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for content in contents:
        role = "model" if content.get("role") == "model" else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(content["parts"])
        else:
            turns.append((role, list(content["parts"])))
    return turns


def _check_calls(contents: list[dict[str, Any]], model: str) -> None:
    """Every call is answered in the turn after it; from generation 3 on, those made since the user spoke bring their signature."""
    turns = _turns(contents)
    spoke = 0
    for at, (role, parts) in enumerate(turns):
        calls = sum("functionCall" in part for part in parts)
        if role == "user" and not any("functionResponse" in part for part in parts):
            spoke = at
        if role == "model" and calls and at + 1 < len(turns):
            answers = sum("functionResponse" in part for part in turns[at + 1][1])
            if calls != answers:
                raise invalid(
                    "Please ensure that the number of function response parts is equal to the number of function call "
                    "parts of the function call turn."
                )
    if generation(model) < 3:
        return
    for at, (_, parts) in enumerate(turns[spoke:], start=spoke):
        first = next((part for part in parts if "functionCall" in part), None)
        if first is not None and "thoughtSignature" not in first:
            name = first["functionCall"].get("name", "")
            raise invalid(_SIGNATURE_MISSING.format(f"default_api:{name}", at + 1))


def text_of(content: dict[str, Any]) -> str:
    """The text of a content; its parts joined by line ends, thoughts left out."""
    return "\n".join(part["text"] for part in content.get("parts", ()) if "text" in part and not part.get("thought"))


def ask_of(request: dict[str, Any], model: str, prompt: Prompt) -> Ask:
    """What the request asks for."""
    contents = request["contents"]
    config = request.get("generationConfig", {})
    asking = [content for content in contents if content.get("role", "user") == "user" and text_of(content)]
    thinking = config.get("thinkingConfig", {})
    ask = Ask(
        model=model,
        content=msgspec.json.encode(
            (model, contents, request.get("systemInstruction"), request.get("tools"), config.get("seed"))
        ),
        user_text=text_of(asking[-1]) if asking else "",
        prompt_tokens=prompt.tokens,
        max_tokens=config.get("maxOutputTokens"),
        stop=config.get("stopSequences", []),
        choices=config.get("candidateCount", 1),
        answers_tool=any("functionResponse" in part for part in contents[-1]["parts"]),
        thinks=bool(thinking.get("includeThoughts") or thinking.get("thinkingBudget") or thinking.get("thinkingLevel"))
        and thinking.get("thinkingBudget") != 0,
    )
    _offer(ask, request)
    if config.get("responseMimeType") in ("application/json", "text/x.enum"):
        if "responseSchema" in config:
            ask.schema = json_schema(config["responseSchema"])
        elif "responseJsonSchema" in config:
            ask.schema = config["responseJsonSchema"]
        else:
            ask.json_object = True
    return ask


def _offer(ask: Ask, request: dict[str, Any]) -> None:
    calling = request.get("toolConfig", {}).get("functionCallingConfig", {})
    allowed = calling.get("allowedFunctionNames")
    for tool in request.get("tools", ()):
        for function in tool.get("functionDeclarations", ()):
            if not allowed or function["name"] in allowed:
                schema = function.get("parametersJsonSchema")
                if "parameters" in function:
                    schema = json_schema(function["parameters"])
                ask.tools.append(Tool(function["name"], schema))
    mode = calling.get("mode")
    if mode in ("ANY", "NONE"):
        ask.must_call = mode == "ANY"


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Google's schema, which is that of OpenAPI 3.0, as a JSON schema: types in lower case, `nullable` as one more type."""
    made = {name: value for name, value in schema.items() if name not in ("nullable", "propertyOrdering", "example")}
    if "type" in schema:
        kind = schema["type"].lower()
        made["type"] = [kind, "null"] if schema.get("nullable") else kind
    if "items" in schema:
        made["items"] = json_schema(schema["items"])
    if "properties" in schema:
        made["properties"] = {name: json_schema(member) for name, member in schema["properties"].items()}
    if "anyOf" in schema:
        made["anyOf"] = [json_schema(option) for option in schema["anyOf"]]
    if "defs" in schema:
        made["$defs"] = {name: json_schema(member) for name, member in made.pop("defs").items()}
    if "ref" in schema:
        made["$ref"] = made.pop("ref")
    return made
