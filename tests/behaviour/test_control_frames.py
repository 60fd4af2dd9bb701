"""Pings are answered before the behaviour sees them, whether or not it asked to."""

from __future__ import annotations

import pytest
import trio

from actorws import Ping, Pong, Websocket
from tests.support.chatty import Chatty, calls, connected

pytestmark = pytest.mark.websocket


async def test_pings_are_answered_even_while_a_callback_hangs(clock, serve, kind):
    class Hanging(Websocket):
        async def handle_client_message(self, state, conn, frame):
            await trio.sleep_forever()

    async with serve(Hanging) as server:
        client = await server.connect()
        await client.send("x")
        await client.send(Ping(b"are you there?"))
        assert await client.receive_control() == Pong(b"are you there?")


async def test_control_frames_are_not_shown_unless_asked_for(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        await client.send(Ping(b"1"))
        await client.send(Pong(b"2"))
        await client.send("text")
        assert await client.receive() == "text"
        assert await client.receive_control() == Pong(b"1")
        assert calls(server) == 1


async def test_with_receive_control_pings_are_answered_and_shown(clock, serve):
    class Control(Websocket):
        receive_control = True

        def handle_client_message(self, state, conn, frame):
            return state, repr(frame)

    async with serve(Control) as server:
        client = await server.connect()
        await client.send(Ping(b"1"))
        await client.send(Pong(b"2"))
        await client.send("text")
        assert [await client.receive() for _ in range(3)] == [repr(Ping(b"1")), repr(Pong(b"2")), "'text'"]
        assert await client.receive_control() == Pong(b"1")
