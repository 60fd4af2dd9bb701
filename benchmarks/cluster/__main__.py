"""Run the measurements: ``python -m benchmarks.cluster --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import trio
from attrs import evolve

from actorws.cluster.launcher import find_server
from actorws.exceptions import ConfigError
from benchmarks import machine
from benchmarks.cluster import fanout, holding, names, publish, spread, workers
from benchmarks.cluster.bench import QUICK, Bench, RunFailed, Scale
from benchmarks.cluster.peers import compare
from benchmarks.cluster.server import running_server
from benchmarks.figures import Figures

QUESTIONS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "publish": publish.run,
    "names": names.run,
    "spread": spread.run,
    "fanout": fanout.run,
    "holding": holding.run,
    "workers": workers.run,
    "peers": compare.run,
}
#: Left out unless asked for: they are installed from PyPI first.
EXTRA = ("peers",)
RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; returns 0 if every case could be measured."""
    options = _parser().parse_args(arguments)
    scale = QUICK if options.quick else Scale()
    if options.rounds is not None:
        scale = evolve(scale, rounds=options.rounds)
    if options.seconds is not None:
        scale = evolve(scale, seconds=options.seconds)
    questions = options.only or [name for name in QUESTIONS if name not in EXTRA]
    figures = Figures()
    try:
        program = options.server or find_server()
        about = trio.run(_measure, program, questions, scale, figures, not options.no_pinning)
    except (ConfigError, OSError) as error:
        print(f"benchmarks.cluster: {error}", file=sys.stderr)
        return 2
    print(figures.table())
    path = options.json or RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    figures.write(path, about)
    print(f"\nwritten to {path}")
    return 1 if figures.failures else 0


async def _measure(
    program: str, questions: Sequence[str], scale: Scale, figures: Figures, pinned: bool
) -> dict[str, object]:
    about: dict[str, object] = {"machine": machine.describe()}
    for question in questions:
        print(f"{question} ...", file=sys.stderr, flush=True)
        # A server of its own for each: nothing of one question is left for the next.
        with running_server(program) as server:
            bench = Bench(server, scale, figures, pinned=pinned)
            about |= {"server": server.version, "seats": dict(bench.seats)}
            try:
                await QUESTIONS[question](bench)
            except* RunFailed as group:
                figures.fail(question, "all", str(group.exceptions[0]))
    return about | {"rounds": scale.rounds, "seconds": scale.seconds, "taken": f"{datetime.now(UTC):%Y-%m-%d}"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster",
        description="Measure the cluster on a private Redis or Valkey server. Keep the machine quiet meanwhile.",
    )

    def chosen(text: str) -> list[str]:
        unknown = sorted(set(text.split(",")) - set(QUESTIONS))
        if unknown:
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}; there are {', '.join(QUESTIONS)}")
        return text.split(",")

    parser.add_argument("--only", type=chosen, metavar="A,B", help=f"some of {', '.join(QUESTIONS)}")
    parser.add_argument("--rounds", type=int, help=f"of each case (default {Scale().rounds})")
    parser.add_argument("--seconds", type=float, help=f"of each run of each case (default {Scale().seconds:g})")
    parser.add_argument("--quick", action="store_true", help="one short round of a little: shows that it works")
    parser.add_argument("--server", metavar="PROGRAM", help="the server's program (default: as actorws finds it)")
    parser.add_argument("--no-pinning", action="store_true", help="let the system choose the cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go (default: results/)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
