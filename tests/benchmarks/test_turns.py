"""The benchmarks' run: contenders take turns, and who fails tells why and spoils nothing for the others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import machine, processes, turns
from benchmarks.processes import CannotBeDone, Driver, RunFailed, Server
from benchmarks.question import Case, Question
from benchmarks.report.answers import Answers
from benchmarks.turns import Cores, Plan
from tests.support.bench import DEAF, SERVER, Scripted, program, question, server

CORES = sorted(os.sched_getaffinity(0))
HOST, CLIENT = CORES[0], CORES[-1]


class Watched(list[tuple[str, str, int, int]]):
    """What a run has told about itself."""

    def __call__(self, *told: Any) -> None:
        self.append(told)


def run(
    *questions: Question, servers: Mapping[str, list[str]] | None = None, **options: Any
) -> tuple[Answers, Watched]:
    watched = Watched()
    plan = Plan(questions, {"one": server()} if servers is None else servers, sys.executable, **options)
    return turns.run(plan, watched), watched


def figures(answers: Answers, case: str = "plain", question: str = "life") -> dict[str, dict[str, list[float]]]:
    return answers.figures(question, case)


def test_contenders_take_turns_in_every_round() -> None:
    answers, watched = run(question(Case("plain", Scripted())), servers={"a": server(), "b": server()}, rounds=2)
    times = {who: found["at"] for who, found in figures(answers).items()}
    assert times["a"][0] < times["b"][0] < times["a"][1] < times["b"][1]
    assert [told[0] for told in watched] == [f"round {number} of 2: {who}" for number in (1, 2) for who in "ab"]
    assert [told[1:] for told in watched] == [("life, plain", done, 4) for done in range(4)]


def test_servers_have_one_core_and_the_load_another() -> None:
    for mine, other in ((HOST, CLIENT), (CLIENT, HOST)):
        answers, _ = run(question(Case("plain", Scripted())), rounds=1, cores=Cores((mine,), (other,)))
        assert figures(answers)["one"]["server_core"] == [mine]
        assert figures(answers)["one"]["load_core"] == [other]
    assert sorted(os.sched_getaffinity(0)) == CORES


def test_where_there_is_one_core_nothing_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert Cores.of_this_machine() == Cores(None, None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {7, 3, 5})
    assert Cores.of_this_machine() == Cores((3,), (5,))


def test_one_server_answers_all_cases_of_a_turn_after_it_was_warmed_up() -> None:
    answers, _ = run(question(Case("plain", Scripted()), Case("second", Scripted())), rounds=2, seconds=0.25)
    first, second = figures(answers)["one"], figures(answers, "second")["one"]
    assert first["server_pid"] == second["server_pid"]
    assert first["server_pid"][0] != first["server_pid"][1]
    # It was asked whether it listens, then warmed up, then measured.
    assert (first["served"], second["served"]) == ([3, 3], [4, 4])
    assert first["asked"] == [0.25, 0.25]


def test_a_case_that_wants_a_fresh_server_has_one_that_has_done_nothing() -> None:
    answers, _ = run(question(Case("fresh", Scripted(), fresh=True), Case("plain", Scripted())), rounds=1)
    fresh, plain = figures(answers, "fresh")["one"], figures(answers)["one"]
    assert fresh["served"] == [2]
    assert fresh["server_pid"] != plain["server_pid"]


def test_the_figures_are_what_the_server_took_and_what_the_load_has_found() -> None:
    answers, _ = run(question(Case("plain", Scripted("found['p50_us'] = 17"))), rounds=1)
    found = figures(answers)["one"]
    assert (found["rate"], found["busy"], found["p50_us"]) == ([20], [0.2], [17])
    assert found["us"][0] == pytest.approx(found["server_busy"][0] * 0.5 / 10 * 1e6)
    assert "note" not in found


def test_the_servers_cpu_counts_from_when_it_is_calm_after_opening_until_the_work_is_done() -> None:
    slow_to_open = SERVER.replace("        word =", "        burn(0.2)\n        word =")
    works = Case("works", Scripted("connection.sendall(b'burn'); connection.recv(4)"))
    waits = Case("waits", Scripted("connection.sendall(b'the end'); connection.recv(1)"))
    answers, _ = run(question(works, waits), servers={"one": server(slow_to_open)}, rounds=1)
    # 0.2 s for ten messages; opening took as long, and is no figure, nor a good part of one.
    assert figures(answers, "works")["one"]["us"][0] >= 20_000
    assert figures(answers, "waits")["one"]["us"][0] < 10_000


def test_a_case_begins_when_the_server_is_done_with_the_one_before() -> None:
    lingers = Case("lingers", Scripted("if seconds == 0.3: connection.sendall(b'linger'); connection.recv(4)"))
    answers, _ = run(question(lingers, Case("plain", Scripted())), rounds=1, seconds=0.3)
    assert figures(answers)["one"]["lingers"] == [0]


def test_memory_is_what_the_server_has_grown_by_for_each_connection() -> None:
    keeps = "        kept = b'x' * 40_000_000 * (about['served'] - 1)\n        connection.sendall(json"
    grows = server(SERVER.replace("        connection.sendall(json", keeps))
    idle = Case("plain", Scripted("found['messages'] = 0"), fresh=True)
    answers, _ = run(question(idle, figure="bytes"), servers={"grows": grows, "one": server()}, rounds=1)
    # The load says that it has opened four.
    assert 9.5e6 <= figures(answers)["grows"]["bytes"][0] < 11e6
    assert figures(answers)["one"]["bytes"][0] < 1e6
    assert "us" not in figures(answers)["one"]


def test_a_contender_that_never_listens_is_told_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START", 0.3)
    cases = Case("plain", Scripted()), Case("fresh", Scripted(), fresh=True)
    answers, watched = run(question(*cases), servers={"deaf": server(DEAF), "one": server()}, rounds=2)
    assert answers.failed("life", "plain") == {"deaf": "deaf did not listen within 0.3 s"}
    assert answers.failed("life", "fresh") == {"deaf": "deaf did not listen within 0.3 s"}
    assert set(figures(answers)) == {"one"}
    assert watched[-1][2:] == (7, 8)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (server("print('so it is'); raise SystemExit(3)"), "one has ended with status 3: so it is"),
        (server("import os; os.abort()"), "one was ended by signal 6"),
        (["/nowhere/server"], "one can't be started: [Errno 2] No such file or directory: '/nowhere/server'"),
    ],
)
def test_a_contender_that_does_not_start_is_told_with_its_last_words(command: list[str], why: str) -> None:
    answers, _ = run(question(Case("plain", Scripted())), servers={"one": command}, rounds=2)
    assert answers.failed("life", "plain") == {"one": why}


def test_a_server_that_dies_in_a_case_has_no_figure_there_and_a_successor_for_the_next() -> None:
    deadly = Scripted("connection.sendall(b'die'); connection.recv(1); sys.exit('the connection was lost')")
    cases = Case("before", Scripted()), Case("deadly", deadly), Case("plain", Scripted())
    answers, _ = run(question(*cases), rounds=2)
    assert answers.failed("life", "deadly") == {"one": "one has ended with status 1: it said die"}
    assert figures(answers, "deadly") == {}
    # In the second round it is not asked again, so one server is enough.
    pids = [figures(answers, case)["one"]["server_pid"] for case in ("before", "plain")]
    assert pids[0][0] != pids[1][0]
    assert pids[0][1] == pids[1][1]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("sys.exit('half of it is missing')", "the load has ended with status 1: half of it is missing"),
        ("found['failed'] = 3", "3 of the load's connections failed"),
        ("found['messages'] = 0", "there is no figure 'us' in what was found"),
        ("del found['seconds']", "there is no figure: KeyError('seconds')"),
        ("print('hello'); sys.exit()", "the load said 'hello', which is no object in JSON"),
        ("os.close(1); time.sleep(600)", "the load closed its output too early"),
    ],
)
def test_a_load_that_fails_is_told_and_gives_no_figure(monkeypatch: pytest.MonkeyPatch, more: str, why: str) -> None:
    monkeypatch.setattr(processes, "STOP", 0.5)
    answers, _ = run(question(Case("plain", Scripted(more))), rounds=1)
    assert answers.failed("life", "plain")["one"].startswith(why)
    assert figures(answers) == {}


def test_a_case_that_failed_in_one_round_has_no_figures(tmp_path: Path) -> None:
    flag = str(tmp_path / "flag")
    once = f"if os.path.exists({flag!r}): sys.exit('once only')\nif seconds == 0.3: open({flag!r}, 'w').close()"
    answers, _ = run(question(Case("plain", Scripted(once))), rounds=3, seconds=0.3)
    assert answers.failed("life", "plain") == {"one": "the load has ended with status 1: once only"}
    assert figures(answers) == {}


def test_what_can_not_be_done_on_this_machine_is_left_out_with_the_reason() -> None:
    answers, _ = run(
        question(Case("plain", Scripted("print('no such thing', file=sys.stderr); sys.exit(2)"))), rounds=2
    )
    assert answers.left_out("life", "plain") == {"one": "no such thing"}
    assert (answers.failed("life", "plain"), figures(answers)) == ({}, {})


def test_a_load_that_can_not_be_built_is_left_out_with_the_reason() -> None:
    class Unbuilt:
        def command(self, port: int, seconds: float) -> list[str]:
            raise OSError("there is no compiler: apt-get install gcc")

    answers, _ = run(question(Case("plain", Unbuilt())), rounds=1)
    assert answers.left_out("life", "plain") == {"one": "there is no compiler: apt-get install gcc"}


def test_a_case_for_some_contenders_is_not_asked_of_others() -> None:
    case = Case("plain", Scripted(), contenders=("b", "elsewhere"))
    answers, watched = run(question(case), servers={"a": server(), "b": server()}, rounds=1)
    assert set(figures(answers)) == {"b"}
    assert (answers.failed("life", "plain"), answers.left_out("life", "plain")) == ({}, {})
    assert len(watched) == 1


def test_programs_measure_themselves_on_the_servers_core_variant_by_variant() -> None:
    script = "figures = dict(us={seconds}, core=min(os.sched_getaffinity(0)), at=time.monotonic())"
    by = program(actorws=script, dict=script)
    answers, _ = run(question(Case("plain", by)), rounds=2, seconds=0.25, cores=Cores((CLIENT,), (HOST,)))
    found = figures(answers)
    assert found["dict"]["us"] == [0.25, 0.25]
    assert found["dict"]["core"] == [CLIENT, CLIENT]
    assert found["actorws"]["at"][0] < found["dict"]["at"][0] < found["actorws"]["at"][1]


def test_a_program_that_fails_or_can_not_run_is_told() -> None:
    by = program(
        bad="raise SystemExit('no memory')",
        absent="import sys; print('no server', file=sys.stderr); sys.exit(2)",
        dumb="",
    )
    answers, _ = run(question(Case("plain", by)), rounds=1)
    assert answers.failed("life", "plain")["bad"] == "bad has ended with status 1: no memory"
    assert answers.failed("life", "plain")["dumb"] == "there is no figure 'us' in what was found: "
    assert answers.left_out("life", "plain") == {"absent": "no server"}


def test_an_interrupt_leaves_no_server_behind() -> None:
    pids: list[int] = []

    class Interrupting(Scripted):
        def command(self, port: int, seconds: float) -> list[str]:
            pids.extend(machine.family(os.getpid())[1:])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(question(Case("plain", Interrupting())))
    (pid,) = pids
    assert not Path(f"/proc/{pid}").exists()
    assert sorted(os.sched_getaffinity(0)) == CORES


# Processes


def test_a_process_that_ignores_the_request_to_end_is_ended_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP", 0.1)
    with Server("stubborn", server(f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SERVER}")) as one:
        one.wait_listening()
        assert one.ending() == "stubborn was ended by signal 9"


def test_what_a_process_has_started_ends_with_it_even_if_it_ignores_the_request(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    script = (
        "import os, signal, sys, time\n"
        "if os.fork(): time.sleep(600)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "held = open(sys.argv[1], 'wb')\n"
        "os.write(1, b'{\"child\": %d}\\n' % os.getpid()); time.sleep(600)"
    )
    end = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with Driver("parent", [sys.executable, "-c", script, str(tmp_path / "fifo")]) as parent:
        child = parent.answer(60)["child"]
        assert machine.family(parent.pid) == [parent.pid, child]
    # Whoever has it open for writing is gone, or this waits.
    os.set_blocking(end, True)
    assert os.read(end, 1) == b""
    os.close(end)


def test_an_answer_that_does_not_come_in_time_is_told() -> None:
    with Driver("the load", server(DEAF)) as load, pytest.raises(RunFailed, match=r"the load said nothing for 0\.05 s"):
        load.answer(0.05)


def test_a_program_that_says_that_it_can_not_tells_why() -> None:
    script = "import sys; print('no\\nChromium', file=sys.stderr); sys.exit(2)"
    with Driver("the load", server(script)) as load, pytest.raises(CannotBeDone, match=r"^Chromium$"):
        load.answer(60)


# Machine


def test_cpu_time_is_finer_than_a_tick_and_counts_threads_that_have_ended_and_children() -> None:
    script = (
        "import os, threading, time\n"
        "def burn():\n    end = time.thread_time() + 0.1\n    while time.thread_time() < end: pass\n"
        "thread = threading.Thread(target=burn); thread.start(); thread.join()\n"
        "ready, done = os.pipe()\n"
        "if not os.fork(): burn(); os.write(done, b'x'); time.sleep(600)\n"
        "os.read(ready, 1); print('{}', flush=True); time.sleep(600)\n"
    )
    with Driver("it", [sys.executable, "-c", script]) as it:
        it.answer(60)
        alone, all_of_it = machine.cpu_seconds(it.pid), machine.cpu_seconds_of_family(it.pid)
        assert alone >= 0.1
        assert all_of_it >= alone + 0.1
        assert alone * 100 % 1 != 0
        assert machine.resident_of_family(it.pid) > machine.resident(it.pid) > 1_000_000
    with pytest.raises(OSError):
        machine.cpu_seconds(it.pid)


def test_programs_may_have_all_descriptors_for_a_while() -> None:
    ask = [sys.executable, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"]
    before = subprocess.check_output(ask)
    with machine.all_descriptors() as most:
        assert int(subprocess.check_output(ask)) == most
    assert subprocess.check_output(ask) == before
