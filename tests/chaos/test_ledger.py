"""The ledger finds what is wrong, and accepts what is accounted for."""

from __future__ import annotations

import pytest

from tests.chaos.ledger import Ledger, Receiver, Sender

ROOM = "room"


def pair(ledger: Ledger) -> tuple[Sender, Receiver]:
    """Ben's account of who sends, and Anna's of who receives; Anna was there first."""
    _, anna = ledger.began("anna.1", "anna", ROOM)
    ben, _ = ledger.began("ben.1", "ben", ROOM)
    return ben, anna


def test_what_comes_in_order_is_well() -> None:
    ledger = Ledger()
    _, anna = pair(ledger)
    for number, kind, count in ((1, "N", 1), (2, "G", 1), (4, "n", 1), (7, "N", 2)):
        anna.got("ben.1", number, kind, count)
    ledger.judge()
    assert (ledger.faults, ledger.delivered, ledger.covered) == ([], 4, {})


@pytest.mark.parametrize(
    ("number", "told"), [(2, "number 2 of ben.1 (G 1) came twice"), (1, "number 1 of ben.1 (G 1) came after 2")]
)
def test_what_comes_twice_or_too_late_is_a_fault(number: int, told: str) -> None:
    ledger = Ledger()
    _, anna = pair(ledger)
    anna.got("ben.1", 2, "N", 1)
    anna.got("ben.1", number, "G", 1)
    assert ledger.faults == [f"anna.1: {told}"]


def test_a_count_that_does_not_rise_is_a_fault() -> None:
    ledger = Ledger()
    _, anna = pair(ledger)
    anna.got("ben.1", 1, "N", 1)
    anna.got("ben.1", 2, "N", 1)
    assert ledger.faults == ["anna.1: N 1 of ben.1 came after N 1"]


@pytest.mark.parametrize("kind", "NnGg")
def test_an_unannounced_hole_is_a_fault(kind: str) -> None:
    ledger = Ledger()
    _, anna = pair(ledger)
    anna.got("ben.1", 1, kind, 1)
    anna.got("ben.1", 3, kind, 3)
    ledger.judge()
    assert len(ledger.faults) == 1 and f"anna.1: {kind} 2 of ben.1 is missing" in ledger.faults[0]


def test_the_first_message_of_who_began_later_has_to_come() -> None:
    ledger = Ledger()
    _, anna = pair(ledger)
    anna.got("ben.1", 2, "N", 2)
    ledger.judge()
    assert len(ledger.faults) == 1


def test_what_was_said_before_one_was_there_is_not_owed() -> None:
    ledger = Ledger()
    ledger.began("ben.1", "ben", ROOM)
    _, anna = ledger.began("anna.1", "anna", ROOM)
    anna.got("ben.1", 70, "G", 60)
    ledger.judge()
    assert ledger.faults == []


def test_a_gap_covers_a_hole_around_it() -> None:
    ledger = Ledger()
    _, anna = pair(ledger)
    anna.got("ben.1", 1, "N", 1)
    anna.gap()
    anna.got("ben.1", 4, "N", 4)
    ledger.judge()
    assert (ledger.faults, ledger.covered) == ([], {"receiver's gap": 2})


@pytest.mark.parametrize("before", [True, False])
def test_a_gap_before_or_behind_a_hole_does_not_cover_it(before: bool) -> None:
    ledger = Ledger()
    _, anna = pair(ledger)
    if before:
        anna.gap()
    anna.got("ben.1", 1, "N", 1)
    anna.got("ben.1", 3, "N", 3)
    if not before:
        anna.gap()
    ledger.judge()
    assert len(ledger.faults) == 1


def test_what_the_sender_was_told_is_covered_and_nothing_else() -> None:
    ledger = Ledger()
    ben, anna = pair(ledger)
    ben.failed.add(("N", "anna", 2))
    anna.got("ben.1", 1, "N", 1)
    anna.got("ben.1", 4, "N", 4)
    ledger.judge()
    assert ledger.covered == {"told to the sender": 1}
    assert len(ledger.faults) == 1 and "N 3 of ben.1" in ledger.faults[0]


@pytest.mark.parametrize(("kind", "gap", "covered"), [("n", (2, 5), 1), ("n", (4, 5), 0), ("N", (2, 5), 0)])
def test_a_gap_of_the_sender_covers_what_nobody_answers_for(kind: str, gap: tuple[int, int], covered: int) -> None:
    ledger = Ledger()
    ben, anna = pair(ledger)
    ben.gaps.append(gap)
    anna.got("ben.1", 1, kind, 1)
    anna.got("ben.1", 3, kind, 3)
    ledger.judge()
    assert (ledger.covered["sender's gap"], len(ledger.faults)) == (covered, 1 - covered)


@pytest.mark.parametrize(("reported", "covered"), [(1, 1), (3, 0)])
def test_a_death_covers_only_what_was_not_answered_for(reported: int, covered: int) -> None:
    ledger = Ledger()
    ben, anna = pair(ledger)
    ben.reported = reported
    ledger.ended("ben.1")
    anna.got("ben.1", 1, "N", 1)
    anna.got("ben.1", 3, "N", 3)
    ledger.judge()
    assert (ledger.covered["sender's death"], len(ledger.faults)) == (covered, 1 - covered)


def test_what_was_sent_last_has_to_come() -> None:
    ledger = Ledger()
    ben, anna = pair(ledger)
    ben.counts["G", ROOM] = 1
    ben.counts["N", "somebody"] = 1
    lacks = [lack for lack in ledger.lacking() if lack.startswith("anna.1")]
    assert lacks == ["anna.1: G 1 of ben.1 has not come"]
    anna.got("ben.1", 1, "G", 1)
    assert not [lack for lack in ledger.lacking() if lack.startswith("anna.1")]
