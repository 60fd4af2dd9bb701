"""Autobahn's testsuite against a server and clients of ours: every section, with few messages where it sends many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.autobahn.cases import SECTIONS, groups, section, select
from tests.autobahn.environment import Environment, NotPrepared, find
from tests.autobahn.fuzzed import CLIENTS
from tests.autobahn.fuzzer import Fuzzer
from tests.autobahn.suite import Suite
from tests.autobahn.table import Report
from tests.autobahn.target import Target

#: Of 1000: each case still has its size, its fragments and its parameters. All sections take 20 s against a server, and
#: 30 s against all clients.
MESSAGES = 3


@pytest.fixture(scope="module")
def environment() -> Environment:
    try:
        return find()
    except NotPrepared as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def cases(environment: Environment) -> list[str]:
    """Every case there is."""
    return environment.all_cases()


@pytest.fixture(scope="module")
def suite(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """All sections are played against one server, which must end in order."""
    folder: Path = tmp_path_factory.mktemp("autobahn")
    with Target("tests.servers.torture:app", "/big", folder / "server.log") as target:
        yield Suite(environment, target, folder, MESSAGES)


@pytest.mark.parametrize("number", SECTIONS)
def test_every_case_of_a_section_passes_strictly(suite: Suite, cases: list[str], number: int) -> None:
    wanted = select(cases, [str(number)])
    report = Report(list(suite.play(groups(wanted, MESSAGES))))
    assert report.passed, f"\n{report}\nreports of cases: {suite.folder}"


@pytest.mark.parametrize("client", CLIENTS)
def test_every_case_passes_strictly_for_a_client(
    environment: Environment, cases: list[str], client: str, tmp_path: Path
) -> None:
    wanted = [case for case in cases if section(case) in CLIENTS[client].sections]
    outcomes = Fuzzer(environment, client, tmp_path, MESSAGES).play(groups(select(wanted), MESSAGES))
    report = Report(list(outcomes), races=CLIENTS[client].races)
    assert report.passed, f"\n{report}\nreports of cases: {tmp_path}"


def test_the_sections_are_all_that_the_suite_has(cases: list[str]) -> None:
    assert {section(case) for case in cases} == set(SECTIONS)
    assert len(cases) == 517
