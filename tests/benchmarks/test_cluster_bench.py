"""The benchmark of the cluster works and can fail: it is only run for a moment here, and no figure is judged."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve

from actorws.cluster.launcher import find_server
from benchmarks.cluster import __main__ as command
from benchmarks.cluster import publish, simulate
from benchmarks.cluster.bench import QUICK, Bench, Process, RunFailed
from benchmarks.cluster.ledger import SIZE, Ledger, as_bytes, as_text, message
from benchmarks.cluster.model import Costs, TooLarge, largest, nodes_reached, plan, servers
from benchmarks.cluster.peers import compare
from benchmarks.cluster.scenarios import SCENARIOS, Groups, Limits, Scenario
from benchmarks.cluster.server import running_server
from benchmarks.cluster.simulate import COSTS, DOCUMENT, document
from benchmarks.cluster.taking import line, take
from benchmarks.figures import Figures, Goal

# The harness


@pytest.fixture(scope="module")
def smallest_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command has written, and its status."""
    file = tmp_path_factory.mktemp("run") / "figures.json"
    status = command.main(["--quick", "--json", str(file)])
    return {"status": status, **json.loads(file.read_text())}


@pytest.mark.parametrize("question", [name for name in command.QUESTIONS if name not in command.EXTRA])
def test_every_question_is_answered_by_the_smallest_run(question: str, smallest_run: dict[str, Any]) -> None:
    assert (smallest_run["status"], smallest_run["failures"]) == (0, [])
    found = [figure for figure in smallest_run["figures"] if figure["question"] == question]
    # CPU time has steps of 10 ms and memory of a page, which is more than what so little takes.
    assert [figure for figure in found if not ("CPU" in figure["what"] or "bytes" in figure["what"])]
    assert all(figure["median"] > 0 for figure in found if not ("CPU" in figure["what"] or "bytes" in figure["what"]))


def test_costs_are_taken_from_a_run(smallest_run: dict[str, Any]) -> None:
    before = json.loads(COSTS.read_text())
    after = take(smallest_run, before)
    assert set(after["costs"]) == set(before["costs"])
    assert after["costs"]["receive"] == before["costs"]["receive"]
    assert 50 < after["costs"]["envelope_bytes"]["value"] < 150
    assert after["costs"]["engine_publish"]["from"].startswith("spread; to 0, 1, 4, 16 nodes")


def test_an_unknown_question_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["--only", "life"])
    assert "there is no 'life'; there are publish, names," in capsys.readouterr().err


def test_a_server_that_is_not_there_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--quick", "--server", "/nowhere/redis-server"]) == 2
    assert "/nowhere/redis-server" in capsys.readouterr().err


async def test_a_message_that_does_not_come_fails_the_run() -> None:
    with running_server(find_server()) as server:
        bench = Bench(server, QUICK, Figures(), pinned=False)
        async with (
            bench.node("engine", server.unix, "sender") as sender,
            bench.node("engine", server.unix, "receiver") as receiver,
        ):
            await receiver.ask("join_many", prefix="g", count=1)
            await receiver.ask("listen")
            sent = await sender.ask("publish", groups=["g0"], tasks=2, seconds=0.02)
            assert (await receiver.ask("report", sent=sent["sent"]))["fault"] == ""
            one_more = [*sent["sent"], 1]
            report = await receiver.ask("report", sent=one_more, silence=0.05)
            assert report["fault"] == f"{sum(one_more) - 1} of {sum(one_more)} messages came"


def test_a_question_that_fails_is_told_and_makes_the_status_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(bench: Bench) -> None:
        raise RunFailed("3 of 4 messages came")

    monkeypatch.setitem(command.QUESTIONS, "publish", fail)
    assert command.main(["--quick", "--only", "publish", "--json", str(tmp_path / "figures.json")]) == 1
    assert "FAILED  publish, all: 3 of 4 messages came" in capsys.readouterr().out


class _Scripted(Process):
    """Answers as it is told."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.pid = 1
        self._answer = answer

    async def ask(self, do: str, **arguments: Any) -> Any:
        return self._answer


async def test_a_run_with_a_fault_has_no_figure_and_fails_its_case() -> None:
    figures = Figures()
    with running_server(find_server()) as server:
        bench = Bench(server, QUICK, figures, pinned=False)
        sender = _Scripted({"sent": [2], "began_ns": 0})
        receiver = _Scripted({"fault": "message 1 of sender 0 came where 0 was due", "count": 2, "last_ns": 1})
        async with bench.case("publish", "a case"):
            await publish.measure(bench, "publish", "a case", publish.CASES[0], sender, receiver)
    assert figures.failures == {("publish", "a case"): "message 1 of sender 0 came where 0 was due"}
    assert figures.good() == []


async def test_an_order_that_fails_is_told_with_its_reason_and_the_process_goes_on() -> None:
    with running_server(find_server()) as server:
        bench = Bench(server, QUICK, Figures(), pinned=False)
        async with bench.node("engine", server.unix, "sender") as node:
            with pytest.raises(RunFailed, match=r"the sender: .*nobody has x0"):
                await node.ask("locate", prefix="x", names=1, count=1)
            assert await node.ask("gaps") == []


async def test_a_process_that_has_died_is_told_at_the_next_order() -> None:
    with running_server(find_server()) as server:
        bench = Bench(server, QUICK, Figures(), pinned=False)
        async with bench.node("engine", server.unix, "sender") as node:
            subprocess.run(["kill", "-9", str(node.pid)], check=True)
            with pytest.raises(RunFailed, match=r"the sender (has ended, with status -9|did not answer)"):
                await node.ask("gaps")


async def test_a_peer_that_cannot_be_installed_is_named_as_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def fail(*command: str) -> None:
        raise subprocess.CalledProcessError(1, command, stderr=b"first\nno such package\n")

    figures = Figures()
    peer = compare.Contestant("somebody", ("nothing",), ("no-such-package",))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compare, "run_quietly", fail)
    monkeypatch.setattr(compare, "CONTESTANTS", (peer,))
    await compare.run(SimpleNamespace(figures=figures, scale=QUICK))  # type: ignore[arg-type]
    assert figures.left_out == {("peers", "somebody"): "can't be installed: no such package"}
    assert "left out  peers, somebody" in figures.table()


# The ledger


def ledger_of(*messages: tuple[int, int]) -> Ledger:
    ledger = Ledger(times=True)
    for sender, number in messages:
        ledger.take(message(sender, number))
    return ledger


def test_what_came_once_and_in_each_senders_order_is_right() -> None:
    assert ledger_of((0, 0), (1, 0), (0, 1), (1, 1), (1, 2)).check([2, 3]) == ""


@pytest.mark.parametrize(
    ("came", "fault"),
    [
        ([(0, 0), (0, 1)], "2 of 3 messages came"),
        ([(0, 0), (0, 2)], "message 2 of sender 0 came where 1 was due"),
        ([(0, 0), (0, 2), (0, 1)], "message 2 of sender 0 came where 1 was due"),
        ([(0, 0), (0, 1), (0, 1)], "message 1 of sender 0 came where 2 was due"),
        ([(1, 1)], "message 1 of sender 1 came where 0 was due"),
    ],
)
def test_what_was_lost_or_doubled_or_out_of_order_is_told(came: list[tuple[int, int]], fault: str) -> None:
    assert ledger_of(*came).check([3]) == fault


def test_a_report_has_the_times_of_messages() -> None:
    report = ledger_of((0, 0), (0, 1)).report([2])
    assert 0 <= report["p50"] <= report["p99"]


def test_a_message_has_the_same_size_as_bytes_and_as_text() -> None:
    data = message(3, 4)
    assert len(data) == len(as_text(data)) == SIZE
    ledger = Ledger()
    ledger.take(as_bytes(as_text(message(3, 0))))
    assert ledger.check([0, 0, 0, 1]) == ""


# Figures


def test_a_table_has_medians_with_their_spread_and_says_which_goals_are_missed() -> None:
    figures = Figures()
    for value in (100, 300, 200):
        figures.add("q", "c", {"messages/s": value, "us": 1.0}, {"messages/s": Goal(least=150), "us": Goal(most=0.5)})
    rows = [line.split() for line in figures.table().splitlines()]
    assert ["q", "c", "messages/s", "200", "100", "-", "300", ">=", "150", "met"] in rows
    assert ["us", "1", "1", "-", "1", "<=", "0.5", "MISSED"] in rows


def test_a_case_that_failed_in_one_round_has_no_figures() -> None:
    figures = Figures()
    figures.add("q", "good", {"x": 1})
    figures.add("q", "bad", {"x": 1})
    figures.fail("q", "bad", "3 of 4 messages came")
    assert [figure.case for figure in figures.good()] == ["good"]
    assert "FAILED  q, bad: 3 of 4 messages came" in figures.table()


# The simulation

FREE = Costs(**dict.fromkeys((field.name for field in Costs.__attrs_attrs__), 0.0))
LIMITS = Limits(node_cpu=0.5, node_connections=1000, node_memory=1e9, kernel_bytes=0, ping_every=1e9)


def test_members_are_on_as_many_nodes_as_when_they_are_thrown_there() -> None:
    dice = random.Random(7)
    for members, nodes in ((4, 10), (50, 30), (2000, 10)):
        thrown = [len({dice.randrange(nodes) for _ in range(members)}) for _ in range(2000)]
        assert nodes_reached(members, nodes) == pytest.approx(sum(thrown) / len(thrown), rel=0.02)


def test_connections_decide_the_number_of_nodes_where_nothing_else_costs() -> None:
    found = plan(Scenario("s", "", users=4500), FREE, LIMITS)
    assert (found.nodes, found.bound_by) == (5, "connections")


def test_nodes_are_as_many_as_their_cpu_wants() -> None:
    # 1000 users who send 10 messages of 100 us each: one core, so two halves, and connections want one node.
    found = plan(Scenario("s", "", users=1000, received=10), evolve(FREE, receive=100), LIMITS)
    assert (found.nodes, found.bound_by, found.node_cpu) == (2, "CPU", pytest.approx(0.5))


def test_memory_counts_connections_and_names() -> None:
    costs = evolve(FREE, connection_bytes=1e6, node_name_bytes=5e5)
    found = plan(Scenario("s", "", users=1000, names=2), costs, LIMITS)
    assert (found.nodes, found.bound_by, found.node_memory) == (2, "memory", pytest.approx(1e9))


def test_the_engine_bears_publishes_deliveries_and_names() -> None:
    costs = evolve(FREE, engine_publish=10, engine_delivery=1, engine_send=5, engine_register=2, envelope_bytes=50)
    costs = evolve(costs, engine_name_back=3, engine_group_back=7, engine_name_bytes=100, engine_group_bytes=200)
    groups = (Groups("all", number=1, members=1e6, messages=100),)
    scenario = Scenario("s", "", users=4000, groups=groups, sends=0.5, churn=0.25, size=150)
    engine = plan(scenario, costs, LIMITS).engine
    assert (engine.publishes, engine.deliveries, engine.sends, engine.registers) == (
        100,
        pytest.approx(400),
        2000,
        1000,
    )
    assert engine.cpu == pytest.approx((100 * 10 + 400 * 1 + 2000 * 5 + 2 * 1000 * 2) / 1e6)
    assert engine.bandwidth == pytest.approx(2400 * 200)
    assert engine.memory == pytest.approx(4000 * 100 + 4 * 200)
    assert engine.recovery == pytest.approx((4000 * 3 + 4 * 7) / 1e6)


def test_a_primary_ends_where_its_first_limit_is_reached() -> None:
    # A name takes 1 ms to come back: 5 s are 5000 of them.
    factor, why = largest(Scenario("s", "", users=1000), evolve(FREE, engine_name_back=1000), LIMITS)
    assert factor == pytest.approx(5, rel=0.02)
    assert why == "recovery"


def test_names_are_divided_among_primaries_and_one_group_is_not() -> None:
    names = Scenario("s", "", users=12_000)
    assert servers(names, evolve(FREE, engine_name_back=1000), LIMITS)["by hash"] == 3
    group = Scenario("s", "", users=1000, names=0, groups=(Groups("all", 1, 1000, 1e6),))
    found = servers(group, evolve(FREE, engine_publish=1), LIMITS)
    assert (found["by hash"], found["by partition"]) == (float("inf"), float("inf"))


def test_what_comes_to_every_node_can_be_too_much_for_any_number_of_them() -> None:
    group = Scenario("s", "", users=1000, groups=(Groups("all", 1, 1e9, 1e6),))
    with pytest.raises(TooLarge):
        plan(group, evolve(FREE, node_arrive=1), LIMITS)


def test_growing_makes_more_groups_or_larger_ones() -> None:
    chat, event, open_chat, _ = (scenario.grown(3) for scenario in SCENARIOS)
    assert chat.groups[0].number == 3 * SCENARIOS[0].groups[0].number
    assert event.groups[0].members == 3 * SCENARIOS[1].groups[0].members
    assert open_chat.groups[1].messages == 3 * SCENARIOS[2].groups[1].messages


def test_a_line_is_found_through_points() -> None:
    assert line([(0, 1), (1, 3), (4, 9)]) == (pytest.approx(1), pytest.approx(2))


def test_a_run_that_has_not_what_is_needed_is_refused_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, before = tmp_path / "figures.json", COSTS.read_text()
    file.write_text('{"figures": []}')
    assert simulate.main(["--take", str(file)]) == 2
    assert f"{file} has not what is needed" in capsys.readouterr().err
    assert COSTS.read_text() == before


def test_the_plan_is_what_the_figures_say() -> None:
    assert DOCUMENT.read_text() == document(json.loads(COSTS.read_text())), (
        "run: python -m benchmarks.cluster.simulate --write SCALE.md"
    )
