"""The questions: the list is whole, what it names exists, a quick run is quick, and our server answers every load."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import questions, turns
from benchmarks.contender import OURS
from benchmarks.contenders import CONTENDERS
from benchmarks.load.wire_load import WireLoad
from benchmarks.measuring import measure_load
from benchmarks.processes import Server
from benchmarks.question import Case, Load, Program, Promise, Question
from benchmarks.questions import QUESTIONS, idle

CASES = [(question, case) for question in QUESTIONS for case in question.cases]
LOADS = [(question, case) for question, case in CASES if isinstance(case.by, Load | WireLoad)]
NAMES = {contender.name for contender in CONTENDERS}

by_name = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)


def test_every_file_in_the_folder_is_a_question_and_is_listed_under_its_name() -> None:
    files = {path.stem for path in Path(questions.__file__).parent.glob("*.py")} - {"__init__"}
    listed = [question.name for question in QUESTIONS]
    assert sorted(listed) == sorted(files)


@by_name
def test_cases_of_a_question_have_names_of_their_own(question: Question) -> None:
    names = [case.name for case in question.cases]
    assert names and len(set(names)) == len(names)


@by_name
def test_a_question_and_what_it_shows_are_told_in_words(question: Question) -> None:
    assert question.title and question.text.endswith(".") and question.unit
    assert {"us": "CPU", "bytes": "bytes"}.get(question.figure, "us") in question.unit


@by_name
def test_cases_on_an_axis_are_in_its_order_and_others_have_no_place(question: Question) -> None:
    places = [case.at for case in question.cases]
    if question.axis is None:
        assert set(places) == {None}
    else:
        assert all(one is not None and two is not None and one < two for one, two in pairwise(places))


@by_name
def test_everybody_that_is_named_is_a_contender(question: Question) -> None:
    for case in question.cases:
        assert {promise.peer for promise in case.promises if promise.peer} <= NAMES
        if isinstance(case.by, Program):
            assert OURS in case.by.variants and len(case.by.variants) > (question.name != "cluster")
        else:
            assert case.contenders is None or set(case.contenders) <= NAMES


def test_what_is_promised_is_promised_where_it_is_measured() -> None:
    promised = {(question.name, case.name): case.promises for question, case in CASES if case.promises}
    assert promised == {
        ("echo", "64 connections"): (Promise("picows", 0.95), Promise("Bun", 1.25)),
        ("throughput", "64 connections, 32 in flight"): (Promise("picows", 0.15), Promise("Bun", 2.0)),
        ("sizes", "256 KiB"): (Promise("picows", 1.0),),
        ("async_callbacks", "64 connections"): (Promise("aiohttp", 1.0),),
        ("fanout_callbacks", "500 members"): (Promise("socketify", 1.0, asked="fanout_broadcast"),),
        ("fanout_broadcast", "500 members"): (Promise("socketify", 0.75), Promise("Bun", 1.0)),
        ("fanout_broadcast", "5000 members"): (Promise("Bun", 1.0),),
        ("churn", "64 at a time"): (Promise("socketify", 1.0),),
        ("idle", f"{idle.possible()} connections"): (Promise(most=1000),),
    }


@pytest.mark.parametrize(
    ("question", "load"),
    [
        ("echo", Load("echo", 64, 1, 32, "/")),
        ("throughput", Load("echo", 64, 32, 32, "/")),
        ("sizes", Load("echo", 4, 1, 256 * 1024, "/")),
        ("async_callbacks", Load("echo", 64, 1, 32, "/async")),
        ("fanout_callbacks", Load("fan", 500, 4, 64, "/fan")),
        ("fanout_broadcast", Load("fan", 500, 4, 64, "/topic")),
        ("fanout_broadcast", Load("fan", 5000, 4, 64, "/topic")),
        ("churn", Load("churn", 64, 1, 32, "/")),
    ],
)
def test_a_promise_is_about_the_work_that_it_names(question: str, load: Load) -> None:
    assert [case.by for asked, case in CASES if asked.name == question and case.promises].count(load) == 1


def test_a_quick_run_is_over_in_five_minutes() -> None:
    """By what things take on 2 cores: 0.7 s for a server and 0.3 for a load to begin and end, 1 for a program."""
    quick = [case for _, case in CASES if case.in_quick]
    loads = [case for case in quick if not isinstance(case.by, Program)]
    programs = sum(len(case.by.variants) for case in quick if isinstance(case.by, Program))
    servers = 1 + sum(case.fresh for case in loads)
    turn = 0.7 * servers + (0.3 + command.QUICK) * len(loads)
    rounds = turns.Plan((), {}, "").rounds
    assert rounds * (len(CONTENDERS) * turn + programs * (1.0 + command.QUICK)) < 300
    assert all(len(case.by.variants) <= 3 for case in quick if isinstance(case.by, Program))
    assert max(case.by.connections for case in loads if isinstance(case.by, Load)) <= 1000


def test_all_promises_but_those_of_many_connections_are_in_a_quick_run() -> None:
    left = {(question.name, case.name) for question, case in CASES if case.promises and not case.in_quick}
    assert left == {("idle", f"{idle.possible()} connections"), ("fanout_broadcast", "5000 members")}


@pytest.mark.parametrize(
    ("hard", "possible"), [(1024, 824), (15_200, 15_000), (1 << 20, 15_000), (resource.RLIM_INFINITY, 15_000)]
)
def test_there_are_as_many_idle_connections_as_descriptors_allow(
    monkeypatch: pytest.MonkeyPatch, hard: int, possible: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda what: (256, hard))
    assert idle.possible() == possible


@pytest.fixture(scope="module")
def ours() -> Iterator[Server]:
    (contender,) = (contender for contender in CONTENDERS if contender.name == OURS)
    with Server(OURS, [part.format(ours=sys.executable) for part in contender.command]) as server:
        server.wait_listening()
        yield server


@pytest.mark.parametrize(
    ("question", "case"),
    [(question, case) for question, case in LOADS if case.by.connections <= 500],  # type: ignore[union-attr]
    ids=lambda value: value.name,
)
def test_our_server_answers_every_load_and_the_figure_is_found(ours: Server, question: Question, case: Case) -> None:
    assert not isinstance(case.by, Program)
    # Messages of the slow readers' question are due 50 times a second.
    figures = measure_load(case.by, ours, 0.1, memory=question.figure == "bytes")
    assert figures[question.figure] > 0
    assert figures["messages"] > 0
