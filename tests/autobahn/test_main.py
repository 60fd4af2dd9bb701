"""The command: its exit status says whether every round passed. The suite and clients are played by small programs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.autobahn.__main__ import main
from tests.autobahn.environment import Environment, NotPrepared

#: Has two cases, of which the second one behaves as VERDICT says in the second round and is OK in all others. Being the
#: server, it says so when they are over, and goes on until it is ended.
PLAYS_TWO = """
import json, sys, time
spec = json.loads(sys.argv[1])
if "cases" not in spec:
    print(json.dumps(["1.1.1", "1.1.2"]))
for case in spec.get("cases", []):
    behavior = "{verdict}" if case == "1.1.2" and spec["reports"].endswith("/2") else "OK"
    result = dict(id=case, behavior=behavior, behaviorClose="OK", result="", resultClose="")
    with open(spec["results"], "a") as results:
        results.write(json.dumps(result | dict(remoteCloseCode=1000, duration=1)) + chr(10))
if "cases" in spec and "url" not in spec:
    print("over", flush=True)
    time.sleep(600)
"""
#: Is a client until the server says that its cases are over.
CLIENT = (sys.executable, "-c", "assert input() == 'over'")


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command, whose suite gives the verdict, for a role."""
    monkeypatch.setenv("AUTOBAHN_HOME", str(tmp_path))
    monkeypatch.setattr("tests.autobahn.fuzzer.CLIENT", CLIENT)

    def run(verdict: str, *arguments: str) -> int:
        program = PLAYS_TWO.replace("{verdict}", verdict)
        environment = Environment((sys.executable, "-c", program), tmp_path)
        monkeypatch.setattr("tests.autobahn.__main__.find", lambda: environment)
        return main(["--app", "tests.support.programs:idle", "--path", "/", *arguments])

    return run


def test_when_every_round_passes_the_status_is_0(play, capsys):
    assert play("OK", "--rounds", "2") == 0
    assert "2 of 2 rounds passed" in capsys.readouterr().out


def test_a_round_has_a_table_for_the_server_and_for_each_client_that_these_cases_are_for(play, capsys):
    assert play("OK") == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line.partition(",")[0] for line in lines if line.startswith("round ")]
    assert [heading.removeprefix("round 1 of 1: ") for heading in headings] == [
        "tests.support.programs:idle at /",
        "client behaviour",
        "client script",
    ]
    assert lines.count("passed") == 3


@pytest.mark.parametrize("role", ["server", "behaviour", "script"])
def test_when_any_round_does_not_pass_the_status_is_1(play, capsys, role):
    assert play("FAILED", "--rounds", "3", "--role", role) == 1
    printed = capsys.readouterr().out
    assert "1.1.2 FAILED" in printed
    assert "2 of 3 rounds passed" in printed


def test_a_round_does_not_pass_when_one_role_does_not_though_the_last_one_does(play, capsys):
    assert play("OK", "--role", "server", "--role", "behaviour", "--app", "nowhere:app") == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 of 1 rounds passed")


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


def test_cases_that_are_for_none_of_the_roles_are_a_wrong_argument(play, capsys):
    assert play("OK", "--role", "script-takeover") == 2
    assert capsys.readouterr().err == "actorws: none of these cases is for script-takeover\n"


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--messages", "-1"], ["--role", "nobody"]])
def test_to_run_nothing_is_a_wrong_argument(play, arguments):
    with pytest.raises(SystemExit, match="2"):
        play("OK", *arguments)


def test_a_server_that_does_not_start_passes_nothing(play, capsys):
    assert play("OK", "--role", "server", "--app", "nowhere:app") == 1
    printed = capsys.readouterr().out
    assert "1.1.1 UNFINISHED" in printed
    assert "the server did not start" in printed
