"""Whatever a caller sends as a body or a key: a clear error in its dialect's shape, and nothing held, charged or sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from onevault.dialects.anthropic.body import CountTokensBody, MessagesBody
from onevault.dialects.openai.chat_body import ChatBody
from onevault.dialects.openai.embeddings import EmbeddingsBody
from onevault.dialects.wire.extensions import EXTENSION_NAMES
from tests.flow.hostile import Hostile
from tests.support.raw_http import RawAnswer, chunked, converse, request
from tests.support.surfaces import CHAT, COUNT_TOKENS, EMBEDDINGS, MESSAGES, SURFACES, Surface

DEEP = 10_000
EVERY = pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)


@pytest.fixture(autouse=True)
def _nothing_happens(hostile: Hostile) -> Iterator[None]:
    with hostile.nothing_happens():
        yield


def asked(hostile: Hostile, surface: Surface, body: bytes | None, **more: Any) -> RawAnswer:
    key = more.pop("key", hostile.key)
    return converse(hostile.port, request("POST", surface.path, body, key=key, **more)).answer


def with_field(body: bytes, field: bytes) -> bytes:
    """The object with one more field, written as given."""
    return body[:-1] + b"," + field + b"}"


BROKEN = {
    "no body": lambda body: b"",
    "only spaces": lambda body: b" \n\t ",
    "null": lambda body: b"null",
    "an array": lambda body: b"[]",
    "an array around it": lambda body: b"[" + body + b"]",
    "a text": lambda body: b'"' + b"x" * 50 + b'"',
    "a number": lambda body: b"17",
    "a form": lambda body: b"model=gpt-4o-mini&messages=hello",
    "not JSON": lambda body: b"{model: gpt-4o-mini}",
    "single quotes": lambda body: body.replace(b'"', b"'"),
    "a trailing comma": lambda body: body[:-1] + b",}",
    "cut off": lambda body: body[:-1],
    "cut in the middle": lambda body: body[: len(body) // 2],
    "something after it": lambda body: body + b"x",
    "two documents": lambda body: body + body,
    "a comment": lambda body: b"/* hello */" + body,
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "bytes that are not UTF-8": lambda body: body.replace(b"Hello", b"\xff\xfe\x80"),
    "not UTF-8 in a field nobody knows": lambda body: with_field(body, b'"extra":"\xc3\x28"'),
    "not UTF-8 in a name": lambda body: with_field(body, b'"\xff":1'),
    "an overlong form": lambda body: body.replace(b"Hello", b"\xc0\xaf"),
    "a surrogate in UTF-8": lambda body: body.replace(b"Hello", b"\xed\xa0\x80"),
    "a lone surrogate": lambda body: body.replace(b"Hello", b"\\ud800"),
    "surrogates the wrong way round": lambda body: body.replace(b"Hello", b"\\udc00\\ud800"),
    "a lone surrogate nobody looks at": lambda body: with_field(body, b'"extra":"\\udfff"'),
    "a NUL byte": lambda body: body.replace(b"Hello", b"He\x00llo"),
    "a NUL byte between fields": lambda body: body.replace(b",", b",\x00", 1),
    "a line feed in a text": lambda body: body.replace(b"Hello", b"He\nllo"),
    "NaN": lambda body: with_field(body, b'"extra":NaN'),
    "Infinity": lambda body: with_field(body, b'"extra":-Infinity'),
    "a hexadecimal number": lambda body: with_field(body, b'"extra":0x10'),
    "a leading zero": lambda body: with_field(body, b'"extra":007'),
    "a bad escape": lambda body: body.replace(b"Hello", b"\\x41"),
    "10,000 arrays": lambda body: with_field(body, b'"extra":' + b"[" * DEEP + b"]" * DEEP),
    "10,000 objects": lambda body: with_field(body, b'"extra":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "10,000 arrays without an end": lambda body: with_field(body, b'"extra":' + b"[" * DEEP),
    "nothing but brackets": lambda body: b"[" * 100_000,
}


@EVERY
@pytest.mark.parametrize("broken", BROKEN)
def test_a_body_that_is_no_json_object_is_refused(hostile: Hostile, surface: Surface, broken: str) -> None:
    surface.check_error(asked(hostile, surface, BROKEN[broken](surface.body())))


TEXTS: list[Any] = [17, True, ["x"], {"a": 1}]
NUMBERS: list[Any] = ["1", True, [1], {"a": 1}]
COUNTS: list[Any] = ["5", True, 0, -1, 1.5, 10**400, 2**40, [5], {}]
FLAGS: list[Any] = ["true", 1, 0, [], {}]
OBJECTS: list[Any] = ["x", 1, True, [1]]
LISTS: list[Any] = ["x", 1, True, {"a": 1}, [1], ["x"], [None]]
CONVERSATIONS: list[Any] = [
    *LISTS,
    None,
    [],
    [[]],
    [{}],
    [{"role": "robot", "content": "x"}],
    [{"role": "user", "content": 1}],
]
CONVERSATIONS += [
    [{"role": "user", "content": [17]}],
    [{"role": "user", "content": [{"text": "no type"}]}],
    [{"content": "x"}],
]
PARTS_WITHOUT = [[{"role": "user", "content": [{"type": "text"}]}], [{"role": ["user"], "content": "x"}]]

WRONG: dict[str, dict[str, list[Any]]] = {
    "chat": {
        "model": [*TEXTS, "", "m" * 257],
        "messages": [*CONVERSATIONS, *PARTS_WITHOUT, [{"role": "tool", "content": "no call"}], [{"role": "user"}]],
        "stream": FLAGS,
        "stream_options": [*OBJECTS, {"include_usage": "yes"}],
        "max_tokens": COUNTS,
        "max_completion_tokens": COUNTS,
        "n": [*COUNTS, 129],
        "temperature": [*NUMBERS, -0.1],
        "top_p": [*NUMBERS, -1],
        "frequency_penalty": NUMBERS,
        "presence_penalty": NUMBERS,
        "seed": [*NUMBERS, 1.5],
        "stop": [17, True, {"a": 1}, [1], [["x"]]],
        "logprobs": FLAGS,
        "top_logprobs": [*NUMBERS, -1, 1.5],
        "tools": [*LISTS, [{"type": "function"}], [{"type": "function", "function": {"description": "no name"}}]],
        "tool_choice": [17, True, [1], {"type": 1}],
        "parallel_tool_calls": FLAGS,
        "response_format": [*OBJECTS, {"type": 1}, {"type": "json_schema", "json_schema": {"schema": {}}}],
        "reasoning_effort": TEXTS,
        "verbosity": TEXTS,
        "service_tier": TEXTS,
        "user": TEXTS,
        "metadata": [
            *OBJECTS,
            {"a": 1},
            {"a": None},
            {"": "x"},
            {"k" * 65: "x"},
            {"a": "x" * 513},
            dict.fromkeys(map(str, range(17)), "x"),
        ],
    },
    "embeddings": {
        "model": [*TEXTS, "", "m" * 257],
        "input": [
            17,
            True,
            {"a": 1},
            None,
            "",
            [],
            [""],
            [None],
            ["a", 1],
            [[]],
            [[1], "a"],
            [-1],
            [1.5],
            [[1, "a"]],
            ["x"] * 2_049,
        ],
        "dimensions": COUNTS,
        "encoding_format": [*TEXTS, "int8"],
        "user": TEXTS,
    },
    "messages": {
        "model": [*TEXTS, "", "m" * 257],
        "messages": [
            *CONVERSATIONS,
            *PARTS_WITHOUT,
            [{"role": "user", "content": None}],
            [{"role": "user", "content": [{"type": "image", "source": "x"}]}],
        ],
        "system": [17, True, {"a": 1}, [1], ["x"], [{"type": "text"}]],
        "max_tokens": [*COUNTS, None],
        "stream": FLAGS,
        "temperature": [*NUMBERS, -0.1],
        "top_p": [*NUMBERS, -1],
        "top_k": [*NUMBERS, -1, 1.5],
        "stop_sequences": ["x", 1, {"a": 1}, [1], [["x"]]],
        "service_tier": TEXTS,
        "tools": [*LISTS, [{"name": "no schema"}], [{"input_schema": {}}]],
        "tool_choice": [*OBJECTS, {"name": "no type"}],
        "thinking": [*OBJECTS, {"budget_tokens": 1}, {"type": "enabled"}, {"type": "enabled", "budget_tokens": 0}],
        "output_config": [*OBJECTS, {"effort": 1}],
        "output_format": [*OBJECTS, {"schema": {}}],
        "metadata": [*OBJECTS, {"user_id": 1}],
        "thread": [*OBJECTS, {"type": 1}],
    },
}
WRONG["count_tokens"] = {
    name: values
    for name, values in WRONG["messages"].items()
    if name not in ("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "service_tier")
}
EXTENSIONS_WRONG: dict[str, list[Any]] = {
    "routing": [
        *OBJECTS,
        {"unknown": 1},
        {"providers": "openai"},
        {"providers": [1]},
        {"fallback": "no"},
        {"preferred_models": 1},
        {"strategy": "magic"},
    ],
    "budget": [
        *OBJECTS,
        {"unknown": 1},
        {"max_cost_per_request": "1"},
        {"max_cost_per_request": -1},
        {"max_cost_per_request": 1e300},
    ],
    "cache": [*OBJECTS, {"unknown": 1}, {"enabled": "yes"}, {"ttl": "1h"}],
    "safety": [*OBJECTS, {"unknown": 1}, {"pii_detection": "yes"}],
}
UNTYPED = {"models", "fallbacks", "functions"}
"""Read as they are: whether they are there is all that counts (`test_passthrough.py`), or only when they must be translated."""
BODIES = {"chat": ChatBody, "embeddings": EmbeddingsBody, "messages": MessagesBody, "count_tokens": CountTokensBody}


@EVERY
def test_the_table_of_wrong_types_has_every_field_that_is_known(surface: Surface) -> None:
    known = {field.name for field in msgspec.structs.fields(BODIES[surface.name])}
    assert set(WRONG[surface.name]) == known - set(EXTENSION_NAMES) - UNTYPED
    assert set(EXTENSIONS_WRONG) == set(EXTENSION_NAMES)


@pytest.mark.parametrize(
    ("surface", "field"),
    [
        pytest.param(surface, field, id=f"{surface.name}-{field}")
        for surface in SURFACES
        for field in [*WRONG[surface.name], *EXTENSION_NAMES]
    ],
)
def test_a_field_of_the_wrong_type_is_named(hostile: Hostile, surface: Surface, field: str) -> None:
    for value in (WRONG[surface.name] | EXTENSIONS_WRONG)[field]:
        answer = asked(hostile, surface, surface.body(**{field: value}))
        param = answer.json["error"].get("param", field)
        assert param is not None, (value, answer.body)
        assert param.split(".")[0].split("[")[0] == field, (value, answer.body)
        surface.check_error(answer, param=param)


@EVERY
def test_a_field_that_is_needed_and_missing_is_named(hostile: Hostile, surface: Surface) -> None:
    for field in set(surface.valid) - {"model"}:
        if (surface, field) == (CHAT, "max_tokens"):
            continue
        left = {name: value for name, value in surface.valid.items() if name != field}
        surface.check_error(asked(hostile, surface, json.dumps(left).encode()), param=field)


@EVERY
@pytest.mark.parametrize(
    "model",
    [
        "no-such-model",
        "no-such-provider/gpt-4o-mini",
        "../../etc/passwd",
        "'; DROP TABLE api_key_s; --",
        "m\u0000",
        "modèle",
        "💥",
        "{{7*7}}",
        "${jndi:ldap://x}",
    ],
)
def test_a_model_that_is_not_there_is_not_found(hostile: Hostile, surface: Surface, model: str) -> None:
    answer = asked(hostile, surface, surface.body(model=model))
    surface.check_error(answer, status=404, code="MODEL_NOT_FOUND", param="model")


@EVERY
def test_a_body_over_the_limit_is_413_whether_its_length_is_told_or_not(hostile: Hostile, surface: Surface) -> None:
    huge = surface.body(user="x" * hostile.body_bytes_max)
    told = request("POST", surface.path, huge, key=hostile.key, close=False)
    untold = request("POST", surface.path, b"", key=hostile.key, headers={"transfer-encoding": "chunked"}, close=False)
    only_told = request(
        "POST", surface.path, b"{", key=hostile.key, headers={"content-length": "99999999"}, close=False
    )
    for data in (told, untold + chunked(huge), only_told):
        answer = converse(hostile.port, data, one_is_enough=True).answer
        surface.check_error(answer, status=413, code="PAYLOAD_TOO_LARGE")


@EVERY
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity", "zstd"])
def test_a_compressed_body_is_refused_unread(hostile: Hostile, surface: Surface, coding: str) -> None:
    answer = asked(hostile, surface, surface.body(), headers={"content-encoding": coding})
    surface.check_error(answer, param="content-encoding")


@EVERY
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "jsonish/no",
        "application/jsonp",
        ";",
        "text/html; charset=application/json",
    ],
)
def test_another_content_type_is_refused(hostile: Hostile, surface: Surface, kind: str) -> None:
    answer = asked(hostile, surface, surface.body(), headers={"content-type": kind})
    surface.check_error(answer, param="content-type")


NO_KEYS: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"authorization": ""},
    "only the scheme": {"authorization": "Bearer"},
    "an empty token": {"authorization": "Bearer "},
    "without a scheme": {"authorization": "KEY"},
    "basic": {"authorization": "Basic KEY"},
    "twice": {"authorization": "Bearer KEY KEY"},
    "in capitals": {"authorization": "Bearer KEY_IN_CAPITALS"},
    "one character short": {"authorization": "Bearer SHORT"},
    "one character long": {"authorization": "Bearer KEYx"},
    "only its prefix": {"authorization": "Bearer gw_live_"},
    "in a cookie": {"cookie": "authorization=Bearer KEY; key=KEY"},
    "in a proxy's header": {"proxy-authorization": "Bearer KEY"},
    "in a header of no dialect": {"x-gateway-key": "KEY"},
    "behind a wrong one": {"authorization": "Bearer gw_live_" + "x" * 40, "x-api-key": "KEY"},
    "SQL": {"authorization": "Bearer ' OR '1'='1"},
    "SQL in a key's form": {"authorization": "Bearer gw_live_" + "x" * 32 + "' OR 1=1 --"},
    "SQL that ends a statement": {"x-api-key": "'; DROP TABLE api_key_s; --"},
    "a wildcard": {"x-api-key": "gw_live_%"},
    "a format": {"x-api-key": "{self.__class__} %s %n ${x}"},
    "bytes beyond ASCII": {"authorization": "Bearer gw_live_\xff\xfe\xe9"},
    "very long": {"x-api-key": "gw_live_" + "A" * 20_000},
    "an admin key": {"authorization": "Bearer ADMIN"},
}


@EVERY
@pytest.mark.parametrize("case", NO_KEYS)
def test_what_is_no_key_is_401_and_says_nothing_of_keys(hostile: Hostile, surface: Surface, case: str) -> None:
    key, admin_key = hostile.key, hostile.gateway.credentials["admin_key"]
    spelled = {"KEY_IN_CAPITALS": key.upper(), "SHORT": key[:-1], "ADMIN": admin_key, "KEY": key}
    headers = dict(NO_KEYS[case])
    for name, value in headers.items():
        for word, meant in spelled.items():
            value = value.replace(word, meant)
        headers[name] = value
    answer = asked(hostile, surface, surface.body(), key=None, headers=headers)
    surface.check_error(answer, status=401, code="UNAUTHENTICATED")
    assert key[8:] not in answer.body.decode()
    assert answer.header("www-authenticate") == "Bearer"


def test_a_key_in_the_body_or_the_path_is_none(hostile: Hostile) -> None:
    answer = asked(hostile, CHAT, CHAT.body(api_key=hostile.key, key=hostile.key), key=None)
    CHAT.check_error(answer, status=401, code="UNAUTHENTICATED")
    for target in (f"/v1/usage/{hostile.key}", f"/v1/usage?api_key={hostile.key}", f"/v1/usage#{hostile.key}"):
        assert converse(hostile.port, request("GET", target)).answer.status in (400, 401, 404)


_REST = b'"max_tokens":5,"messages":[{"role":"user","content":"Hello"}]'
SMUGGLED = {
    "the dear one last": b'{"model":"gpt-4o-mini","model":"gpt-4o",' + _REST + b"}",
    "written with escapes": b'{"model":"gpt-4o-mini",' + _REST + b',"mod\\u0065l":"gpt-4o"}',
    "by its provider": b'{"model":"openai/gpt-4o",' + _REST + b"}",
    "as a wish": b'{"model":"auto","routing":{"preferred_models":["gpt-4o"]},' + _REST + b"}",
    "as a wish written twice": b'{"routing":{"preferred_models":["gpt-4o-mini"]},"routing":{"preferred_models":["gpt-4o"]},'
    + _REST
    + b"}",
}


@pytest.mark.parametrize("surface", [CHAT, MESSAGES], ids=lambda surface: surface.name)
@pytest.mark.parametrize("case", SMUGGLED)
def test_no_model_is_smuggled_past_the_allowed_ones(hostile: Hostile, surface: Surface, case: str) -> None:
    answer = asked(hostile, surface, SMUGGLED[case], key=hostile.narrow_key)
    surface.check_error(answer, status=403, code="FORBIDDEN", param="model")


INJECTED = "x\r\nset-cookie: injected=1\r\n\r\n<html>"


@EVERY
def test_no_header_is_injected_by_what_a_caller_writes(hostile: Hostile, surface: Surface) -> None:
    answer = asked(hostile, surface, surface.body(model=INJECTED))
    surface.check_error(answer, status=404, code="MODEL_NOT_FOUND", param="model")
    assert not [name for name, value in answer.headers if "injected" in value or name == "set-cookie"]
    for name in ("x-gateway-providers", "x-gateway-strategy", "x-gateway-cache", "x-gateway-max-cost", "x-request-id"):
        answer = asked(hostile, surface, surface.body(model="none"), headers={name: "inj%0d%0aected\tinj\xe9cted"})
        assert answer.status in (400, 404)
        assert not [value for _, value in answer.headers if "ected" in value]


@pytest.mark.parametrize(
    ("header", "value", "param"),
    [
        ("x-gateway-max-cost", "free", "x-gateway-max-cost"),
        ("x-gateway-max-cost", "nan", "budget.max_cost_per_request"),
        ("x-gateway-max-cost", "-1", "budget.max_cost_per_request"),
        ("x-gateway-max-cost", "1e400", "budget.max_cost_per_request"),
        ("x-gateway-providers", "nobody", "routing.providers"),
    ],
)
def test_an_extension_in_a_header_is_checked_like_one_in_the_body(
    hostile: Hostile, header: str, value: str, param: str
) -> None:
    for surface in SURFACES:
        surface.check_error(asked(hostile, surface, surface.body(), headers={header: value}), param=param)


def test_an_embedding_model_does_not_chat_nor_a_chat_model_embed(hostile: Hostile) -> None:
    for surface, model in (
        (CHAT, "text-embedding-3-small"),
        (EMBEDDINGS, "gpt-4o-mini"),
        (COUNT_TOKENS, "text-embedding-3-small"),
    ):
        answer = asked(hostile, surface, surface.body(model=model))
        surface.check_error(answer, code="UNSUPPORTED_PARAMETER", param="model")
