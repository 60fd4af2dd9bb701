"""``send_after``: a message to oneself, later."""

from __future__ import annotations

import pytest
import trio

from actorws import Websocket
from actorws.events import ActorEnded


class Alarm(Websocket):
    def handle_client_message(self, state, conn, frame):
        return state, frame

    def handle_server_message(self, state, conn, message):
        return state, str(message)


async def test_timers_fire_in_the_order_of_their_deadlines(clock, serve):
    async with serve(Alarm) as server:
        client = await server.connect()
        for seconds in (0.03, 0.01, 0.02, 0.0):
            client.conn.send_after(seconds, seconds)
        assert [await client.receive() for _ in range(4)] == ["0.0", "0.01", "0.02", "0.03"]


async def test_a_timer_is_not_early(clock, serve):
    async with serve(Alarm) as server:
        client = await server.connect()
        before = trio.current_time()
        client.conn.send_after(0.05, "now")
        await client.receive()
        assert trio.current_time() - before >= 0.05


async def test_a_cancelled_timer_does_not_fire(clock, serve):
    async with serve(Alarm) as server:
        client = await server.connect()
        timer = client.conn.send_after(0.01, "cancelled")
        client.conn.send_after(0.02, "kept")
        assert timer.cancel() is True
        assert timer.cancel() is False
        assert await client.receive() == "kept"


async def test_timers_end_with_their_actor(clock, serve):
    async with serve(Alarm) as server:
        client = await server.connect()
        timer = client.conn.send_after(100, "never")
        await client.close()
        await server.wait_event(ActorEnded)
        assert not timer.active
        assert len(server.runtime.wheel) <= serve.timers_left


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "1", None, True])
async def test_a_bad_time_is_told_at_the_call(clock, serve, seconds):
    async with serve(Alarm) as server:
        client = await server.connect()
        with pytest.raises(ValueError, match="seconds"):
            client.conn.send_after(seconds, "x")


async def test_a_timer_of_a_callback_comes_after_what_is_there(clock, serve):
    """A message with no delay is still a message: never inside of the callback that sends it."""

    class Recursive(Alarm):
        def handle_client_message(self, state, conn, frame):
            conn.send_after(0, "later")
            return state, "first"

    async with serve(Recursive) as server:
        client = await server.connect()
        await client.send("go")
        assert [await client.receive(), await client.receive()] == ["first", "later"]
