"""What is accepted of the suite's results, and that everything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.autobahn.judge import INFORMATIONAL_CASES, RACES, judge
from tests.autobahn.result import Result, read_results


def test_a_list_where_all_is_ok_is_accepted():
    assert judge(["1.1.1", "9.3.1"], [Result("1.1.1"), Result("9.3.1")]) == []


@pytest.mark.parametrize("case", sorted(RACES))
def test_non_strict_is_accepted_where_a_race_decides(case):
    assert judge([case], [Result(case, "NON-STRICT")]) == []


def test_non_strict_is_refused_where_no_race_is_allowed():
    (offence,) = judge(["3.2"], [Result("3.2", "NON-STRICT")], races=frozenset())
    assert offence.case == "3.2"


@pytest.mark.parametrize("case", sorted(INFORMATIONAL_CASES))
def test_informational_is_accepted_where_the_suite_says_nothing_else(case):
    assert judge([case], [Result(case, "INFORMATIONAL", "INFORMATIONAL")]) == []


@pytest.mark.parametrize(
    "result",
    [
        Result("1.1.1", "FAILED"),
        Result("12.1.1", "UNIMPLEMENTED"),
        Result("6.4.1", "NON-STRICT"),
        Result("3.1", "NON-STRICT"),
        Result("1.1.1", "INFORMATIONAL", "INFORMATIONAL"),
        Result("1.1.1", "a word that the suite has never said"),
        Result("1.1.1", "LATE"),
        Result("3.2", "LATE"),
        Result("7.1.6", "LATE", "INFORMATIONAL"),
        Result("1.1.1", close="FAILED"),
        Result("1.1.1", close="UNCLEAN"),
        Result("1.1.1", close="WRONG CODE"),
        Result("1.1.1", close="FAILED BY CLIENT"),
        Result("1.1.1", close="INFORMATIONAL"),
        Result("3.2", "NON-STRICT", "UNCLEAN"),
        Result("3.2", "FAILED"),
        Result("7.13.1", "FAILED", "INFORMATIONAL"),
        Result("7.13.1", "INFORMATIONAL", "FAILED"),
    ],
    ids=str,
)
def test_any_other_result_is_an_offence_of_its_case(result):
    offences = judge([result.case, "2.1"], [Result("2.1"), result])
    assert [offence.case for offence in offences] == [result.case]


def test_a_case_without_a_result_is_an_offence():
    offences = judge(["1.1.1", "1.1.2"], [Result("1.1.1")])
    assert [str(offence) for offence in offences] == ["1.1.2 UNFINISHED"]


def test_a_result_that_was_not_asked_for_is_an_offence():
    assert [str(offence) for offence in judge([], [Result("1.1.1")])] == ["1.1.1 was not asked for"]


def test_offences_are_told_in_the_order_of_their_cases():
    offences = judge(["9.10", "9.9", "10.1.1"], [])
    assert [offence.case for offence in offences] == ["9.9", "9.10", "10.1.1"]


def test_an_offence_says_what_the_suite_says():
    result = Result("7.1.5", "FAILED", "WRONG CODE", "Actual events differ.", "Should have been 1000.", 1002)
    (offence,) = judge(["7.1.5"], [result])
    assert str(offence) == (
        "7.1.5 FAILED (Actual events differ.); close WRONG CODE (Should have been 1000.; code 1002)"
    )


def test_results_are_read_up_to_a_line_that_was_cut(tmp_path: Path):
    line = {"id": "1.1.1", "behavior": "OK", "behaviorClose": "UNCLEAN", "result": "", "resultClose": "dropped"}
    line |= {"remoteCloseCode": None, "duration": 1500}
    file = tmp_path / "results.jsonl"
    file.write_text(json.dumps(line) + "\n" + json.dumps(line)[:20])
    assert read_results(file) == [Result("1.1.1", close="UNCLEAN", why_close="dropped", seconds=1.5)]


def test_where_nothing_was_written_there_are_no_results(tmp_path: Path):
    assert read_results(tmp_path / "nothing") == []
