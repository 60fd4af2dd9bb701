"""The command: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve

from benchmarks import machine
from benchmarks.contender import Contender
from benchmarks.contenders import CONTENDERS, by_name
from benchmarks.environment import CACHE, Environment, Prepared
from benchmarks.question import Question
from benchmarks.questions import QUESTIONS
from benchmarks.report import charts, results, summary, table
from benchmarks.report.progress import watching
from benchmarks.turns import Cores, Plan, run

#: Where the run is kept that is part of the project; and every other.
LATEST, OTHERS = Path(__file__).with_name("results"), CACHE / "quick"
#: Seconds of each case in each round.
QUICK, FULL = 0.4, 1.0


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write. Returns 0, or 1 if something failed, 2 if nothing could be done, 130 after Ctrl-C."""
    try:
        options = _parser().parse_args(arguments)
        if options.list:
            print(_list())
            return 0
        file = options.report or _measure(options)
        # What is shown comes from the file, so that it can be made of it again.
        return _show(results.read(file), options.results or file.parent, options.readme)
    except KeyboardInterrupt:
        print("benchmarks: interrupted, so nothing is written", file=sys.stderr)
        return 130
    except (OSError, ValueError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2


def _measure(options: argparse.Namespace) -> Path:
    """Returns the file with all that was found."""
    questions = _questions(options.only, options.full)
    contenders = by_name(options.contenders) if options.contenders else list(CONTENDERS)
    cores = options.cores or Cores.of_this_machine()
    _check(cores)
    taken = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    prepared = Environment().prepare(contenders, lambda line: print(f"{line} ...", file=sys.stderr, flush=True))
    plan = Plan(
        questions,
        {each.name: prepared.commands[each.name] for each in contenders if each.name in prepared.commands},
        sys.executable,
        options.rounds,
        options.seconds or (FULL if options.full else QUICK),
        cores,
    )
    with machine.all_descriptors() as descriptors, watching() as watch:
        about = _about(cores, descriptors)
        answers = run(plan, watch)
    kind, file = ("full", "latest.json") if options.full else ("quick", "quick.json")
    entrants, found = _entrants(contenders, prepared), results.answered(questions, answers)
    path = _folder(options) / file
    results.write(path, results.Run(taken, kind, about, plan.rounds, plan.seconds, entrants, prepared.left_out, found))
    return path


def _questions(only: Sequence[str] | None, is_full: bool) -> list[Question]:
    """Those that are asked, with the cases that are."""
    names = [question.name for question in QUESTIONS]
    for name in only or ():
        if name not in names:
            raise ValueError(f"there is no question {name!r}; there are {', '.join(names)}")
    chosen = [question for question in QUESTIONS if not only or question.name in only]
    if is_full:
        return chosen
    quick = [evolve(each, cases=tuple(case for case in each.cases if case.in_quick)) for each in chosen]
    for question in quick if only else ():
        if not question.cases:
            raise ValueError(f"a quick run does not ask {question.name!r}: add --full")
    return [question for question in quick if question.cases]


def _check(cores: Cores) -> None:
    ours = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    for core in (*(cores.server or ()), *(cores.load or ())):
        if core not in ours:
            raise ValueError(f"core {core} is not ours; there are {', '.join(map(str, ours))}")


def _about(cores: Cores, descriptors: int) -> dict[str, str]:
    """What is measured on."""

    def seat(numbers: tuple[int, ...] | None) -> str:
        return "any core" if numbers is None else f"core {', '.join(map(str, numbers))}"

    described = {name: str(value) for name, value in machine.describe().items()}
    where = f"servers on {seat(cores.server)}, the load on {seat(cores.load)}"
    return described | {"pinned": where, "descriptors": str(descriptors)}


def _entrants(contenders: Sequence[Contender], prepared: Prepared) -> tuple[results.Entrant, ...]:
    return tuple(
        results.Entrant(each.name, each.family, prepared.versions.get(each.name, ""))
        for each in contenders
        if each.name in prepared.commands
    )


def _folder(options: argparse.Namespace) -> Path:
    """A run of a part does not take the place of a whole one."""
    is_whole = options.full and not options.only and not options.contenders
    folder: Path = options.results or (LATEST if is_whole else OTHERS)
    return folder


def _show(found: results.Run, folder: Path, readme: Path | None) -> int:
    drawn = charts.draw_all(found, folder / "charts")
    report = folder / "report.md"
    report.write_text(table.report(found))
    if readme:
        summary.put_into_readme(readme, found)
    for answer in found.answers:
        print(f"{answer.title} ({answer.unit})\n\n{table.question(found, answer)}\n")
    print("\n".join(f"left out: {who}, because {why}" for who, why in found.left_out.items()))
    print(f"{table.promises(found)}\n\nreport: {report}\ncharts: {len(drawn)} in {folder / 'charts'}")
    failures = list(found.failures())
    for question, case, who, why in failures:
        print(f"benchmarks: FAILED {question}, {case}, {who}: {why}", file=sys.stderr)
    return 1 if failures else 0


def _list() -> str:
    lines = ["contenders: " + ", ".join(contender.name for contender in CONTENDERS), ""]
    for question in QUESTIONS:
        lines.append(f"{question.name}: {question.title}")
        lines += [f"    {case.name}{' (quick)' if case.in_quick else ''}" for case in question.cases]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure actorws beside its peers. Keep the machine quiet meanwhile.",
    )
    parser.add_argument("--full", action="store_true", help="everything; else what is done within five minutes")
    parser.add_argument("--only", type=_names, metavar="A,B", help="some of the questions")
    parser.add_argument("--contenders", type=_names, metavar="A,B", help="some of the contenders")
    parser.add_argument("--rounds", type=_number(int), default=3, metavar="N", help="of everything (default 3)")
    seconds = f"of each case in each round (default {QUICK}, or {FULL:g} with --full)"
    parser.add_argument("--seconds", type=_number(float), metavar="S", help=seconds)
    parser.add_argument("--cores", type=_cores, metavar="SERVER,LOAD", help="where they run (default: the first two)")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help=f"where the files go (default: {LATEST} for a whole run, else {OTHERS})",
    )
    parser.add_argument("--list", action="store_true", help="show what there is to ask, and whom")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="measure nothing; show FILE, which a run has written"
    )
    parser.add_argument("--readme", type=Path, metavar="FILE", help="put the table between the markers of FILE, too")
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _number(kind: type[int] | type[float]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        value = kind(text)
        if not 0 < value < 1e6:
            raise ValueError
        return value

    convert.__name__ = "positive number"  # As argparse calls it where it refuses one.
    return convert


def _cores(text: str) -> Cores:
    server, load = map(int, text.split(","))
    return Cores((server,), (load,))


_cores.__name__ = "pair of cores"

if __name__ == "__main__":
    # Whoever ends this by SIGTERM ends what it has started, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
