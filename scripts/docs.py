"""Writes the pages that say what the code says already – metrics, commands, faults, roles – or, with --check, tells which are stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import typer
from scripts.translation import translation
from typer.testing import CliRunner

from onevault.admin.roles import PERMISSIONS
from onevault.api.errors import fault_headers, status_of
from onevault.cli.app import command_line
from onevault.core.faults import Fault, FaultKind
from onevault.core.identity import Role
from onevault.dialects.anthropic.faults import anthropic_type
from onevault.dialects.gemini.faults import error_document
from onevault.dialects.openai.faults import openai_type
from onevault.telemetry.metrics import Metrics

PAGES = Path(__file__).parents[1] / "docs"
HEAD = "<!-- Written by `make docs` from {source}; edit that. -->\n\n"


def metrics() -> str:
    """Every metric of `/metrics` with its type and labels."""
    lines = [
        HEAD.format(source="src/onevault/telemetry/metrics.py") + "# Metrics",
        "",
        "`GET /metrics` gives these in the Prometheus text format, beside those of the process (`process_…`). No label's values",
        "can be enlarged by callers: providers and models are those of the configuration and the catalog, and beyond 2,000",
        "combinations they count as `other`. `monitoring.prometheus: false` switches the path off.",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    for family in Metrics().collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
        lines.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """What every command says with `--help`."""
    lines = [
        HEAD.format(source="src/onevault/cli/") + "# Commands",
        "",
        "Every command has `--help` and `--json`. Exit code 0: done; 1: refused or failed; 2: misused. What goes wrong is a sentence on",
        "standard error, and with `--json` also a document on standard output.",
    ]
    app, runner = command_line(), CliRunner()
    for path in _commands(app):
        told = runner.invoke(
            app, [*path, "--help"], prog_name="onevault", env={"COLUMNS": "110", "TERMINAL_WIDTH": "110"}
        )
        lines += ["", f"## onevault {' '.join(path)}", "", "```text", told.output.strip(), "```"]
    return "\n".join(lines) + "\n"


def _commands(app: typer.Typer) -> Iterator[tuple[str, ...]]:
    yield from ((command.name or "",) for command in app.registered_commands)
    for group in app.registered_groups:
        assert group.typer_instance is not None  # noqa: S101  # each is added with its commands
        if group.typer_instance.info.invoke_without_command is True:
            yield (group.name or "",)
        yield from ((group.name or "", command.name or "") for command in group.typer_instance.registered_commands)


def faults() -> str:
    """Every fault code with its status and its name in each dialect."""
    lines = [
        HEAD.format(source="src/onevault/core/faults.py, api/errors.py and dialects/") + "# Errors",
        "",
        '- OpenAI\'s shape: `{"error": {"message", "type", "param", "code"}}`, with the code below.',
        '- Anthropic\'s: `{"type": "error", "error": {"type", "message"}, "request_id"}`; the message begins with the field at fault.',
        '- Google\'s: `{"error": {"code", "message", "status", "details"}}`, with the code below as the `reason` of an `ErrorInfo`.',
        "- What belongs to no dialect (an unknown path, a request that is not HTTP) has both shapes in one.",
        "",
        "Messages quote neither prompts nor providers. What a provider said is at `GET /v1/requests/{id}`, without secrets and without",
        "what the request said.",
        "",
        "| code | status | OpenAI type | Anthropic type | Google status | headers |",
        "|---|---|---|---|---|---|",
    ]
    for kind in FaultKind:
        headers = ", ".join(f"`{name.decode()}`" for name, _ in fault_headers(Fault(kind, "")))
        google = error_document(Fault(kind, ""))["error"]["status"]
        types = f"`{openai_type(kind)}` | `{anthropic_type(kind)}` | `{google}`"
        lines.append(f"| `{kind}` | {status_of(kind)} | {types} | {headers} |")
    lines += [
        "",
        "405 (another method) and 408 (a head that is too slow) have the code `INVALID_REQUEST`, 431 (a head that is too large) has",
        "`PAYLOAD_TOO_LARGE`.",
    ]
    return "\n".join(lines) + "\n"


def roles() -> str:
    """Which role may call which route of the admin API."""
    lines = [
        HEAD.format(source="src/onevault/admin/roles.py") + "# Roles",
        "",
        "Every route of the admin API, and which roles have it. The admin key of the configuration is an `owner` of the tenant; others are",
        "made with `POST /admin/admin-keys {role, name, scope}`. With the scope of one organization, nothing outside it exists (404), and",
        "what is marked *tenant* is refused (403) whatever the role. Nobody can make or revoke a key that may do more than their own.",
        "",
        "| route | " + " | ".join(role.value for role in Role) + " | scope |",
        "|---|" + "---|" * (len(Role) + 1),
    ]
    for (method, path), permission in PERMISSIONS.items():
        marks = " | ".join("yes" if role in permission.roles else "–" for role in Role)
        scope = "tenant" if permission.tenant_only else "tenant or organization"
        lines.append(f"| `{method} {path}` | {marks} | {scope} |")
    return "\n".join(lines) + "\n"


def mapping() -> str:
    """What maps to what between dialects."""
    return HEAD.format(source="src/onevault/dialects/") + translation()


WRITTEN: dict[str, Callable[[], str]] = {
    "metrics.md": metrics,
    "commands.md": commands,
    "errors.md": faults,
    "roles.md": roles,
    "translation.md": mapping,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page is out of date")
    check = parser.parse_args().check
    stale = []
    for name, made in WRITTEN.items():
        page, text = PAGES / name, made()
        if page.exists() and page.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            page.write_text(text, encoding="utf-8")
    if stale:
        sys.stdout.write(f"{'out of date' if check else 'written'}: {', '.join(stale)}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
