"""The ledger finds each kind of fault that it is there for, and nothing where there is none."""

from __future__ import annotations

import pytest

from tests.soak.ledger import Inbox, Ledger, Membership


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def member(ledger: Ledger) -> Membership:
    """Who joined a room at position 10, where a and b say five things by turns."""
    for number in range(5):
        ledger.said("room", 11 + 2 * number, "a", number)
        ledger.said("room", 12 + 2 * number, "b", number)
    return ledger.joined("room", 10, "member")


def get(member: Membership, *positions: int) -> None:
    for position in positions:
        member.got(position, "a" if position % 2 else "b", (position - 11) // 2)


def leave(ledger: Ledger, member: Membership) -> list[str]:
    member.left(20)
    member.finish()
    ledger.close()
    return ledger.faults


# Rooms


def test_everything_once_and_in_order_is_right(ledger: Ledger, member: Membership) -> None:
    get(member, *range(11, 21))
    assert member.has_all(20)
    assert leave(ledger, member) == []
    assert (ledger.delivered, ledger.withdrawn) == (10, 0)


def test_the_order_between_senders_is_free(ledger: Ledger, member: Membership) -> None:
    get(member, *range(12, 21, 2), *range(11, 21, 2))
    assert leave(ledger, member) == []


def test_who_leaves_may_lose_the_last_ones_of_a_sender(ledger: Ledger, member: Membership) -> None:
    get(member, 11, 12, 13, 14, 16, 18)
    assert not member.has_all(20)
    assert leave(ledger, member) == []
    assert (ledger.delivered, ledger.withdrawn) == (6, 4)


def test_a_lost_message_is_found_by_what_came_behind_it(ledger: Ledger, member: Membership) -> None:
    get(member, 11, 12, 14, 15)
    assert leave(ledger, member) == ["member in room: a's 1 (position 13) never came, but a later one did"]


def test_a_lost_message_is_found_when_it_becomes_known_whose_it_was(ledger: Ledger) -> None:
    member = ledger.joined("room", 0, "member")
    member.got(2, "a", 1)
    member.left(2)
    member.finish()
    assert ledger.faults == []
    ledger.said("room", 1, "a", 0)
    ledger.close()
    assert ledger.faults == ["member in room: a's 0 (position 1) never came, but a later one did"]


def test_a_lost_last_message_is_found_by_who_stays_for_it(member: Membership, ledger: Ledger) -> None:
    get(member, *range(11, 20))
    assert not member.has_all(20)
    member.lost(20)
    assert ledger.faults == ["member in room: never came: positions [20] of those up to 20"]


def test_a_doubled_message_is_found(ledger: Ledger, member: Membership) -> None:
    get(member, 11, 12, 13, 12)
    assert ledger.faults == ["member in room: position 12, number 0 of b, came twice"]


def test_a_message_doubled_under_another_position_is_found(ledger: Ledger) -> None:
    member = ledger.joined("room", 0, "member")
    member.got(1, "a", 0)
    member.got(2, "a", 0)
    assert ledger.faults == ["member in room: number 0 of a came twice (position 2)"]


def test_a_reordered_message_is_found(ledger: Ledger, member: Membership) -> None:
    get(member, 11, 15, 13)
    assert ledger.faults == ["member in room: a's 1 came after 2 (position 13)"]


def test_a_message_from_before_joining_is_found(ledger: Ledger, member: Membership) -> None:
    member.got(10, "a", 0)
    assert ledger.faults == ["member in room: position 10 came to who was a member from 10 to None"]


def test_a_message_from_after_leaving_is_found(ledger: Ledger, member: Membership) -> None:
    member.left(12)
    get(member, 11, 12)
    assert ledger.faults == []
    get(member, 13)
    assert ledger.faults == ["member in room: position 13 came to who was a member from 10 to 12"]


def test_members_who_are_told_different_things_are_found(ledger: Ledger, member: Membership) -> None:
    member.got(11, "c", 0)
    assert ledger.faults == ["room: position 11 is ('a', 0) to one and ('c', 0) to another"]


def test_a_membership_without_an_end_is_found(ledger: Ledger, member: Membership) -> None:
    ledger.close()
    assert ledger.faults == ["a membership of 10 was never finished"]


def test_what_nobody_can_be_asked_for_is_forgotten(ledger: Ledger, member: Membership) -> None:
    other = ledger.joined("room", 15, "other")
    member.left(10)
    member.finish()
    assert sorted(ledger.room("room").said) == [16, 17, 18, 19, 20]
    other.left(15)
    other.finish()
    assert ledger.room("room").said == {}


# Direct messages


@pytest.fixture
def inbox(ledger: Ledger) -> Inbox:
    """Whose owner was sent three messages, 5 to 7."""
    for number in (5, 6, 7):
        ledger.answered(ledger.asks("name"), "owner", "a", number)
    return ledger.inbox("owner")


def faults_of(ledger: Ledger) -> list[str]:
    ledger.close()
    return ledger.faults


def test_an_inbox_that_got_everything_is_right(ledger: Ledger, inbox: Inbox) -> None:
    for number in (5, 6, 7):
        assert not inbox.is_complete
        inbox.got("a", number)
    assert inbox.is_complete
    assert faults_of(ledger) == []


def test_a_message_may_come_before_its_sender_is_told(ledger: Ledger) -> None:
    asked = ledger.asks("name")
    ledger.inbox("owner").got("a", 0)
    assert ledger.open_asks("name") == {asked}
    assert ledger.open_asks("another") == set()
    ledger.answered(asked, "owner", "a", 0)
    assert ledger.open_asks("name") == set()
    assert faults_of(ledger) == []


def test_what_nobody_took_need_not_come(ledger: Ledger) -> None:
    ledger.answered(ledger.asks("name"), None, "a", 0)
    assert faults_of(ledger) == []


@pytest.mark.parametrize(
    ("came", "fault"),
    [
        ((5, 7), "owner: a's 6 never came"),
        ((5, 6), "owner: a's 7 never came"),
        ((5, 6, 7, 7), "owner: number 7 of a came twice"),
        ((5, 7, 6), "owner: a's 6 came after 7"),
        ((5, 6, 7, 8), "owner: a's 8 came, which the server hadn't taken"),
    ],
    ids=["lost", "last lost", "doubled", "reordered", "invented"],
)
def test_a_direct_message_that_went_wrong_is_found(
    ledger: Ledger, inbox: Inbox, came: tuple[int, ...], fault: str
) -> None:
    for number in came:
        inbox.got("a", number)
    assert faults_of(ledger)[0] == fault


def test_who_is_cut_off_may_lose_the_last_ones_only(ledger: Ledger, inbox: Inbox) -> None:
    inbox.was_cut = True
    inbox.got("a", 5)
    assert faults_of(ledger) == []
    assert ledger.withdrawn == 2


def test_who_is_cut_off_may_not_lose_one_before_one_that_came(ledger: Ledger, inbox: Inbox) -> None:
    inbox.was_cut = True
    inbox.got("a", 6)
    assert faults_of(ledger) == ["owner: a's 5 never came"]


# Names


def test_a_name_with_two_owners_is_found(ledger: Ledger) -> None:
    ledger.claimed("name", "a")
    ledger.releases("name")
    ledger.claimed("name", "b")
    assert ledger.faults == []
    ledger.claimed("name", "c")
    assert ledger.faults == ["c was given the name name, which b has"]
