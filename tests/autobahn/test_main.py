"""The command: its exit status says whether every round passed. The suite is played by a small program."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.autobahn.__main__ import main
from tests.autobahn.environment import Environment, NotPrepared

#: Has two cases, of which the second one behaves as VERDICT says in the second round and is OK in all others.
PLAYS_TWO = """
import json, sys
spec = json.loads(sys.argv[1])
if "cases" not in spec:
    print(json.dumps(["1.1.1", "1.1.2"]))
for case in spec.get("cases", []):
    behavior = "{verdict}" if case == "1.1.2" and spec["reports"].endswith("/2") else "OK"
    result = dict(id=case, behavior=behavior, behaviorClose="OK", result="", resultClose="")
    with open(spec["results"], "a") as results:
        results.write(json.dumps(result | dict(remoteCloseCode=1000, duration=1)) + chr(10))
"""


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command, whose suite gives the verdict."""
    monkeypatch.setenv("AUTOBAHN_HOME", str(tmp_path))

    def run(verdict: str, *arguments: str) -> int:
        program = PLAYS_TWO.replace("{verdict}", verdict)
        environment = Environment((sys.executable, "-c", program), tmp_path)
        monkeypatch.setattr("tests.autobahn.__main__.find", lambda: environment)
        return main(["--app", "tests.support.programs:idle", "--path", "/", *arguments])

    return run


def test_when_every_round_passes_the_status_is_0(play, capsys):
    assert play("OK", "--rounds", "2") == 0
    assert "2 of 2 rounds passed" in capsys.readouterr().out


def test_when_any_round_does_not_pass_the_status_is_1(play, capsys):
    assert play("FAILED", "--rounds", "3") == 1
    printed = capsys.readouterr().out
    assert "1.1.2 FAILED" in printed
    assert "2 of 3 rounds passed" in printed


def test_only_the_cases_that_were_named_are_run(play, capsys):
    assert play("FAILED", "--rounds", "2", "1.1.1") == 0
    assert "1.1.2" not in capsys.readouterr().out


def test_without_an_environment_the_status_is_1_and_a_line_says_why(monkeypatch, capsys):
    def find() -> Environment:
        raise NotPrepared("there is none")

    monkeypatch.setattr("tests.autobahn.__main__.find", find)
    assert main([]) == 1
    assert capsys.readouterr().err == "actorws: there is none\n"


def test_a_case_that_does_not_exist_is_a_wrong_argument(play, capsys):
    assert play("OK", "8") == 2
    assert capsys.readouterr().err.startswith("actorws: no case is meant by '8'")


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--messages", "-1"]])
def test_to_run_nothing_is_a_wrong_argument(play, arguments):
    with pytest.raises(SystemExit, match="2"):
        play("OK", *arguments)


def test_a_server_that_does_not_start_passes_nothing(play, capsys):
    assert play("OK", "--app", "nowhere:app") == 1
    printed = capsys.readouterr().out
    assert "1.1.1 UNFINISHED" in printed
    assert "the server did not start" in printed
