"""The behaviour suite: each scenario runs over every wire, with both kinds of callbacks; see `tests.support.stage`."""

from __future__ import annotations

import os

import pytest
import trio
from trio.testing import MockClock

from tests.support.stage import KINDS, WEBSOCKETS, WIRES, Stage

#: By the environment it may be fewer, where all have been run already.
CHOSEN = os.environ.get("WIRES", "").split() or list(WIRES)


def wires_of(scenario: pytest.Metafunc) -> list[str]:
    """Over which a scenario runs."""
    wires = WEBSOCKETS if scenario.definition.get_closest_marker("websocket") else WIRES
    others = {wire for mark in scenario.definition.iter_markers("not_over") for wire in mark.args}
    return [wire for wire in wires if wire in CHOSEN and wire not in others]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = metafunc.definition.iter_markers("parametrize")
    given = {name.strip() for mark in marks for name in mark.args[0].split(",")}
    for name, values in (("kind", KINDS), ("wire", wires_of(metafunc))):
        if name in metafunc.fixturenames and name not in given:
            metafunc.parametrize(name, values)


@pytest.fixture
def clock(wire: str) -> trio.abc.Clock | None:
    """Virtual time where nothing real is waited for. (Each test takes it: pytest-trio finds its clock there.)"""
    return None if wire == "tcp" else MockClock(autojump_threshold=0)


@pytest.fixture(name="serve")
def _stage(wire: str, kind: str, clock: trio.abc.Clock | None) -> Stage:
    return Stage(wire, kind, clock)
