"""Nobody holds up the others for long, and who does is named."""

from __future__ import annotations

import time

import pytest
import trio

from actorws import Websocket
from actorws.events import SlowCallback
from tests.support.behaviour_clients import together


class Member(Websocket):
    def init(self, conn):
        conn.join_nowait("all")
        return None, "ready"

    def handle_client_message(self, state, conn, frame):
        return state, frame

    def handle_server_message(self, state, conn, message):
        return state, str(message)


async def member(server):
    client = await server.connect()
    assert await client.receive() == "ready"
    return client


async def test_a_large_group_is_delivered_in_turns(clock, serve, monkeypatch):
    """With no time at all for the run queue each turn delivers to one member, and all get everything in order."""
    monkeypatch.setattr("actorws.actor.scheduler.BUDGET", 0.0)
    async with serve(Member) as server:
        clients = [await member(server) for _ in range(70)]
        for number in range(3):
            server.runtime.group.publish_nowait("all", number)
            server.runtime.group.broadcast_nowait("all", f"b{number}")
        for client in clients:
            assert [await client.receive() for _ in range(6)] == ["0", "b0", "1", "b1", "2", "b2"]


@pytest.mark.parametrize("kind", ["def"])
async def test_who_leaves_between_the_turns_is_skipped(clock, serve, kind, monkeypatch):
    """(An async callback runs later than the delivery to the mailboxes.)"""
    monkeypatch.setattr("actorws.actor.scheduler.BUDGET", 0.0)

    class Leaving(Member):
        def handle_server_message(self, state, conn, message):
            if message == "one leaves":
                for other in list(conns):
                    if other is not conn:
                        conns.remove(other)
                        other.leave_nowait("all")
            return state, str(message)

    async with serve(Leaving) as server:
        clients = [await member(server) for _ in range(5)]
        conns = [client.conn for client in clients]
        server.runtime.group.publish_nowait("all", "one leaves")
        assert await clients[0].receive() == "one leaves"
        for client in clients[1:]:
            await client.send("and you?")
            assert await client.receive() == "and you?"
            assert not client.conn.is_member("all")


async def test_tasks_have_their_turn_while_actors_keep_each_other_busy(clock, serve):
    """An actor that sends to itself for ever doesn't stop anything else."""

    class Restless(Member):
        def handle_server_message(self, state, conn, message):
            conn.publish_nowait("all", message)
            return state, []

    async with serve(Restless) as server:
        restless = await member(server)
        server.runtime.group.publish_nowait("all", "again")
        for number in range(20):
            await trio.lowlevel.checkpoint()
            await restless.send(str(number))
            assert await restless.receive(timeout=1e6) == str(number)


async def test_a_flood_of_small_frames_does_not_hold_up_a_neighbour(clock, serve):
    """All of it is handled, and in order."""
    seen = []

    async def flood(client):
        numbers = [f"{number:05}" for number in range(3000)]
        while numbers:
            await together(client, *numbers[:1000])
            del numbers[:1000]

    class Counting(Member):
        def handle_client_message(self, state, conn, frame):
            seen.append(frame)
            return state, frame if len(frame) == 4 else []

    async with serve(Counting) as server:
        flooder, neighbour = await member(server), await member(server)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood, flooder)
            await neighbour.send("ping")
            assert await neighbour.receive() == "ping"
        await flooder.send("done")
        assert await flooder.receive() == "done"
    assert [frame for frame in seen if len(frame) == 5] == [f"{number:05}" for number in range(3000)]


@pytest.mark.parametrize("callback", ["handle_client_message", "handle_server_message"])
@pytest.mark.parametrize("kind", ["def"])
async def test_a_def_callback_that_takes_long_is_named(clock, serve, kind, callback):
    class Slow(Member):
        def handle_client_message(self, state, conn, frame):
            time.sleep(0.02)
            return state, frame

        def handle_server_message(self, state, conn, message):
            time.sleep(0.02)
            return state, message

    async with serve(Slow, slow_callback=0.01) as server:
        client = await member(server)
        if callback == "handle_client_message":
            await client.send("x")
        else:
            client.conn.send_after(0, "x")
        assert await client.receive() == "x"
        event = await server.wait_event(SlowCallback)
        assert (event.conn, event.callback) == (client.conn, callback)
        assert 0.02 <= event.seconds < 5


async def test_an_async_callback_may_take_its_time(clock, serve, kind):
    class Patient(Member):
        async def handle_client_message(self, state, conn, frame):
            await trio.sleep(0.02)
            return state, frame

    async with serve(Patient, slow_callback=0.01) as server:
        client = await member(server)
        await client.send("x")
        assert await client.receive() == "x"
        assert not [event for event in server.events if isinstance(event, SlowCallback)]
