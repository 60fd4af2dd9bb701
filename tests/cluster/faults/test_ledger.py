"""The check that all other tests here rely on."""

from __future__ import annotations

from tests.support.owners import Entry, Ledger, stale


def act(at: float, node: str, fence: int) -> Entry:
    return Entry(at, node, "act", str(fence))


def test_an_owner_after_another_is_fine():
    assert stale([act(1, "a", 10), act(2, "a", 10), act(3, "b", 11), act(4, "a", 12)]) == []


def test_whoever_acts_after_a_later_owner_is_found():
    late = act(3, "a", 10)
    assert stale([act(1, "a", 10), act(2, "b", 11), late, act(4, "b", 11)]) == [late]
    assert stale([act(1, "a", 10), late, act(4, "b", 11), act(2, "b", 11)]) == [late], "by time, not as written"


def test_a_later_owner_with_a_lower_fence_is_found():
    late = act(2, "b", 9)
    assert stale([act(1, "a", 10), late]) == [late]


def test_a_line_that_is_not_yet_written_whole_is_read_later(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    with ledger.path.open("w") as file:
        file.write("1.5 a act 10\n2.5 a ac")
        file.flush()
        assert ledger.all_acts() == [act(1.5, "a", 10)]
        file.write("t 11\n")
    assert ledger.all_acts() == [act(1.5, "a", 10), act(2.5, "a", 11)]
    assert ledger.fences("a") == [10, 11]
