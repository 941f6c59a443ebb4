"""What `docs/add-a-provider.md` promises, done with the examples as they stand there."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from onevault.core.codec import Codec
from onevault.core.events import Event, TextAdded
from onevault.core.faults import Fault, FaultKind
from tests.support.processes import GatewayProcess, Process, SimulatorProcess, clean_environment, http

PAGE = (Path(__file__).parents[2] / "docs/add-a-provider.md").read_text()
EXAMPLES = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
(ENTRY,) = [text for language, text in EXAMPLES if language == "yaml"]
ROW, DIALECT, DIALECT_ROW = [text for language, text in EXAMPLES if language == "python"]
KEY = "k-0123456789abcdef"
HELLO = [{"role": "user", "content": "Hello"}]

SCRIPT = """
import sys
from onevault import dialects
from onevault.config import providers
dialects.__path__.append(sys.argv[1] + "/dialects")
providers.__path__.append(sys.argv[1] + "/providers")
from onevault.cli import main
del sys.argv[1]
main()
"""
"""Starts the gateway with two more directories in which it finds dialects and rows: as if the files lay beside its own."""


@dataclass
class ExtendedProcess(Process):
    """`onevault` with the modules of a directory added to its own."""

    additions: Path = field(default_factory=Path)

    def start(self) -> None:
        script = self.additions / "extended.py"
        script.write_text(SCRIPT)
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, str(script), str(self.additions), *self.arguments],
                env=clean_environment(self.environment),
                cwd=self.directory,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )


def extended(directory: Path, environment: dict[str, str], **modules: str) -> GatewayProcess:
    """A gateway to which modules are added: `providers_acme` is the text of `config/providers/acme.py`."""
    additions = directory / "additions"
    for name in ("dialects", "providers"):
        (additions / name).mkdir(parents=True)
    for name, text in modules.items():
        kind, _, module = name.partition("_")
        (additions / kind / f"{module}.py").write_text(text)
    made = GatewayProcess(directory, environment=environment)
    plain = made.process
    made.process = ExtendedProcess(plain.arguments, plain.environment, plain.directory, plain.log, additions=additions)
    return made


# ---- compatible providers -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def entry_gateway(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    config = ENTRY.replace("https://api.acme.example", simulator.base_url)
    made = GatewayProcess(tmp_path_factory.mktemp("entry"), environment={"ACME_API_KEY": KEY}, config=config)
    made.start()
    yield made
    assert made.stop() == 0


@pytest.mark.parametrize("model", ["acme-large", "acme/acme-large"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_compatible_provider_is_one_entry_of_the_configuration(
    entry_gateway: GatewayProcess, simulator: SimulatorProcess, model: str, path: str
) -> None:
    simulator.reset()
    status, headers, answer = http(
        entry_gateway.base_url + path,
        key=entry_gateway.api_key,
        body={"model": model, "messages": HELLO, "max_tokens": 50},
    )
    assert status == 200, answer
    assert headers["x-gateway-provider"] == "acme"
    assert float(headers["x-gateway-cost-usd"]) > 0
    (call,) = simulator.calls()
    assert (call["path"], call["model"]) == ("/v1/chat/completions", "acme-large")


def test_the_entrys_models_are_listed_with_what_it_says_of_them(entry_gateway: GatewayProcess) -> None:
    _, _, listed = http(f"{entry_gateway.base_url}/v1/models", key=entry_gateway.api_key)
    (model,) = listed["data"]
    assert (model["id"], model["context_length"]) == ("acme-large", 131072)


@pytest.fixture(scope="module")
def row_gateway(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    environment = {"ACME_API_KEY": KEY, "ACME_BASE_URL": f"{simulator.base_url}/v1"}
    made = extended(tmp_path_factory.mktemp("row"), environment, providers_acme=ROW)
    made.start()
    yield made
    assert made.stop() == 0


@pytest.mark.parametrize(
    ("path", "body", "reached"),
    [
        ("/v1/chat/completions", {"messages": HELLO}, "/v1/chat/completions"),
        ("/v1/messages", {"messages": HELLO, "max_tokens": 50}, "/v1/chat/completions"),
        ("/v1/responses", {"input": "Hello"}, "/v1/responses"),
    ],
)
def test_a_compatible_provider_that_has_a_name_is_one_row(
    row_gateway: GatewayProcess, simulator: SimulatorProcess, path: str, body: dict[str, Any], reached: str
) -> None:
    simulator.reset()
    status, headers, answer = http(
        row_gateway.base_url + path, key=row_gateway.api_key, body={"model": "acme/acme-large"} | body
    )
    assert status == 200, answer
    assert headers["x-gateway-provider"] == "acme"
    (call,) = simulator.calls()
    assert (call["path"], call["model"]) == (reached, "acme-large")


# ---- a dialect of its own -------------------------------------------------------------------------------------------


class Parrot(BaseHTTPRequestHandler):
    """A server that speaks the page's dialect: it repeats what it hears, or does what it is told to."""

    protocol_version = "HTTP/1.1"
    heard: list[dict[str, Any]]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.heard.append({"path": self.path, "key": self.headers["x-api-key"], "body": body})
        said = body["lines"][-1]["said"]
        match said:
            case "fail":
                self._answer(429, b'{"problem": "too much talk"}', **{"retry-after": "7"})
            case "babble":
                self._answer(200, b"<squawk>")
            case "stop short":
                self._answer(200, b'{"said": "sq"}\n')
            case _:
                pieces = [{"said": word} for word in re.findall(r"\S+\s*", said)]
                last = {"ended": "done", "tokens_heard": 11, "tokens_said": len(pieces)}
                whole = {"said": said} | last
                lines = [*pieces, last] if body["in_pieces"] else [whole]
                self._answer(200, b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Stage:
    gateway: GatewayProcess
    heard: list[dict[str, Any]]

    def ask(self, text: str, path: str = "/v1/chat/completions", **more: Any) -> tuple[int, dict[str, str], Any]:
        self.heard.clear()
        strict = {"x-gateway-strict": "true"} if more.pop("strictly", False) else {}
        body = {"model": "parrot/polly", "messages": [{"role": "user", "content": text}], "max_tokens": 50} | more
        return http(self.gateway.base_url + path, key=self.gateway.api_key, body=body, headers=strict)


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    heard: list[dict[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Heard", (Parrot,), {"heard": heard}))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    environment = {"PARROT_API_KEY": KEY, "PARROT_BASE_URL": f"http://127.0.0.1:{server.server_port}"}
    made = extended(
        tmp_path_factory.mktemp("parrot"), environment, dialects_parrot=DIALECT, providers_parrot=DIALECT_ROW
    )
    made.start()
    yield Stage(made, heard)
    assert made.stop() == 0
    server.shutdown()
    serving.join()
    server.server_close()


def test_a_new_dialect_is_one_file_and_its_provider_one_row(parrot: Stage) -> None:
    status, headers, answer = parrot.ask("pieces of eight", temperature=0.5)
    assert status == 200, answer
    assert answer["choices"][0]["message"]["content"] == "pieces of eight"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (11, 3)
    assert (headers["x-gateway-provider"], headers["x-gateway-model"]) == ("parrot", "polly")
    assert parrot.heard == [
        {
            "path": "/talk",
            "key": KEY,
            "body": {
                "parrot": "polly",
                "lines": [{"who": "human", "said": "pieces of eight"}],
                "most_tokens": 50,
                "in_pieces": False,
                "mood": 0.5,
            },
        }
    ]


def test_callers_of_any_dialect_reach_it(parrot: Stage) -> None:
    status, _, answer = parrot.ask("pieces of eight", "/v1/messages", system="You are a parrot.")
    assert status == 200, answer
    assert answer["content"] == [{"type": "text", "text": "pieces of eight"}]
    assert answer["usage"]["output_tokens"] == 3
    assert [line["who"] for line in parrot.heard[0]["body"]["lines"]] == ["owner", "human"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_it_streams_to_callers_of_any_dialect(parrot: Stage, path: str) -> None:
    status, headers, stream = parrot.ask("pieces of eight", path, stream=True)
    assert status == 200, stream
    assert headers["content-type"].startswith("text/event-stream")
    frames = [json.loads(data) for data in re.findall(r"^data: (\{.*)$", stream, re.MULTILINE)]
    if path == "/v1/messages":
        words = [frame["delta"]["text"] for frame in frames if frame["type"] == "content_block_delta"]
        assert frames[-1]["type"] == "message_stop"
    else:
        deltas = [frame["choices"][0]["delta"] for frame in frames if frame["choices"]]
        words = [delta["content"] for delta in deltas if delta.get("content")]
        assert stream.rstrip().endswith("data: [DONE]")
    assert words == ["pieces ", "of ", "eight"]
    assert parrot.heard[0]["body"]["in_pieces"] is True


def test_what_it_cannot_be_told_is_refused_or_named(parrot: Stage) -> None:
    tool = {"type": "function", "function": {"name": "fly", "parameters": {"type": "object"}}}
    status, _, answer = parrot.ask("hello", tools=[tool])
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "UNSUPPORTED_PARAMETER", "tools")
    assert parrot.heard == []
    status, headers, _ = parrot.ask("hello", top_p=0.5, seed=7)
    assert (status, headers["x-gateway-dropped"]) == (200, "top_p,seed")
    status, _, answer = parrot.ask("hello", top_p=0.5, strictly=True)
    assert (status, answer["error"]["code"]) == (400, "UNSUPPORTED_PARAMETER")


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [("fail", 429, "RATE_LIMITED"), ("babble", 502, "PROVIDER_ERROR"), ("stop short", 502, "PROVIDER_ERROR")],
)
def test_its_errors_are_the_gateways(parrot: Stage, said: str, status: int, code: str) -> None:
    got, headers, answer = parrot.ask(said)
    assert (got, answer["error"]["code"]) == (status, code), answer
    assert headers.get("retry-after") == ("7" if status == 429 else None)
    assert KEY not in str(answer)


def test_the_pages_dialect_keeps_what_the_page_demands_of_one(tmp_path: Path) -> None:
    (tmp_path / "parrot.py").write_text(DIALECT)
    specification = importlib.util.spec_from_file_location("parrot", tmp_path / "parrot.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["parrot"] = module
    try:
        specification.loader.exec_module(module)
        codec: Codec = module.CODECS[0]
        body = b'{"said": "pieces "}\n{"said": "of eight"}\n\n{"ended": "too long", "tokens_said": 4}'

        def events(*pieces: bytes) -> list[Event]:
            decoder = codec.decoder(stream=True, passing=None)
            return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()

        whole = events(body)
        assert [event.text for event in whole if isinstance(event, TextAdded)] == ["pieces ", "of eight"]
        for at in range(len(body)):
            assert events(body[:at], body[at:]) == whole
        for bad in (b"", b"\xff", b"[" * 5000, b"7\n", b'{"said": 7}', b'{"said": "a"}'):
            with pytest.raises(Fault) as broken:
                events(bad)
            assert broken.value.kind is FaultKind.PROVIDER_ERROR
    finally:
        del sys.modules["parrot"]
