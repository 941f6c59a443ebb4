"""Coverage-guided fuzzing of every decoder; the long hunt takes ten minutes for each."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from onevault.dialects.registry import CODECS

PROJECT = Path(__file__).parents[2]
LONG = os.environ.get("ONEVAULT_TEST_LONG") == "1"
HOW_LONG = ["-max_total_time=600"] if LONG else ["-runs=600"]
TIMEOUT_S = 900 if LONG else 120
ONLY_PASSING = frozenset(
    {
        "openai-completions",
        "openai-images",
        "openai-image-edits",
        "openai-speech",
        "openai-transcriptions",
        "openai-moderations",
    }
)
"""Their decoders need the caller's request; hypothesis feeds them in their own tests."""


DIALECTS = sorted(CODECS.keys() - ONLY_PASSING)
HUNTED = DIALECTS if LONG else [",".join(DIALECTS)]
"""The short hunt starts a process for all of them: most of its time would be starts."""


def seeds(dialect: str, form: str, directory: Path) -> None:
    """Real answers to begin with, each with a first byte that says where it is cut."""
    directory.mkdir(parents=True)
    path = PROJECT / "tests" / "golden" / "provider" / f"{dialect}.json"
    fixture: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, body in fixture.get(form, {}).items():
        (directory / name).write_bytes(b"\x40" + _bytes(body))


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, dict) and set(body) == {"base64"}:
        return base64.b64decode(body["base64"])
    return json.dumps(body).encode()


def hunt(named: str, form: str, directory: Path) -> subprocess.CompletedProcess[str]:
    for dialect in named.split(","):
        seeds(dialect, form, directory / form / dialect)
    options = [
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-max_len=4096",
        "-print_final_stats=1",
        f"-artifact_prefix={directory}/{form}-{{dialect}}-",
        f"{directory}/{form}/{{dialect}}",
    ]
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.decoder", named, form, *HOW_LONG, *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.timeout(TIMEOUT_S + 30)
@pytest.mark.parametrize("named", HUNTED)
def test_no_bytes_make_a_decoder_fail(named: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    with ThreadPoolExecutor(2) as hunters:
        hunts = list(hunters.map(lambda form: hunt(named, form, tmp_path), ("whole", "stream")))
    for done in hunts:
        assert done.returncode == 0, done.stderr[-4_000:]
        assert done.stderr.count("stat::number_of_executed_units") == named.count(",") + 1
