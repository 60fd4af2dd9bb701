"""The bounded queue: never more than the bound, and each policy does what it says."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws import Coalesce
from actorws.actor.bounded import BoundedQueue, Offered, done_for

POLICIES = ["drop_new", "drop_old", "close", Coalesce(lambda item: item % 3 or None)]
operations = st.lists(st.tuples(st.sampled_from(["offer", "put", "take"]), st.integers(0, 50), st.integers(0, 8)))


def drained(queue):
    return [queue.take() for _ in range(len(queue))]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@given(operations=operations)
def test_what_is_offered_never_breaks_the_bound_and_sizes_add_up(policy, operations):
    """Only what is put regardless may."""
    queue: BoundedQueue[tuple[int, int]] = BoundedQueue(5, 20, policy)
    for operation, item, size in operations:
        before = (len(queue), queue.bytes)
        if operation == "put":
            queue.put((item, size), size)
        elif operation == "take" and queue:
            assert queue.take()[1] <= before[1]
        elif operation == "offer":
            queue.offer((item, size), size, item)
            assert len(queue) <= max(5, before[0])
            assert queue.bytes <= max(20, before[1])
    assert queue.bytes == sum(size for _, size in drained(queue))


def test_dropping_the_oldest_costs_the_same_however_much_waits():
    """It took 4 ms each here, and whoever published to such a client waited for that."""
    queue: BoundedQueue[int] = BoundedQueue(float("inf"), 100_000, "drop_old")
    for number in range(100_000):
        queue.offer(number, 1)
    began = perf_counter()
    for number in range(2000):
        assert queue.offer(number, 1) is Offered.DISPLACED
    assert perf_counter() - began < 2
    assert queue.take() == 2000


def test_what_was_put_is_never_dropped():
    queue: BoundedQueue[str] = BoundedQueue(2, 100, "drop_old")
    queue.put("kept", 1)
    queue.put("kept too", 1)
    assert not queue.offer("no room", 1)
    assert drained(queue) == ["kept", "kept too"]


def test_drop_old_drops_nothing_for_what_can_never_fit():
    queue: BoundedQueue[str] = BoundedQueue(9, 10, "drop_old")
    queue.offer("small", 5)
    assert not queue.offer("huge", 11)
    assert drained(queue) == ["small"]


def test_drop_old_keeps_the_order_around_what_it_may_not_drop():
    queue: BoundedQueue[str] = BoundedQueue(3, 100, "drop_old")
    queue.offer("oldest", 1)
    queue.put("kept", 1)
    queue.offer("young", 1)
    assert queue.offer("new", 1)
    assert drained(queue) == ["kept", "young", "new"]


def test_coalesce_replaces_in_place_and_forgets_a_key_with_its_item():
    queue: BoundedQueue[str] = BoundedQueue(9, 100, Coalesce(lambda item: item[0]))
    for item in ("a1", "b1", "a2"):
        assert queue.offer(item, 1, item)
    assert queue.take() == "a2"
    assert queue.offer("a3", 1, "a3")
    assert drained(queue) == ["b1", "a3"]


def test_a_replacement_that_is_too_big_is_no_replacement():
    queue: BoundedQueue[str] = BoundedQueue(9, 10, Coalesce(lambda item: item[0]))
    queue.offer("a1", 5, "a1")
    assert not queue.offer("a2", 11, "a2")
    assert drained(queue) == ["a1"]


def test_clear_forgets_everything():
    queue: BoundedQueue[str] = BoundedQueue(9, 10, Coalesce(lambda item: item))
    queue.offer("a", 5, "a")
    queue.clear()
    assert (len(queue), queue.bytes) == (0, 0)
    assert queue.offer("a", 5, "a")
    assert drained(queue) == ["a"]


@pytest.mark.parametrize(
    ("offered", "policy", "done"),
    [
        (Offered.QUEUED, "close", ""),
        (Offered.REPLACED, Coalesce(str), ""),
        (Offered.DISPLACED, "drop_old", "drop_old"),
        (Offered.DROPPED, "drop_old", "drop_new"),
        (Offered.DROPPED, Coalesce(str), "drop_new"),
        (Offered.DROPPED, "drop_new", "drop_new"),
        (Offered.DROPPED, "close", "close"),
    ],
    ids=str,
)
def test_what_was_done_is_said_only_where_there_was_no_room(offered, policy, done):
    assert done_for(offered, policy) == done
