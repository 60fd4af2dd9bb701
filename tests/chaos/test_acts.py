"""What owners did is judged by fences and times."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.acts import Act, Death, late, owners, read, stale, without_lease

A, B = 100, 200


def test_one_owner_after_the_other_is_well() -> None:
    acts = [Act(1, "x", 7, A), Act(2, "x", 7, A), Act(3, "x", 9, B), Act(3, "y", 8, A), Act(4, "x", 9, B)]
    assert stale(acts) == []
    assert owners(acts) == {"x": 2, "y": 1}


def test_an_act_after_a_later_owner_s_is_stale() -> None:
    first, later = Act(1, "x", 7, A), Act(2, "x", 9, B)
    assert stale([first, later, Act(3, "x", 7, A), Act(4, "y", 7, A)]) == [f"{Act(3, 'x', 7, A)} after {later}"]


def test_two_processes_with_one_fence_are_a_fault() -> None:
    assert len(stale([Act(1, "x", 7, A), Act(2, "x", 7, B)])) == 1


def test_who_knows_that_he_is_no_owner_does_not_act() -> None:
    acts = [Act(1, "x", 9, B), Act(2, "x", 0, A)]
    assert stale(acts) == [] and without_lease(acts) == 1


def test_a_dead_node_s_names_are_timed() -> None:
    acts = [Act(1, "x", 7, A), Act(1, "y", 6, B), Act(4, "x", 8, B)]
    assert late(acts, [Death(1.5, A)], 3) == ([2.5], [])
    times, found = late(acts, [Death(1.5, A)], 2)
    assert times == [2.5] and "after: 2.50 s" in found[0]


def test_a_name_that_nobody_gets_is_found() -> None:
    times, found = late([Act(1, "x", 7, A), Act(2, "y", 8, B)], [Death(1.5, A)], 3)
    assert times == [] and found == ["x of the process 100, which was killed, had another owner after: never"]


def test_lines_are_read_by_time_and_half_ones_are_not(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []
    (tmp_path / "acts").write_text("2000000000 x 7 100\n1000000000 y 0 200\n30000000")
    assert read(tmp_path / "acts") == [Act(1, "y", 0, B), Act(2, "x", 7, A)]
    assert read(tmp_path / "acts", len("2000000000 x 7 100\n")) == [Act(1, "y", 0, B)]
