"""The printed table: it has everything that isn't OK, and its verdict follows the judge."""

from __future__ import annotations

from tests.autobahn.cases import Group
from tests.autobahn.result import Result
from tests.autobahn.suite import Outcome
from tests.autobahn.table import Report


def report(*results: Result, cases: tuple[str, ...] = (), trouble: str | None = None) -> Report:
    wanted = cases or tuple(result.case for result in results)
    return Report([Outcome(Group("7", wanted, 60), results, trouble, 1.25)])


def row(text: str, name: str) -> list[str]:
    """The cells of a row."""
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    return line.removeprefix(name).split()


def test_a_row_counts_what_became_of_the_cases_of_a_section():
    results = [
        Result("7.1.1"),
        Result("7.1.2", "FAILED", "UNCLEAN"),
        Result("7.1.6", "INFORMATIONAL", "INFORMATIONAL"),
        Result("7.1.3", "NON-STRICT"),
        Result("7.1.4", "UNIMPLEMENTED"),
    ]
    text = str(report(*results, cases=("7.1.1", "7.1.2", "7.1.3", "7.1.4", "7.1.6", "7.9.1")))
    assert row(text, "7 closing") == row(text, "all") == ["6", "1", "1", "1", "1", "1", "1", "1", "1.2"]


def test_what_is_not_ok_is_listed_whether_accepted_or_refused():
    text = str(report(Result("7.1.6", "INFORMATIONAL"), Result("7.1.1", "FAILED"), Result("7.1.2")))
    assert "not OK, as the suite allows:\n  7.1.6 INFORMATIONAL ()\nrefused:\n  7.1.1 FAILED ()\nnot passed" in text


def test_a_list_without_offences_passes():
    passed = report(Result("7.1.1"))
    assert passed.passed
    assert str(passed).endswith("passed")
    assert not str(passed).endswith("not passed")


def test_non_strict_passes_where_a_race_is_allowed_and_nowhere_else():
    outcomes = report(Result("3.2", "NON-STRICT")).outcomes
    assert Report(outcomes, races={"3.2"}).passed
    assert not Report(outcomes, races=frozenset()).passed


def test_an_offence_does_not_pass():
    assert not report(Result("7.1.1", "FAILED")).passed


def test_a_group_that_was_cut_short_does_not_pass_though_all_results_are_there():
    cut = report(Result("7.1.1"), trouble="the suite ended with status 1: out of memory")
    assert not cut.passed
    assert "trouble:\n  7: the suite ended with status 1: out of memory\nnot passed" in str(cut)


def test_trouble_with_the_server_at_its_end_does_not_pass():
    failed = Report(report(Result("7.1.1")).outcomes, "the server ended with status 1")
    assert not failed.passed
    assert "the server ended with status 1" in str(failed)


def test_nothing_at_all_does_not_pass():
    assert not Report([]).passed
