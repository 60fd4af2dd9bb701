"""What the behaviour suite can't bring about at will: ends that fall between two steps of an actor."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from actorws import Shutdown, Websocket, testing
from actorws.actor.actor import Actor
from actorws.events import ActorEnded

ENDS = {
    "close": lambda actor: actor.conn.close(),
    "abort": lambda actor: actor.conn.abort(),
    "stop": lambda actor: actor.stop(Shutdown()),
}


@pytest.mark.parametrize("how", ENDS)
async def test_an_actor_that_ends_before_init_was_entered_is_not_terminated(autojump_clock, monkeypatch, how):
    """An async init begins in a worker, a step after the actor was made; its place is freed all the same."""
    calls = []
    begin = Actor.start

    class Waiting(Websocket):
        async def init(self, conn):
            calls.append("init")
            return None, []

        def handle_client_message(self, state, conn, frame):
            return state, frame

        def terminate(self, state, conn, reason):
            calls.append("terminate")

    def begin_and_end(actor):
        begin(actor)
        ENDS[how](actor)

    monkeypatch.setattr(Actor, "start", begin_and_end)
    async with testing.open_app(Waiting) as server:
        stream = server.open_stream()
        handshake = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        await stream.send_all(
            f"{handshake}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode()
        )
        await server.wait_event(ActorEnded)
        await wait_all_tasks_blocked()
        assert calls == []
        assert len(server.runtime.supervisor) == 0
