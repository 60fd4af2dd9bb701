"""Running the suite against a client: nothing hangs or is left, and what is not played is told with its cause.

The suite and the client are played by small programs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.autobahn.cases import Group
from tests.autobahn.environment import Environment
from tests.autobahn.fuzzer import Fuzzer
from tests.autobahn.suite import Outcome
from tests.support.wire import SECONDS

HANGS = "import time; time.sleep(600)"
#: Writes the result of its first case when its client has come, and goes on until it is ended.
PLAYS_ONE = """
import json, socket, sys
spec = json.loads(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
result = dict.fromkeys(["behavior", "behaviorClose", "result", "resultClose"], "OK")
result |= {"id": spec["cases"][0], "duration": 1, "remoteCloseCode": 1000}
with open(spec["results"], "a") as results:
    results.write(json.dumps(result) + chr(10))
client.close()
listener.accept()
"""
DIES = "raise SystemExit('no module named twisted')"
#: Plays the case of the server, whose port it reads.
PLAYS = "import socket; assert not socket.create_connection(('127.0.0.1', int(input()))).recv(1)\n"
FAILS = PLAYS + "raise SystemExit('it was refused')"
FAILS_UNSEEN = PLAYS + "import sys; print('Traceback (most recent call last):', file=sys.stderr)"
#: Ends when another one runs at the same time.
MEETS = """
import os, pathlib, time
pathlib.Path(r"{folder}", str(os.getpid())).touch()
while len(os.listdir(r"{folder}")) < 2:
    time.sleep(0.01)
"""

Play = Callable[..., Iterator[Outcome]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Lets the programs play groups of two cases each."""

    def start(server: str, client: str, *, budget: float = 60, names: str = "1") -> Iterator[Outcome]:
        monkeypatch.setattr("tests.autobahn.fuzzer.CLIENT", (sys.executable, "-c", client))
        environment = Environment((sys.executable, "-c", server), tmp_path)
        groups = [Group(name, (f"{name}.1", f"{name}.2"), budget) for name in names]
        return Fuzzer(environment, "a client", tmp_path).play(groups)

    return start


def test_what_the_server_wrote_is_the_outcome_when_the_client_has_ended(play):
    (outcome,) = play(PLAYS_ONE, PLAYS)
    assert [result.case for result in outcome.results] == ["1.1"]
    assert outcome.trouble is None
    assert outcome.seconds < 30


def test_each_group_has_an_outcome_of_its_own(play):
    outcomes = sorted(play(PLAYS_ONE, PLAYS, names="1234"), key=lambda outcome: outcome.group.name)
    assert [result.case for outcome in outcomes for result in outcome.results] == ["1.1", "2.1", "3.1", "4.1"]


def test_groups_are_played_side_by_side(play, tmp_path):
    folder = tmp_path / "met"
    folder.mkdir()
    outcomes = play(HANGS, MEETS.format(folder=folder), names="12", budget=SECONDS)
    assert [outcome.trouble for outcome in outcomes] == [None, None]


def test_results_of_an_earlier_run_are_forgotten(play):
    list(play(PLAYS_ONE, PLAYS))
    (outcome,) = play(DIES, HANGS)
    assert outcome.results == ()


def test_a_group_over_its_budget_is_stopped_and_keeps_its_results(play):
    (outcome,) = play(PLAYS_ONE, PLAYS + HANGS, budget=4)
    assert outcome.trouble == "stopped after its 4 s"
    assert len(outcome.results) == 1
    assert outcome.seconds < 30


def test_a_client_that_fails_is_told_with_its_last_words_and_keeps_its_results(play):
    (outcome,) = play(PLAYS_ONE, FAILS)
    assert outcome.trouble == "the client ended with status 1: it was refused"
    assert len(outcome.results) == 1


def test_a_traceback_in_the_log_of_a_client_is_told_though_its_status_is_0(play):
    (outcome,) = play(PLAYS_ONE, FAILS_UNSEEN)
    assert outcome.trouble is not None
    assert outcome.trouble.startswith("the client ended with status 0, see ")


def test_the_death_of_the_server_ends_the_group_at_once(play):
    (outcome,) = play(DIES, HANGS)
    assert outcome.trouble == "the fuzzing server ended with status 1: no module named twisted"
    assert outcome.seconds < 30


def test_nothing_outlives_a_run_that_is_given_up(play, monkeypatch):
    ended = []
    monkeypatch.setattr("tests.autobahn.fuzzer.end", lambda process: (process.kill(), ended.append(process.wait())))
    outcomes = play(PLAYS_ONE, PLAYS + HANGS, names="12", budget=3)
    next(outcomes)
    outcomes.close()
    assert len(ended) == 4
