"""`onevault simulate`: the fake provider by itself, for trying and testing applications against."""

from __future__ import annotations

from typing import Annotated

import typer

from onevault.cli.output import told
from onevault.simulator.server import run
from onevault.simulator.settings import Settings


def simulate(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free port.", min=0, max=65535)] = 8090,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    latency_ms: Annotated[float, typer.Option(min=0, help="Before every answer.")] = 0,
    ttft_ms: Annotated[float, typer.Option(min=0, help="Before a stream's first token.")] = 0,
    output_tokens: Annotated[int, typer.Option(min=1, help="How long answers are.")] = 24,
    error_status: Annotated[int, typer.Option("--error", min=0, max=599, help="Fail with this status …")] = 0,
    error_rate: Annotated[float, typer.Option(min=0, max=1, help="… this share of calls.")] = 1.0,
    record_calls: Annotated[
        bool, typer.Option("--record-calls", help="Keep the last calls for GET /_simulator/calls.")
    ] = False,
    record_bodies: Annotated[bool, typer.Option("--record-bodies", help="… and what was asked in them.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Errors as one JSON document.")] = False,
) -> None:
    """Serves a fake provider that speaks the API of every large one. docs/simulator.md lists what a request can ask of it."""
    with told(as_json=json):
        run(
            Settings(
                seed=seed,
                latency_ms=latency_ms,
                ttft_ms=ttft_ms,
                output_tokens=output_tokens,
                error=error_status,
                error_rate=error_rate,
                record_calls=record_calls or record_bodies,
                record_bodies=record_bodies,
            ),
            host,
            port,
        )
