"""What callers and models say, and every secret, is found in no file, log, metric, page or error afterwards.

Each kind of content carries a word of its own. Calls of every kind are made, among them those that break in every way, with
providers that quote prompts and keys in their errors. Then everything that is left of them is searched.
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Shell
from tests.support.patience import PATIENCE_S
from tests.support.processes import GatewayProcess, SimulatorProcess, http
from tests.support.raw_http import converse, request
from tests.support.surfaces import SURFACES
from tests.support.talkative_provider import TalkativeProvider

NEVER_KEPT = (
    "prompt", "system", "history", "answer", "echoed", "tool", "argument", "result", "embedding", "image", "schema", "stop",
    "unknown", "broken", "wrong", "refused", "prefill", "thinking", "hung-up", "provider-key", "mistyped-key", "directive",
)  # fmt: skip
KEPT = ("metadata", "end-user")
SENTENCES = "Please tell {} what she wrote to Rumpelstiltskin-{} on Tuesday"
CONFIG = """
gateway: {{body_size_max: 1MiB, body_timeout: 1s}}
monitoring: {{log_level: debug}}
routing: {{retries: 0}}
providers:
  openai: {{api_key: {key}, base_url: "{simulator}/v1"}}
  anthropic: {{api_key: {key}, base_url: "{simulator}"}}
  talks-openai: {{type: openai_compatible, api_key: {key}, base_url: "{talkative}/v1", models: {models}, timeout: {waits}}}
  talks-anthropic: {{type: anthropic, api_key: {key}, base_url: "{talkative}", models: {models}, timeout: {waits}}}
"""


@dataclass
class Left:
    """What is left of the calls: everything that the gateway wrote or answered."""

    words: dict[str, str]
    places: dict[str, bytes] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)

    def keep(self, place: str, said: object) -> None:
        text = (
            said if isinstance(said, bytes) else said.encode() if isinstance(said, str) else json.dumps(said).encode()
        )
        self.places[place] = self.places.get(place, b"") + text.lower()

    def where(self, word: str) -> list[str]:
        """The places that have the word, or most of it."""
        lowered = word.lower().encode()
        pieces = (lowered, lowered[2:14], lowered[-12:])
        return [place for place, said in self.places.items() if any(piece in said for piece in pieces)]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    directory = tmp_path_factory.mktemp("canaries")
    left = Left({kind: f"zq{secrets.token_hex(12)}" for kind in (*NEVER_KEPT, *KEPT)})
    provider = TalkativeProvider(left.words["answer"])
    simulator = SimulatorProcess(directory)
    simulator.start()
    with provider.running() as talkative:
        config = CONFIG.format(
            key=left.words["provider-key"],
            simulator=simulator.base_url,
            talkative=talkative,
            models=json.dumps(provider.models),
            waits="{first_event: 0.7s, stall: 0.7s}",
        )
        gateway = GatewayProcess(directory, config=config)
        gateway.start()
        try:
            _call(gateway, provider, left)
            _ask_about(gateway, left)
            _search_files(gateway, left, "while it runs")
        finally:
            gateway.stop()
            simulator.stop()
    _search_files(gateway, left, "afterwards")
    log = gateway.process.output
    kept_on_purpose = (gateway.credentials["admin_key"], gateway.credentials["api_key"])
    greeting = [line for line in log.splitlines() if line.startswith(("Admin key:", "API key:", "curl "))]
    assert len(greeting) == 3
    left.keep("log", "\n".join(line for line in log.splitlines() if line not in greeting))
    left.keys += kept_on_purpose
    return left


def _call(gateway: GatewayProcess, provider: TalkativeProvider, left: Left) -> None:
    """Makes every kind of call, and keeps what was answered where it is an error."""
    user = gateway.new_key(name="by the admin API")
    made = _command(gateway, left, "keys", "create", "--user", user.user_id, "--name", "by command")
    left.keys += [user.api_key, json.loads(made)["api_key"]]

    def post(path: str, body: Any, **more: Any) -> None:
        more.setdefault("key", user.api_key)
        status, headers, answer = http(gateway.base_url + path, body=body, **more)
        left.keep("answers' headers", headers)
        left.statuses.add(status)
        if status >= 400:
            left.keep("errors", answer)
        elif isinstance(answer, str) and "error" in answer:
            left.keep("errors in streams", answer[answer.rindex("data:") :])

    with ThreadPoolExecutor(16) as pool:
        pending = [pool.submit(post, path, body) for path, body in _bodies(left.words, provider)]
        for one in pending:
            one.result()
    for path, body, headers in _refused(left.words):
        post(path, body, headers=headers)
    post(f"/v1/messages?key={user.api_key}", b"{", key=None)
    post(f"/v1/messages?key={left.words['mistyped-key']}", b"{", key=None)
    post("/v1/messages", {}, key="sk-" + left.words["mistyped-key"])
    post("/v1/messages", {}, key="gw_live_" + left.words["mistyped-key"] * 2)
    for surface in SURFACES:
        said = converse(
            gateway.port, request("POST", surface.path, surface.body(user="x" * 2_000_000), key=user.api_key)
        )
        left.keep("errors", said.received)
    _hang_up(gateway, user.api_key, left.words["hung-up"])


def _bodies(words: dict[str, str], provider: TalkativeProvider) -> Iterator[tuple[str, dict[str, Any]]]:
    said = SENTENCES.format(words["prompt"], words["prompt"])
    chat: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": words["system"]},
            {"role": "user", "content": words["history"]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": json.dumps({"a": words["argument"]})},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": words["result"]},
            {"role": "user", "content": said},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": words["tool"],
                    "parameters": {"type": "object", "properties": {"a": {"const": words["schema"]}}},
                },
            }
        ],
        "stop": [words["stop"]],
        "max_tokens": 30,
        "metadata": {"note": words["metadata"]},
        "user": words["end-user"],
        "unheard_of": words["unknown"],
    }
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{words['image']}"}}
    messages: dict[str, Any] = {
        "system": [{"type": "text", "text": words["system"], "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": words["history"]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": words["argument"]}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": words["result"]},
                    {"type": "text", "text": said},
                ],
            },
        ],
        "tools": [
            {
                "name": "f",
                "description": words["tool"],
                "input_schema": {"type": "object", "properties": {"a": {"const": words["schema"]}}},
            }
        ],
        "stop_sequences": [words["stop"]],
        "max_tokens": 30,
        "metadata": {"user_id": words["end-user"]},
        "unheard_of": words["unknown"],
    }
    prefilled = {"role": "assistant", "content": words["prefill"]}
    directives = f'[[simulate: text="{words["answer"]}"; finish=stop]]'
    asked = {"role": "user", "content": [{"type": "text", "text": f"{words['echoed']} {directives}"}, picture]}
    for stream in (False, True):
        for model in provider.models:
            for entry in ("talks-openai", "talks-anthropic"):
                name = f"{entry}/{model}"
                yield "/v1/chat/completions", chat | {"model": name, "stream": stream}
                yield "/v1/messages", messages | {"model": name, "stream": stream}
        for model in ("gpt-4o-mini", "claude-haiku-4-5"):
            yield "/v1/chat/completions", chat | {"model": model, "stream": stream}
            yield "/v1/chat/completions", chat | {"model": model, "stream": stream, "messages": [asked]}
            yield "/v1/messages", messages | {"model": model, "stream": stream}
            yield (
                "/v1/messages",
                messages | {"model": model, "stream": stream, "messages": [messages["messages"][0], prefilled]},
            )
        for directive in (
            "cut_after=2",
            "reset_after=2",
            "malformed=frame",
            "malformed=body",
            "error=500",
            "truncate",
            "refusal",
        ):
            text = f'{said} [[simulate: text="{words["answer"]} and so on and on"; {directive}]]'
            for model in ("gpt-4o-mini", "claude-haiku-4-5"):
                content = [{"role": "user", "content": text}]
                yield "/v1/chat/completions", {"model": model, "stream": stream, "max_tokens": 50, "messages": content}
                yield "/v1/messages", {"model": model, "stream": stream, "max_tokens": 50, "messages": content}
    yield "/v1/embeddings", {"model": "text-embedding-3-small", "input": [words["embedding"], words["prompt"]]}
    yield "/v1/embeddings", {"model": "talks-openai/talks-400", "input": words["embedding"]}
    yield (
        "/v1/messages/count_tokens",
        {"model": "claude-haiku-4-5", "messages": messages["messages"], "tools": messages["tools"]},
    )
    yield "/v1/messages/count_tokens", {"model": "gpt-4o-mini", "messages": messages["messages"]}
    thought = [
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": words["thinking"], "signature": words["thinking"]}],
        }
    ]
    for model in ("claude-haiku-4-5", "gpt-4o-mini", "talks-openai/talks-400", "talks-anthropic/talks-400"):
        talk = [messages["messages"][0], *thought, messages["messages"][0]]
        yield "/v1/messages", {"model": model, "max_tokens": 10, "messages": talk}


def _refused(words: dict[str, str]) -> Iterator[tuple[str, Any, dict[str, str]]]:
    """Requests that never reach a provider, with the word in every place that could be quoted."""
    word = words["broken"]
    for surface in SURFACES:
        valid = surface.body(user=word)
        yield surface.path, valid[:-3], {}
        yield surface.path, valid.replace(word.encode(), word.encode() + b"\xff"), {}
        yield surface.path, word.encode(), {}
        for wrong in (words["wrong"], [words["wrong"]], {"a": words["wrong"]}):
            for name in (
                *surface.valid,
                "stream",
                "tools",
                "temperature",
                "routing",
                "safety",
                "cache",
                "budget",
            ):
                if name != "model":
                    yield surface.path, surface.body(**{name: wrong}), {}
        yield surface.path, surface.body(), {"content-encoding": words["refused"]}
        yield surface.path, surface.body(), {"content-type": words["refused"]}
        yield surface.path, surface.body(), {"x-gateway-providers": words["refused"]}
        yield surface.path, surface.body(), {"x-simulate": f"{words['directive']}=1"}


def _hang_up(gateway: GatewayProcess, key: str, word: str) -> None:
    for model in ("gpt-4o-mini", "claude-haiku-4-5"):
        text = f"{word} [[simulate: output_tokens=200; pace=100]]"
        body = json.dumps(
            {"model": model, "stream": True, "max_tokens": 200, "messages": [{"role": "user", "content": text}]}
        )
        for path in ("/v1/chat/completions", "/v1/messages"):
            with socket.create_connection(("127.0.0.1", gateway.port)) as client:
                client.sendall(request("POST", path, body.encode(), key=key))
                client.recv(2_000)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        newest = http(f"{gateway.base_url}/v1/requests?limit=4", key=key)[2]["data"]
        if all(call["status"] == "CANCELLED" for call in newest):
            break
        time.sleep(0.05)


def _ask_about(gateway: GatewayProcess, left: Left) -> None:
    """What the gateway shows of itself and of past calls."""
    admin_key = gateway.credentials["admin_key"]
    for key in (gateway.api_key, left.keys[0]):
        before = ""
        while True:
            listed = http(f"{gateway.base_url}/v1/requests?limit=100{before}", key=key)[2]["data"]
            for call in listed:
                left.faults |= {attempt["fault"] for attempt in call["explain"]["attempts"]}
                shown = call | {"metadata": None, "end_user": None}
                left.keep("explained calls", shown)
            if len(listed) < 100:
                break
            before = f"&before={listed[-1]['id']}"
        left.keep("usage", http(f"{gateway.base_url}/v1/usage", key=key)[2])
        left.keep("models", http(f"{gateway.base_url}/v1/models", key=key)[2])
    for path in ("/metrics", "/health", "/readyz", "/docs", "/openapi.json"):
        left.keep(path, http(gateway.base_url + path)[2])
    for path in ("organizations", "users", "health", "metrics", f"requests/{listed[0]['id']}"):
        status, _, answer = http(f"{gateway.base_url}/admin/{path}", key=admin_key)
        assert status == 200, answer
        if not path.startswith("requests"):
            left.keep("admin API", answer)
    for user in http(f"{gateway.base_url}/admin/users", key=admin_key)[2]["data"]:
        left.keep("admin API", http(f"{gateway.base_url}/admin/users/{user['user_id']}/api-keys", key=admin_key)[2])
    for command in (["check-config"], ["doctor"], ["orgs", "list"], ["users", "list"], ["keys", "list"]):
        left.keep("commands", _command(gateway, left, *command))


def _command(gateway: GatewayProcess, left: Left, *arguments: str) -> str:
    done = Shell(gateway.directory)(*arguments, "--config", str(gateway.config), "--json")
    left.keep("commands' errors", done.err)
    return done.out


def _search_files(gateway: GatewayProcess, left: Left, when: str) -> None:
    found = [path for path in Path(gateway.data_dir).rglob("*") if path.is_file()]
    assert {path.suffix for path in found} >= {".db", ".json", ".journal"}, found
    for path in found:
        if path.name != "credentials.json":
            left.keep(f"{path.relative_to(gateway.data_dir)} {when}", path.read_bytes())


@pytest.mark.parametrize("kind", NEVER_KEPT)
def test_what_was_said_is_found_nowhere(left: Left, kind: str) -> None:
    assert left.where(left.words[kind]) == []


def test_no_key_is_found_but_where_it_is_kept_on_purpose(left: Left) -> None:
    assert len(left.keys) == 4
    for key in left.keys:
        # The prefix by which people tell keys apart is shown; the rest never is.
        assert left.where(key[13:]) == []


@pytest.mark.parametrize("kind", KEPT)
def test_metadata_and_end_user_are_kept_and_only_with_the_calls(left: Left, kind: str) -> None:
    """This is also the proof that the search finds what is there."""
    places = left.where(left.words[kind])
    assert any(place.startswith("gateway.db") for place in places)
    assert all(".db" in place or "journal" in place for place in places), places


def test_words_that_only_a_prompt_would_have_are_not_quoted_from_errors(left: Left) -> None:
    assert left.where("Rumpelstiltskin-") == []


def test_the_calls_broke_in_every_way_that_was_meant(left: Left) -> None:
    assert left.statuses >= {200, 400, 401, 404, 413, 429, 502, 503, 504}
    theirs = {"INVALID_REQUEST", "PROVIDER_ERROR", "PROVIDER_TIMEOUT", "RATE_LIMITED", "OVERLOADED"}
    assert left.faults >= {None, "CLIENT_CLOSED", *theirs}
    for place in ("errors", "errors in streams", "explained calls", "log", "/metrics", "admin API", "commands"):
        assert left.places[place]
