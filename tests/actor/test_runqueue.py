"""The run queue: what bursts to a group come to, and broadcasts that are made for each member."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws import Close
from actorws.actor.runqueue import FRAME, RunQueue
from actorws.events import BackgroundCrashed
from actorws.protocol.encoder import encode
from tests.support.fake_wire import open_websocket
from tests.support.serving import Echo
from tests.support.wire import TEXT, frame


class Member(Echo):
    """Passes on what is published; what it is to do with it stands in its ``assigns``."""

    def init(self, conn):
        conn.join_nowait("all", meta=conn.id)
        return None, []

    def handle_server_message(self, state, conn, message):
        if conn.assigns == "close at two" and message == "two":
            conn.close(4000)
        return state, [message]


def members(runtime, count):
    return [open_websocket(runtime, Member) for _ in range(count)]


def test_an_empty_queue_has_nothing_to_deliver():
    queue = RunQueue(lambda event: None)
    queue.drain(1.0)
    assert len(queue) == 0


@pytest.mark.parametrize("burst", [["one"], ["one", "two", "three"], ["one", b"two", "", "three"]])
async def test_each_member_passes_on_a_burst_in_order_and_in_one_write(runtime, burst):
    all_of_them = members(runtime, 3)
    for message in burst:
        assert runtime.group.publish_nowait("all", message) == 3
    for member in all_of_them:
        assert member.wire.tick() == b"".join(map(encode, burst))
        assert len(member.wire.writes) == 1


async def test_a_member_that_closes_in_the_middle_of_a_burst_says_nothing_more(runtime):
    """The others go on."""
    first, second, third = members(runtime, 3)
    second.actor.conn.assigns = "close at two"
    for message in ("one", "two", "three"):
        runtime.group.publish_nowait("all", message)
    assert second.wire.tick() == encode("one") + encode(Close(4000))
    for member in (first, third):
        assert member.wire.tick() == encode("one") + encode("two") + encode("three")


async def test_frames_made_for_each_member_take_turns_when_the_time_is_up(runtime, seen, monkeypatch):
    """And who has left since is not asked for."""
    monkeypatch.setattr("actorws.actor.scheduler.BUDGET", 0.0)
    all_of_them = members(runtime, 4)
    asked = []

    def made(conn, meta):
        asked.append(meta)
        return meta

    ids = [member.actor.conn.id for member in all_of_them]
    runtime.group.broadcast_nowait("all", made)
    scheduler = runtime.scheduler
    assert scheduler.settle() and asked == ids[:1]
    all_of_them[2].actor.conn.abort()
    assert runtime.group.leave_nowait("all", all_of_them[3].actor)
    while scheduler.settle():
        pass
    assert asked == ids[:2]
    assert all_of_them[1].wire.tick() == encode(ids[1])
    assert not [event for event in seen if isinstance(event, BackgroundCrashed)]


async def test_a_function_that_fails_for_one_member_is_told_and_the_others_get_theirs(runtime, seen):
    one, two = members(runtime, 2)
    failing = one.actor.conn.id

    def made(conn, meta):
        if meta == failing:
            raise ValueError("boom")
        return None if meta is None else "made"

    runtime.group.broadcast_nowait("all", made)
    assert (one.wire.tick(), two.wire.tick()) == (b"", encode("made"))
    (crash,) = [event for event in seen if isinstance(event, BackgroundCrashed)]
    assert (crash.name, type(crash.exception)) == ("broadcast to 'all'", ValueError)


async def test_a_function_may_end_the_connection_that_it_is_asked_about(runtime):
    (member,) = members(runtime, 1)

    def made(conn, meta):
        conn.close(4000)
        return "too late"

    runtime.group.broadcast_nowait("all", made)
    assert member.wire.tick() == encode(Close(4000))


async def test_frames_made_for_a_busy_member_wait_for_what_it_is_doing(runtime):
    go_on = trio.Event()

    class Busy(Member):
        async def handle_client_message(self, state, conn, message):
            await go_on.wait()
            return state, ["done"]

    member = open_websocket(runtime, Busy)
    member.receive(frame(TEXT, b"x"))
    runtime.group.broadcast_nowait("all", lambda conn, meta: "made")
    await wait_all_tasks_blocked()
    assert member.wire.tick() == b""
    go_on.set()
    await wait_all_tasks_blocked()
    assert member.wire.tick() == encode("done") + encode("made")


async def test_a_broadcast_of_no_group_reaches_nobody(runtime, seen):
    (member,) = members(runtime, 1)
    runtime.scheduler.post(FRAME, (member.actor,), lambda conn, meta: "x", None)
    assert member.wire.tick() == b""
    assert seen == []
