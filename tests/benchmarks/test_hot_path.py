"""The benchmark of the hot path measures something: it is only run for a moment here, and no figure is judged."""

from __future__ import annotations

import pytest
import trio

from benchmarks import hot_path


@pytest.mark.parametrize("rule", hot_path.RULES, ids=lambda rule: rule.name)
def test_both_sides_of_a_comparison_deliver_messages(rule: hot_path.Rule) -> None:
    for case in (rule.kept, rule.broken):
        assert 0 < trio.run(hot_path.measure, case, 0.1) < 100_000


def test_a_word_instead_of_seconds_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert hot_path.main(["soon"]) == 2
    assert capsys.readouterr().err == "seconds must be a number, not 'soon'\n"
