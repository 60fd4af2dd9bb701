"""Running the suite: nothing hangs, and what is not run is told with its cause.

The suite is played by small programs.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.autobahn.cases import Group
from tests.autobahn.environment import Environment
from tests.autobahn.suite import Outcome, Suite
from tests.autobahn.target import Target, TargetFailed

#: Writes the result of the first case that it is to play.
PLAYS_ONE = """
import json, sys
spec = json.loads(sys.argv[1])
result = dict.fromkeys(["behavior", "behaviorClose", "result", "resultClose"], "OK")
result |= {"id": spec["cases"][0], "duration": 1, "remoteCloseCode": 1000}
with open(spec["results"], "a") as results:
    results.write(json.dumps(result) + chr(10))
"""
HANGS = "import time; time.sleep(600)"
HANGS_ON = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); {HANGS}"
FAILS = "raise SystemExit('no module named twisted')"
KILLS_THE_SERVER = "import os, signal; os.kill({pid}, signal.SIGKILL);" + HANGS


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    target = Target("tests.support.programs:idle", "/", tmp_path / "server.log")
    yield target
    target.kill()


def play(target: Target, folder: Path, program: str, *, budget: float = 60) -> Outcome:
    environment = Environment((sys.executable, "-c", program), folder)
    (outcome,) = Suite(environment, target, folder).play([Group("1", ("1.1.1", "1.1.2"), budget)])
    return outcome


def test_what_the_suite_wrote_is_the_outcome(target, tmp_path):
    outcome = play(target, tmp_path, PLAYS_ONE)
    assert [result.case for result in outcome.results] == ["1.1.1"]
    assert outcome.trouble is None


def test_results_of_an_earlier_run_are_forgotten(target, tmp_path):
    play(target, tmp_path, PLAYS_ONE)
    assert play(target, tmp_path, FAILS).results == ()


def test_a_group_over_its_budget_is_stopped_and_keeps_its_results(target, tmp_path):
    outcome = play(target, tmp_path, PLAYS_ONE + HANGS, budget=2)
    assert outcome.trouble == "stopped after its 2 s"
    assert len(outcome.results) == 1
    assert outcome.seconds < 30


def test_a_suite_that_does_not_heed_sigterm_is_killed(target, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.autobahn.processes.TERM_SECONDS", 0.1)
    assert play(target, tmp_path, HANGS_ON, budget=2).trouble == "stopped after its 2 s"


def test_a_suite_that_fails_is_told_with_its_last_words(target, tmp_path):
    assert play(target, tmp_path, FAILS).trouble == "the suite ended with status 1: no module named twisted"


def test_the_death_of_the_server_ends_the_group_at_once(target, tmp_path):
    outcome = play(target, tmp_path, KILLS_THE_SERVER.format(pid=target.process.pid))
    assert outcome.trouble is not None
    assert outcome.trouble.startswith(f"the server ended with status -{signal.SIGKILL.value}")
    assert outcome.seconds < 30


def test_nothing_is_played_against_a_server_that_is_dead(target, tmp_path):
    target.kill()
    outcome = play(target, tmp_path, PLAYS_ONE)
    assert outcome.results == ()
    assert outcome.trouble is not None
    assert outcome.trouble.startswith("the server ended with status")


def test_nothing_is_played_against_a_server_that_does_not_answer(target, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.autobahn.target.ANSWER_SECONDS", 0.5)
    target.process.send_signal(signal.SIGSTOP)
    outcome = play(target, tmp_path, PLAYS_ONE)
    assert outcome == Outcome(outcome.group, trouble="the server does not answer")


def test_a_server_that_does_not_start_says_why(tmp_path):
    with pytest.raises(TargetFailed, match=r"the server did not start: .*nowhere"):
        Target("nowhere:app", "/", tmp_path / "log")


def test_a_server_ends_in_order(target):
    target.stop()
    assert target.process.returncode == 0


def test_a_server_that_died_is_told_at_its_end(target):
    target.kill()
    with pytest.raises(TargetFailed, match="the server ended with status -9"):
        target.stop()


def test_a_traceback_in_the_log_of_the_server_is_told_at_its_end(target):
    with target.log.open("a") as log:
        log.write("Traceback (most recent call last):\n")
    with pytest.raises(TargetFailed, match="ended with status 0, see"):
        target.stop()
