"""The scheduler: what happens outside of a driver's tick is seen to as soon, all output in one write."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from trio.testing import wait_all_tasks_blocked

from actorws.actor.runqueue import MESSAGE
from actorws.actor.scheduler import Scheduler


class FakeActor:
    conn = None
    kind = SimpleNamespace(slow=1e9)

    def __init__(self, on_message=lambda message: None):
        self.got = []
        self._on_message = on_message

    def deliver(self, messages):
        for message, _ in messages:
            self.got.append(message)
            self._on_message(message)


class FakeWire:
    def __init__(self):
        self.flushes = 0

    def flush(self):
        self.flushes += 1


@pytest.fixture
def scheduler():
    return Scheduler(lambda event: None)


def test_nothing_is_delivered_inside_the_call(scheduler):
    actor = FakeActor()
    scheduler.post_message(actor, "x")
    assert actor.got == []
    assert scheduler.settle() is False
    assert actor.got == ["x"]


def test_what_is_for_elsewhere_leaves_before_anything_is_delivered_here():
    """A large group may take a while."""
    told = []
    scheduler = Scheduler(lambda event: None, before_delivery=lambda: told.append("leave"))
    scheduler.settle()
    assert told == [], "there is nothing to wait for"
    scheduler.post_message(FakeActor(lambda message: told.append(message)), "x")
    scheduler.settle()
    assert told == ["leave", "x"]


def test_what_comes_of_a_delivery_comes_behind_what_is_there(scheduler):
    """One FIFO: an answer doesn't overtake."""
    answers = FakeActor()
    actor = FakeActor(lambda message: scheduler.post_message(answers, f"answer to {message}"))
    scheduler.post_message(actor, 1)
    scheduler.post_message(answers, "between")
    scheduler.settle()
    assert answers.got == ["between", "answer to 1"]


def test_the_budget_holds_for_actors_that_keep_each_other_busy(scheduler):
    actor = FakeActor(lambda message: scheduler.post_message(actor, message))
    scheduler.post_message(actor, "again")
    assert scheduler.settle() is True
    assert len(actor.got) > 1


def test_a_group_is_gone_on_with_where_the_budget_ended(scheduler, monkeypatch):
    monkeypatch.setattr("actorws.actor.scheduler.BUDGET", 0.0)
    actors = [FakeActor() for _ in range(5)]
    scheduler.post(MESSAGE, tuple(actors), "x", None)
    counts = []
    while scheduler.settle():
        counts.append(sum(len(actor.got) for actor in actors))
    assert counts == [1, 2, 3, 4]
    assert [actor.got for actor in actors] == [["x"]] * 5


async def test_a_tick_outside_of_a_driver_runs_soon_and_flushes_once(nursery, scheduler):
    wire, actor = FakeWire(), FakeActor()
    nursery.start_soon(scheduler.run)
    await wait_all_tasks_blocked()
    scheduler.post_message(actor, 1)
    scheduler.post_message(actor, 2)
    scheduler.dirty.append(wire)
    await wait_all_tasks_blocked()
    assert (actor.got, wire.flushes) == ([1, 2], 1)
    scheduler.wake()
    await wait_all_tasks_blocked()
    assert wire.flushes == 1
    nursery.cancel_scope.cancel()
