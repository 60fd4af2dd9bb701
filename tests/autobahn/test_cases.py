"""Which cases a pattern stands for, and the groups that they are run in."""

from __future__ import annotations

import pytest

from tests.autobahn.cases import NoSuchCase, groups, select

KNOWN = ["10.1.1", "1.1.10", "1.1.9", "1.1.1", "2.1", "12.1.1", "12.2.1", "9.1.1"]


@pytest.mark.parametrize(
    ("patterns", "cases"),
    [
        ([], ["1.1.1", "1.1.9", "1.1.10", "2.1", "9.1.1", "10.1.1", "12.1.1", "12.2.1"]),
        (["1.1.1"], ["1.1.1"]),
        (["1"], ["1.1.1", "1.1.9", "1.1.10"]),
        (["12.1", "2.*"], ["2.1", "12.1.1"]),
        (["2-10"], ["2.1", "9.1.1", "10.1.1"]),
        (["2", "2.1"], ["2.1"]),
    ],
)
def test_a_pattern_is_a_case_or_all_below_a_number_or_a_range_of_sections(patterns, cases):
    assert select(KNOWN, patterns) == cases


@pytest.mark.parametrize("pattern", ["1.1.2", "8", "11-11", "x", ""])
def test_a_pattern_that_stands_for_nothing_is_refused(pattern):
    with pytest.raises(NoSuchCase, match="no case is meant by"):
        select(KNOWN, ["1", pattern])


def test_a_section_is_a_group():
    found = groups(select(KNOWN), messages=3)
    assert [group.name for group in found] == ["1", "2", "9", "10", "12"]
    assert found[0].cases == ("1.1.1", "1.1.9", "1.1.10")


def test_with_many_messages_each_part_of_a_section_with_compression_is_a_group():
    assert [group.name for group in groups(["12.1.1", "12.1.2", "12.2.1"], messages=1000)] == ["12.1", "12.2"]


def test_a_budget_grows_with_what_there_is_to_do():
    def budget(cases: int, messages: int) -> float:
        (group,) = groups([f"12.1.{number}" for number in range(cases)], messages)
        return group.budget

    assert 60 < budget(1, 10) < budget(1, 1000) < budget(2, 1000) < 200
    assert [group.budget for group in groups(["1.1.1", "9.1.1"], 1000)] == [60, 300]
