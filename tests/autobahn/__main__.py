"""``python -m tests.autobahn [CASES ...]``: Autobahn's fuzzing client against a server of ours, strictly judged.

Exit status 0 when every round passed, 1 when one did not or there is no testsuite, 2 for a wrong argument.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.autobahn.cases import Group, NoSuchCase, groups, select
from tests.autobahn.environment import Environment, NotPrepared, find, home
from tests.autobahn.suite import Outcome, Suite
from tests.autobahn.table import Report
from tests.autobahn.target import Target, TargetFailed

#: The suite's own number is 1000, which takes 10 minutes in all; this takes two.
MESSAGES = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the arguments say and print it. Returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        environment = find()
        chosen = groups(select(environment.all_cases(), arguments.cases), arguments.messages)
    except NotPrepared as missing:
        print(f"actorws: {missing}", file=sys.stderr)
        return 1
    except NoSuchCase as unknown:
        print(f"actorws: {unknown}", file=sys.stderr)
        return 2
    reports = home() / "last-run"
    shutil.rmtree(reports, ignore_errors=True)
    passed = [
        _round(environment, chosen, arguments, reports / str(number)) for number in range(1, arguments.rounds + 1)
    ]
    print(f"{sum(passed)} of {len(passed)} rounds passed; logs and reports: {reports}")
    return 0 if all(passed) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASES", help="7.1.5, 6.4, 9 or 1-7; all without any")
    parser.add_argument(
        "--messages", type=_count, default=MESSAGES, help="for each case of 12 and 13, at most 1000 [%(default)s]"
    )
    parser.add_argument("--rounds", type=_count, default=1, help="how often all is run, each time on a new server [1]")
    parser.add_argument("--app", default="tests.servers.torture:app", help="what is served [%(default)s]")
    parser.add_argument("--path", default="/big", help="where it echoes [%(default)s]")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _round(environment: Environment, chosen: Sequence[Group], arguments: argparse.Namespace, folder: Path) -> bool:
    folder.mkdir(parents=True)
    print(f"round {folder.name} of {arguments.rounds}: {arguments.app} at {arguments.path},", end=" ")
    print(f"{arguments.messages} messages for each case of 12 and 13", flush=True)
    outcomes: list[Outcome] = []
    trouble = None
    try:
        with Target(arguments.app, arguments.path, folder / "server.log") as target:
            for outcome in Suite(environment, target, folder, arguments.messages).play(chosen):
                outcomes.append(outcome)
                print(f"  {outcome.group.name}: {outcome.seconds:.1f} s", file=sys.stderr, flush=True)
    except TargetFailed as failed:
        trouble = str(failed)
    # What was not even begun is unfinished.
    outcomes += [Outcome(group) for group in chosen[len(outcomes) :]]
    report = Report(outcomes, trouble)
    print(report)
    return report.passed


if __name__ == "__main__":
    # Whichever way it is told to end, the server and the suite end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
