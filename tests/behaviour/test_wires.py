"""The suite itself: a scenario that says nothing else runs over every wire."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.stage import KINDS, WEBSOCKETS, WIRES

#: Prints each test that has a wire: scenario, wire, kind of callbacks, names of its markers, whether these say why.
COLLECT = """
import json, sys, pytest

class Printer:
    def pytest_collection_finish(self, session):
        for item in session.items:
            params = getattr(item, "callspec", None) and item.callspec.params or {}
            if "wire" in params:
                marks = list(item.iter_markers())
                own = any("wire" in mark.args[0] for mark in marks if mark.name == "parametrize")
                others = [wire for mark in marks if mark.name == "not_over" for wire in mark.args]
                why = all(mark.kwargs.get("because") for mark in marks if mark.name == "not_over")
                only = any(mark.name == "websocket" for mark in marks)
                scenario = item.path.stem + "." + item.originalname
                print("\\n@", json.dumps([scenario, params["wire"], params.get("kind"), own, only, others, why]))

pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", sys.argv[1]], plugins=[Printer()])
"""


class Scenario:
    """Over what it runs, and what it says about that."""

    def __init__(self) -> None:
        self.wires: set[str] = set()
        self.kinds: set[str] = set()
        self.has_own_wires = self.is_websocket = False
        self.others: list[str] = []
        self.says_why = True


@pytest.fixture(scope="module")
def scenarios() -> dict[str, Scenario]:
    folder = Path(__file__).parent
    command = [sys.executable, "-c", COLLECT, str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "WIRES"}
    root = folder.parent.parent
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)
    found: dict[str, Scenario] = defaultdict(Scenario)
    for line in done.stdout.splitlines():
        if line.startswith("@ "):
            name, wire, kind, own, only, others, why = json.loads(line[2:])
            scenario = found[name]
            scenario.wires.add(wire)
            scenario.kinds.add(kind)
            scenario.has_own_wires, scenario.is_websocket = own, only
            scenario.others, scenario.says_why = others, why
    assert found, done.stdout + done.stderr
    return found


def test_a_scenario_without_a_marker_runs_over_every_wire(scenarios: dict[str, Scenario]) -> None:
    for name, scenario in scenarios.items():
        if not scenario.has_own_wires:
            expected = set(WEBSOCKETS if scenario.is_websocket else WIRES) - set(scenario.others)
            assert scenario.wires == expected, name


def test_most_scenarios_run_over_every_wire(scenarios: dict[str, Scenario]) -> None:
    """A fifth of them is about who is let in, and a fifth about the frames of a WebSocket."""
    accepted = [name for name, scenario in scenarios.items() if scenario.wires >= set(WIRES) - {"outbound"}]
    assert len(accepted) >= 100
    assert len(accepted) >= 0.7 * len(scenarios)
    everywhere = [name for name, scenario in scenarios.items() if scenario.wires == set(WIRES)]
    assert len(everywhere) >= 95


def test_what_is_not_about_who_is_let_in_runs_behind_a_connection_of_our_own(scenarios: dict[str, Scenario]) -> None:
    """Frames and all: but for three: the bytes behind a request, a server's background function, and who isn't read."""
    rest = {name for name, scenario in scenarios.items() if "outbound" not in scenario.wires}
    modules = sorted(name.partition(".")[0] for name in rest if not name.startswith("test_connect."))
    assert modules == ["test_backpressure", "test_init_and_state", "test_registry"]
    assert len(scenarios) - len(rest) >= 125


def test_both_kinds_of_callbacks_run(scenarios: dict[str, Scenario]) -> None:
    assert sum(scenario.kinds >= set(KINDS) for scenario in scenarios.values()) >= 0.9 * len(scenarios)


def test_a_scenario_that_is_not_over_some_wires_says_why(scenarios: dict[str, Scenario]) -> None:
    assert [name for name, scenario in scenarios.items() if not scenario.says_why] == []
