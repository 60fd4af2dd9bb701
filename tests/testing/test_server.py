"""What ``actorws.testing`` promises to its users."""

from __future__ import annotations

import pytest
import trio

from actorws import App, Close, Ping, Pong, Reject, Remote, Shutdown, Websocket, testing
from actorws.events import ActorEnded, ActorStarted


class Echo(Websocket):
    def init(self, conn):
        return 0, ["welcome"]

    def handle_client_message(self, count, conn, frame):
        if frame == "crash":
            raise RuntimeError("as asked")
        return count + 1, [frame]


async def test_a_conversation(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect("/any/path?with=query")
        assert await alice.receive() == "welcome"
        await alice.send("hi")
        await alice.send(b"\0")
        assert [await alice.receive(), await alice.receive()] == ["hi", b"\0"]
        assert alice.closed_with is None
        assert await alice.close(4000, "bye") == Remote(4000)
        assert [type(event) for event in server.events] == [ActorStarted, ActorEnded]


async def test_a_minute_of_silence_takes_no_time(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect(automatic=False)
        assert await alice.receive() == "welcome"
        assert await alice.receive_control() == Ping()
        assert await alice.receive() == Close(1001, "idle for too long")
        assert trio.current_time() == pytest.approx(60, abs=2)
