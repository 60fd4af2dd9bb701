"""``python -m benchmarks``: what it asks, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import contenders
from benchmarks.contender import Contender
from benchmarks.question import Case, Promise, Question
from benchmarks.report import results, summary
from tests.support.bench import SERVER, Scripted, program, question

PROJECT = Path(__file__).parents[2]
PEERS = tuple(
    Contender(name, family, ("{ours}", "-c", SERVER))
    for name, family in (("limit (C)", "floor"), ("actorws", "python"), ("picows", "python"))
)
QUICK, SLOW = Case("plain", Scripted(), in_quick=True, promises=(Promise("picows", 9e9),)), Case("long", Scripted())


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two questions, three contenders; nothing is written where the project keeps its results."""
    use(monkeypatch, question(QUICK, SLOW), question(SLOW, name="more"))
    monkeypatch.setattr(command, "LATEST", tmp_path / "kept")
    monkeypatch.setattr(command, "OTHERS", tmp_path / "others")


def use(monkeypatch: pytest.MonkeyPatch, *questions: Question, peers: Sequence[Contender] = PEERS) -> None:
    monkeypatch.setattr(command, "QUESTIONS", questions)
    for module in (command, contenders):
        monkeypatch.setattr(module, "CONTENDERS", peers)


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def asked(run: results.Run) -> list[tuple[str, list[str]]]:
    return [(answer.name, [case.name for case in answer.cases]) for answer in run.answers]


def test_a_quick_run_asks_the_quick_cases_and_does_not_touch_the_results_that_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--rounds", "2", "--seconds", "0.1"]) == 0
    assert written(tmp_path) == {"others/quick.json", "others/report.md", "others/charts/life.svg"}
    run = results.read(tmp_path / "others" / "quick.json")
    assert (run.kind, run.rounds, run.seconds, asked(run)) == ("quick", 2, 0.1, [("life", ["plain"])])
    assert [entrant.name for entrant in run.entrants] == ["limit (C)", "actorws", "picows"]
    assert run.machine["pinned"].startswith("servers on ")
    assert int(run.machine["descriptors"]) > 0
    assert {len(values) for values in run.answers[0].cases[0].figures["actorws"].values()} == {2}
    told = capsys.readouterr()
    assert "What is life (us of server CPU per message)" in told.out
    assert f"report: {tmp_path / 'others' / 'report.md'}" in told.out
    assert "round 2 of 2: picows (5 of 6 done)" in told.err


def test_a_whole_run_asks_everything_and_takes_the_place_of_the_one_that_is_kept(tmp_path: Path) -> None:
    assert command.main(["--full", "--rounds", "1", "--seconds", "0.1"]) == 0
    assert "latest.json" in written(tmp_path / "kept")
    assert not (tmp_path / "others").exists()
    assert asked(results.read(tmp_path / "kept" / "latest.json")) == [("life", ["plain", "long"]), ("more", ["long"])]


@pytest.mark.parametrize("part", [["--only", "more"], ["--contenders", "actorws,limit (C)"]])
def test_a_part_of_a_whole_run_does_not_take_its_place(part: list[str], tmp_path: Path) -> None:
    assert command.main(["--full", "--rounds", "1", "--seconds", "0.1", *part]) == 0
    assert "latest.json" in written(tmp_path / "others")
    assert not (tmp_path / "kept").exists()


def test_results_go_where_one_wants_them(tmp_path: Path) -> None:
    assert command.main(["--rounds", "1", "--seconds", "0.1", "--results", str(tmp_path / "mine")]) == 0
    assert "quick.json" in written(tmp_path / "mine")
    assert not (tmp_path / "others").exists()


def test_what_failed_makes_the_status_1_and_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, question(Case("plain", Scripted("sys.exit('half is missing')"), in_quick=True)), peers=PEERS[1:2])
    assert command.main(["--rounds", "1"]) == 1
    line = "FAILED life, plain, actorws: the load has ended with status 1: half is missing"
    assert f"benchmarks: {line}\n" in capsys.readouterr().err
    assert written(tmp_path) == {"others/quick.json", "others/report.md"}


def test_what_is_left_out_is_told_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    by = program(actorws="figures['us'] = 1", other="import sys; print('no server', file=sys.stderr); sys.exit(2)")
    absent = Contender("node", "native", ("{node}", "server.js"), npm=("ws",))
    use(monkeypatch, question(Case("plain", by, in_quick=True)), peers=(PEERS[1], absent))
    monkeypatch.setenv("PATH", "/nowhere")
    assert command.main(["--rounds", "1"]) == 0
    told = capsys.readouterr().out
    assert "- left out: other, plain, because no server" in told
    assert "left out: node, because " in told


def test_a_report_is_made_anew_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--rounds", "1", "--seconds", "0.1"]) == 0
    before = {path: path.read_text() for path in (tmp_path / "others").rglob("*.*") if path.is_file()}
    for path in before:
        if path.suffix != ".json":
            path.unlink()
    readme = tmp_path / "README.md"
    readme.write_text(f"{summary.BEGIN}\nold\n{summary.END}\n")
    file = tmp_path / "others" / "quick.json"
    assert command.main(["--report", str(file), "--readme", str(readme)]) == 0
    assert {path: path.read_text() for path in before} == before
    assert summary.in_readme(readme.read_text()) == summary.summary(results.read(file))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--only", "life,death"], "there is no question 'death'; there are life, more"),
        (["--only", "more"], "a quick run does not ask 'more': add --full"),
        (["--contenders", "nobody"], "there is no contender 'nobody'; there are limit (C), actorws, "),
        (["--report", "/nowhere/run.json"], "[Errno 2] No such file or directory: '/nowhere/run.json'"),
        (["--cores", "0,4000"], "core 4000 is not ours; there are "),
        (["--rounds", "0"], "argument --rounds: invalid positive number value: '0'"),
        (["--seconds", "nan"], "argument --seconds: invalid positive number value: 'nan'"),
        (["--cores", "0"], "argument --cores: invalid pair of cores value: '0'"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_status_2(
    arguments: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = command.main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert line in capsys.readouterr().err.splitlines()[-1]
    assert written(tmp_path) == set()


def test_what_there_is_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "contenders: limit (C), actorws, picows",
        "",
        "life: What is life",
        "    plain (quick)",
        "    long",
        "more: What is life",
        "    long",
    ]


#: The command, with a load that tells a test about it and then goes on until it is ended.
HANGING = """
import signal, sys
from tests.support.bench import Scripted, question
from tests.benchmarks.test_bench_command import PEERS
from benchmarks import __main__ as command
from benchmarks.question import Case
tell = "told = socket.create_connection(('127.0.0.1', {port})); told.sendall(json.dumps(found).encode() + b'\\\\n');"
command.CONTENDERS = PEERS[:1]
command.QUESTIONS = (question(Case("plain", Scripted(tell + "time.sleep(600)"), in_quick=True)),)
sys.exit(command.main(["--seconds", "60", "--results", {folder!r}]))
"""


def test_an_interrupt_ends_server_and_load_and_writes_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        script = HANGING.format(port=listener.getsockname()[1], folder=str(tmp_path / "results"))
        with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT, stderr=subprocess.PIPE, text=True) as run:
            try:
                connection, _ = listener.accept()
                connection.settimeout(60)
                server = json.loads(connection.makefile().readline())["server_pid"]
                os.kill(server, 0)
                run.send_signal(signal.SIGINT)
                _, told = run.communicate(timeout=60)
            finally:
                run.kill()
    assert (run.returncode, connection.recv(1)) == (130, b"")
    connection.close()
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
    assert told.splitlines()[-1] == "benchmarks: interrupted, so nothing is written"
    assert not (tmp_path / "results").exists()


def test_our_own_echo_is_measured_with_the_real_load(tmp_path: Path) -> None:
    """As a user would ask for it; no figure is judged."""
    more = ["--contenders", "actorws", "--only", "echo", "--rounds", "1", "--seconds", "0.05"]
    line = [sys.executable, "-m", "benchmarks", *more, "--results", str(tmp_path)]
    done = subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    run = results.read(tmp_path / "quick.json")
    (answer,) = run.answers
    found = answer.cases[0].figures["actorws"]
    assert {"us", "rate", "busy", "server_busy", "p50_us", "p99_us"} <= set(found)
    assert found["us"][0] > 0
    assert "actorws" in (tmp_path / "charts" / "echo.svg").read_text()
    assert "**actorws**" in done.stdout
