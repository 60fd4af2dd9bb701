"""The programs: each does its work with every variant, and prints the figure that its question shows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

from actorws.exceptions import ConfigError
from benchmarks import client as clients
from benchmarks import hot_path
from benchmarks.measuring import measure_program
from benchmarks.programs import client, cluster, mailbox, measured, registry, rules, timers
from benchmarks.programs.measured import Meter, Work
from benchmarks.programs.plain_registry import PlainActor, PlainRegistry
from benchmarks.question import Case, Program, Question
from benchmarks.questions import QUESTIONS

CASES = [(question, case) for question in QUESTIONS for case in question.cases if isinstance(case.by, Program)]
#: The first of each program: what is asked of the rest is tried without a process of its own.
FIRST = {next(iter(case.by.variants.values()))[2]: (question, case) for question, case in reversed(CASES)}.values()
WORKS = {"registry": registry.WORKS, "timers": timers.WORKS, "mailbox": mailbox.WORKS}


def command_of(program: object, variant: str, seconds: str = "0.05") -> list[str]:
    assert isinstance(program, Program)
    return [part.format(ours=sys.executable, seconds=seconds) for part in program.variants[variant]]


@pytest.mark.parametrize(
    ("question", "case", "variant"),
    [(question, case, variant) for question, case in FIRST for variant in case.by.variants],  # type: ignore[union-attr]
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_every_variant_of_a_program_prints_the_figure_of_its_question(
    question: Question, case: Case, variant: str
) -> None:
    assert measure_program(variant, command_of(case.by, variant), 0.05)[question.figure] > 0


@pytest.mark.parametrize(
    ("program", "variant", "case"),
    [(program, variant, case) for program, works in WORKS.items() for variant in works for case in works[variant]],
)
def test_every_work_is_done_and_counted(program: str, variant: str, case: str) -> None:
    meter = Meter(0.001)
    WORKS[program][variant][case](20, meter)
    assert meter.operations >= 20
    assert meter.cpu > 0


@pytest.mark.parametrize("case", ["publish by one", "publish by many", "publish in ticks", "register", "send"])
def test_every_case_of_the_cluster_is_measured(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cluster.main(["actorws", case, "0.05"]) == 0
    figures = json.loads(capsys.readouterr().out)
    shares = [figures[f"cpu_of_the_{who}_us"] for who in ("sender", "engine", "receiver")]
    assert figures["us"] == pytest.approx(sum(shares)) and min(shares) > 0


def test_every_case_that_is_asked_for_is_one_that_its_program_has() -> None:
    for _, case in CASES:
        assert isinstance(case.by, Program)
        for variant in case.by.variants:
            _, _, module, named, *arguments, seconds = case.by.variants[variant]
            assert (named, seconds) == (variant, "{seconds}")
            assert is_known(module.removeprefix("benchmarks.programs."), variant, arguments), (module, variant)


def is_known(program: str, variant: str, arguments: list[str]) -> bool:
    match program:
        case "cluster":
            return arguments[0] in ((*cluster.PUBLISHING, *cluster.NAMES)) and variant in cluster.VARIANTS
        case "client":
            return variant in clients.CLIENTS and int(arguments[0]) in clients.WINDOWS
        case "rules":
            return variant in rules.VARIANTS and arguments[0] in [rule.name for rule in hot_path.RULES]
        case _:
            case, number = arguments
            return case in WORKS[program][variant] and int(number) >= 0


def test_every_rule_of_the_hot_path_is_asked_about() -> None:
    asked = [case.name for question, case in CASES if question.name == "rules"]
    assert asked == [rule.name for rule in hot_path.RULES]


@pytest.mark.parametrize("main", [client.main, cluster.main, rules.main])
def test_wrong_arguments_are_one_line_and_status_2(main, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([], ["actorws", "something", "1"], ["nobody", "1", "1"], ["actorws", "1", "soon"]):
        assert main(argv) == 2
        complaint = capsys.readouterr().err
        assert " SECONDS, not " in complaint and len(complaint.splitlines()) == 1


def test_the_arguments_of_programs_that_have_works_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    works: Mapping[str, Mapping[str, Work]] = {"actorws": {"sleep": lambda number, meter: None}}
    for argv in ([], ["actorws", "sing", "1", "1"], ["dict", "sleep", "1", "1"], ["actorws", "sleep", "1", "soon"]):
        assert measured.main(works, argv) == 2
        assert capsys.readouterr().err == (
            f"expected VARIANT CASE NUMBER SECONDS, not {' '.join(argv)!r}. There are actorws: sleep\n"
        )


def test_a_peer_that_can_not_be_installed_is_left_out_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(packages: object) -> str:
        raise subprocess.CalledProcessError(1, ["pip"], stderr=b"some lines\nno such package\n\n")

    monkeypatch.setattr(cluster, "environment", fail)
    assert cluster.main(["broadcaster", "publish by one", "0.05"]) == 2
    assert capsys.readouterr().err == "broadcaster can't be measured here: no such package\n"


def test_where_there_is_no_server_the_cluster_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find() -> str:
        raise ConfigError("there is no redis-server: install one")

    monkeypatch.setattr(cluster, "find_server", find)
    assert cluster.main(["actorws", "send", "0.05"]) == 2
    assert capsys.readouterr().err == "actorws can't be measured here: there is no redis-server: install one\n"


def test_a_server_that_does_not_listen_is_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "SERVE", [sys.executable, "-c", "print('no')"])
    assert client.main(["actorws", "1", "0.05"]) == 1
    assert capsys.readouterr().err.startswith("the server doesn't listen, it said 'no\\n': ")


# The meter


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_the_first_repetition_does_not_count_and_there_is_a_second() -> None:
    meter, done = Meter(0.0), []
    while meter.goes_on():
        with meter.counts(10):
            burn(0.1 if not done else 0.001)
        done.append(1)
    assert (len(done), meter.operations) == (2, 10)
    assert 100 <= meter.figures()["us"] < 10_000


def test_what_is_done_between_does_not_count() -> None:
    meter = Meter(0.0)
    while meter.goes_on():
        burn(0.1)
        with meter.counts(10):
            burn(0.001)
    assert 100 <= meter.figures()["us"] < 10_000


# The baseline


def test_the_plain_registry_does_what_it_is_measured_for() -> None:
    plain, alice, bob = PlainRegistry(), PlainActor(), PlainActor()
    plain.register("alice", alice)
    with pytest.raises(KeyError):
        plain.register("alice", bob)
    assert (plain.send("alice", "hi"), plain.send("bob", "hi"), alice.received) == (True, False, 1)
    assert (plain.unregister("alice"), plain.unregister("alice")) == (True, False)
    plain.join("room", alice)
    plain.join("room", bob)
    assert (plain.publish("room", "hi"), alice.received, bob.received) == (2, 2, 1)
    plain.leave("room", alice)
    plain.leave("room", bob)
    assert (plain.publish("room", "hi"), plain.groups) == (0, {})
