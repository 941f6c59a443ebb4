"""`python -m bench`: measures what it is asked for, prints the table, writes the results."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path

from bench import loader, machine, report, shared
from bench.figures import Bench, Figure
from bench.gateways import Gateway
from bench.gateways.litellm import LiteLLM
from bench.gateways.onevault import OneVault
from bench.gateways.portkey import Portkey
from bench.generator import generator
from bench.machine import Others
from bench.processes import BenchError
from bench.settings import FULL, LOAD_CORE, QUICK, Effort
from bench.upstream import upstream

OPEN_FILES_MIN = 8_192


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under two minutes: fewer and shorter rounds")
    parser.add_argument(
        "--only", action="append", choices=["onevault", "litellm", "portkey"], help="repeatable; all by default"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="where RESULTS.md and results.json go; by default, a full run of all writes to bench/",
    )
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)


def _loader_figure(effort: Effort, directory: Path) -> Figure:
    try:
        measured = [
            loader.calls_per_s(effort.loader_calls, directory / f"loader-{number}") for number in range(effort.rounds)
        ]
    except BenchError as error:
        _say(f"  loader: {error}")
        return Figure(None, note=str(error))
    figure = Figure.of([speed for speed, _ in measured], cpu_us_per_call=[cpu_us for _, cpu_us in measured])
    _say(f"  loader: {figure.value:,.0f} calls/s")
    return figure


def _added_by_redis(bench: Bench) -> dict[str, Figure]:
    try:
        return shared.added_by_redis(bench)
    except BenchError as error:
        _say(f"  ledger in Redis: {error}")
        return {"redis_cpu": Figure(None, note=str(error))}


def _refuse_unfit_machine() -> None:
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("The bench needs Linux and two cores: one for the gateway, one for upstream and load.")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES_MIN:
        raise SystemExit(f"The bench needs {OPEN_FILES_MIN} open files; the limit here is {hard} (ulimit -Hn).")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, OPEN_FILES_MIN), hard))


def main() -> int:
    arguments = _arguments()
    _refuse_unfit_machine()
    effort = QUICK if arguments.quick else FULL
    everything: list[Gateway] = [OneVault(), LiteLLM(), Portkey()]
    gateways = [gateway for gateway in everything if not arguments.only or gateway.name.lower() in arguments.only]
    figures: dict[str, dict[str, Figure]] = {}
    unavailable: dict[str, str] = {}
    others = Others()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="onevault-bench-") as temporary:
        directory = Path(temporary)
        for gateway in gateways:
            try:
                gateway.install()
            except BenchError as error:
                unavailable[gateway.name] = str(error)
                _say(f"{gateway.name} {gateway.version}: {error}")
        with upstream(directory) as fake, generator(directory) as load:
            bench = Bench(effort, fake, load, directory, others, _say)
            for gateway in gateways:
                if gateway.name in unavailable:
                    continue
                _say(f"{gateway.name} {gateway.version}")
                try:
                    figures[gateway.name] = bench.measure(gateway)
                except BenchError as error:
                    unavailable[gateway.name] = str(error).splitlines()[0]
                    _say(f"  {error}")
            if "OneVault" in figures:
                figures["OneVault"] |= _added_by_redis(bench)
        if "OneVault" in figures:
            figures["OneVault"]["loader"] = _loader_figure(effort, directory)
    results = report.Results(
        mode="quick" if arguments.quick else "full",
        machine=machine.description(),
        gateways=gateways,
        figures=figures,
        unavailable=unavailable,
        others_cores=others.cores,
    )
    if figures:
        _say("\n" + report.as_text(results))
    output = arguments.output or (Path(__file__).parent if not arguments.quick and not arguments.only else None)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        report.write(results, output)
        _say(f"\nwritten to {output}")
    return 1 if unavailable else 0


if __name__ == "__main__":
    sys.exit(main())
