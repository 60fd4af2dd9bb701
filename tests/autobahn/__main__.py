"""``python -m tests.autobahn [CASES ...]``: Autobahn's testsuite, strictly judged.

Its fuzzing client is let loose on a server of ours, and clients of ours on its fuzzing server.
Exit status 0 when every round passed, 1 when one did not or there is no testsuite, 2 for a wrong argument.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import frozen

from tests.autobahn.cases import Group, NoSuchCase, groups, section, select
from tests.autobahn.environment import Environment, NotPrepared, find, home
from tests.autobahn.fuzzed import CLIENTS
from tests.autobahn.fuzzer import Fuzzer
from tests.autobahn.suite import Outcome, Suite
from tests.autobahn.table import Report
from tests.autobahn.target import Target, TargetFailed

#: The suite's own number is 1000, which takes ten times as long: minutes for each role.
MESSAGES = 100
SERVER = "server"
ROLES = (SERVER, *CLIENTS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the arguments say and print it. Returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        environment = find()
        cases = select(environment.all_cases(), arguments.cases)
    except NotPrepared as missing:
        print(f"actorws: {missing}", file=sys.stderr)
        return 1
    except NoSuchCase as unknown:
        print(f"actorws: {unknown}", file=sys.stderr)
        return 2
    parts = [part for role in arguments.role or ROLES if (part := _part(role, cases, arguments.messages)).groups]
    if not parts:
        print(f"actorws: none of these cases is for {', '.join(arguments.role)}", file=sys.stderr)
        return 2
    reports = home() / "last-run"
    shutil.rmtree(reports, ignore_errors=True)
    rounds = [Round(environment, arguments, reports / str(number)) for number in range(1, arguments.rounds + 1)]
    passed = [round_.run(parts) for round_ in rounds]
    print(f"{sum(passed)} of {len(passed)} rounds passed; logs and reports: {reports}")
    return 0 if all(passed) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASES", help="7.1.5, 6.4, 9 or 1-7; all without any")
    parser.add_argument(
        "--messages", type=_count, default=MESSAGES, help="for each case of 12 and 13, at most 1000 [%(default)s]"
    )
    parser.add_argument("--rounds", type=_count, default=1, help="how often all is run, each time on a new server [1]")
    parser.add_argument(
        "--role", choices=ROLES, action="append", help="what of ours is tested, may be given several times [all]"
    )
    parser.add_argument("--app", default="tests.servers.torture:app", help="what is served [%(default)s]")
    parser.add_argument("--path", default="/big", help="where it echoes [%(default)s]")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


@frozen
class Part:
    """What is run for a role."""

    role: str
    groups: Sequence[Group]


def _part(role: str, cases: Iterable[str], messages: int) -> Part:
    played = [case for case in cases if role == SERVER or section(case) in CLIENTS[role].sections]
    return Part(role, groups(played, messages))


@frozen
class Round:
    """Everything once."""

    environment: Environment
    arguments: argparse.Namespace
    folder: Path

    def run(self, parts: Iterable[Part]) -> bool:
        """Run and print it. Whether all passed."""
        self.folder.mkdir(parents=True)
        passed = True
        for part in parts:
            app, path, messages = self.arguments.app, self.arguments.path, self.arguments.messages
            what = f"{app} at {path}" if part.role == SERVER else f"client {part.role}"
            print(f"round {self.folder.name} of {self.arguments.rounds}: {what},", end=" ")
            print(f"{messages} messages for each case of 12 and 13", flush=True)
            report = self._serve(part.groups) if part.role == SERVER else self._connect(part.role, part.groups)
            print(report, flush=True)
            passed = passed and report.passed
        return passed

    def _serve(self, chosen: Sequence[Group]) -> Report:
        outcomes: list[Outcome] = []
        trouble = None
        try:
            with Target(self.arguments.app, self.arguments.path, self.folder / "server.log") as target:
                for outcome in Suite(self.environment, target, self.folder, self.arguments.messages).play(chosen):
                    outcomes.append(_told(outcome))
        except TargetFailed as failed:
            trouble = str(failed)
        # What was not even begun is unfinished.
        return Report([*outcomes, *(Outcome(group) for group in chosen[len(outcomes) :])], trouble)

    def _connect(self, client: str, chosen: Sequence[Group]) -> Report:
        fuzzer = Fuzzer(self.environment, client, self.folder, self.arguments.messages)
        return Report([_told(outcome) for outcome in fuzzer.play(chosen)], races=CLIENTS[client].races)


def _told(outcome: Outcome) -> Outcome:
    print(f"  {outcome.group.name}: {outcome.seconds:.1f} s", file=sys.stderr, flush=True)
    return outcome


if __name__ == "__main__":
    # Whichever way it is told to end, the server and the suite end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
