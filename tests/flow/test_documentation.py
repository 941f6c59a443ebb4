"""Every example on every page works as it stands: a new one is run as soon as it is written."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from onevault.config.load import settings_from
from tests.support.processes import (
    GatewayProcess,
    Process,
    SimulatorProcess,
    clean_environment,
    free_port,
    http,
    wait_until_ready,
)

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
LINKED = [*PAGES, *(PROJECT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
WRITTEN_LATER = {PROJECT / "bench" / "RESULTS.md"}
"""What `make bench` writes."""
COMMAND = re.compile(r"^\s*(\$|curl|onevault|make|python3?|pip|sqlite3|export|docker)\b", re.MULTILINE)
SERVERS = ("onevault serve", "onevault simulate")
TIMEOUT_S = 60


@dataclass(frozen=True)
class Example:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples() -> Iterator[Example]:
    for page in PAGES:
        text = page.read_text()
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Example(str(page.relative_to(PROJECT)), line, match[1], match[2])


EXAMPLES = list(examples())


def of(*languages: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [one for one in EXAMPLES if one.language in languages], ids=str)


@dataclass(frozen=True)
class Machine:
    """Where examples run: a directory with the data of a running gateway, and the addresses that the pages name."""

    directory: Path
    gateway: GatewayProcess
    simulator: SimulatorProcess

    @property
    def environment(self) -> dict[str, str]:
        known = self.gateway.credentials
        return clean_environment(
            {
                "PATH": f"{self.directory}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "ONEVAULT_API_KEY": known["api_key"],
                "ONEVAULT_ADMIN_KEY": known["admin_key"],
                "PYTHONWARNINGS": "default",
            }
        )

    def here(self, text: str) -> str:
        """The example with the addresses of this run."""
        text = text.replace("http://127.0.0.1:8000", self.gateway.base_url)
        return text.replace("http://127.0.0.1:8090", self.simulator.base_url)

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, gateway: GatewayProcess, simulator: SimulatorProcess) -> Machine:
    directory = tmp_path_factory.mktemp("documentation")
    (directory / "onevault-data").symlink_to(gateway.data_dir)
    if shutil.which("sqlite3") is None:
        shell = directory / "sqlite3"
        shell.write_text(
            f"#!{sys.executable}\nimport sqlite3, sys\nprint(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())\n"
        )
        shell.chmod(0o755)
    # There is something to look at, whichever example comes first.
    body = {"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    _, headers, _ = http(f"{gateway.base_url}/v1/chat/completions", key=gateway.api_key, body=body)
    assert http(f"{gateway.base_url}/v1/requests/{headers['x-request-id']}", key=gateway.api_key)[0] == 200
    return Machine(directory, gateway, simulator)


def test_there_are_examples_and_each_says_what_it_is() -> None:
    assert {"sh", "python", "yaml", "sql"} <= {one.language for one in EXAMPLES}
    for one in EXAMPLES:
        assert one.language in ("sh", "python", "yaml", "json", "sql", "text", ""), one
        if one.language == "json":
            json.loads(one.text)
        if not one.language:
            assert not COMMAND.search(one.text), f"{one} looks like commands: call it sh"
    for page in PAGES:
        text = page.read_text()
        assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(FENCE.findall(text)), page


@of("sh")
def test_shell_examples_run(example: Example, machine: Machine) -> None:
    ordinary = []
    for line in machine.here(example.text).replace("\\\n", " ").splitlines():
        command = line.split("  #")[0].strip()
        if command.startswith("make "):
            subprocess.run(["make", "-n", *command.split()[1:]], cwd=PROJECT, check=True, capture_output=True)
        elif command.startswith(SERVERS):
            served(command, machine)
        else:
            ordinary.append(line)
    script = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\nset -eu\n' + "\n".join(ordinary)
    said = machine.run("sh", "-c", script)
    assert said or not "".join(ordinary).strip()


def served(command: str, machine: Machine) -> None:
    """A command that serves until it is told to stop."""
    port = free_port()
    arguments = [*shlex.split(command)[1:], "--port", str(port)]
    environment = {"ONEVAULT_DATA_DIR": str(machine.directory / f"data-{port}")}
    process = Process(arguments, environment, machine.directory, machine.directory / f"{port}.log")
    process.start()
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/health", process)
    finally:
        assert process.stop() == 0


@of("python")
def test_python_examples_run(example: Example, machine: Machine) -> None:
    script = machine.directory / "example.py"
    script.write_text(machine.here(example.text))
    machine.run(sys.executable, str(script))


@of("yaml")
def test_configuration_examples_are_valid(example: Example) -> None:
    environment = dict.fromkeys(re.findall(r"\$\{(\w+)", example.text), "k-0123456789abcdef")
    assert settings_from(yaml.safe_load(example.text), environment).providers


@of("sql")
def test_queries_run_on_the_vault_of_a_running_gateway(example: Example, machine: Machine) -> None:
    with sqlite3.connect(":memory:") as connection:
        for name in ("auth", "util", "gateway"):
            connection.execute(f"ATTACH 'file:{machine.gateway.data_dir}/{name}.db?mode=ro' AS {name}")
        connection.execute(example.text)
    connection.close()


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if found in WRITTEN_LATER:
            continue
        assert found.exists(), target
        assert PROJECT in (found, *found.parents), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def test_paths_that_pages_name_exist() -> None:
    for page in LINKED:
        for path in re.findall(r"`((?:src|tests|docs|scripts|bench)/[\w./-]+)`", page.read_text()):
            assert (PROJECT / path).exists() or (PROJECT / path) in WRITTEN_LATER, f"{page.name}: {path}"


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.docs", "--check"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}Run `make docs`."


def test_the_table_of_contents_has_every_page_once() -> None:
    def leaves(nodes: object) -> Iterator[str]:
        if isinstance(nodes, str):
            yield nodes
        elif isinstance(nodes, dict):
            for inner in nodes.values():
                yield from leaves(inner)
        elif isinstance(nodes, list):
            for inner in nodes:
                yield from leaves(inner)

    contents = sorted(leaves(yaml.safe_load((PROJECT / "mkdocs.yml").read_text())["nav"]))
    assert contents == sorted(str(page.relative_to(PROJECT / "docs")) for page in (PROJECT / "docs").rglob("*.md"))
