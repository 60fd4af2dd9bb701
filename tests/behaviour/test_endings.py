"""Ends that neither side asked for: each has its reason and its code. (The journal counts each ``terminate``.)"""

from __future__ import annotations

import pytest
import trio

from actorws import Close, Overflow, Remote, Replaced, Timeout, Websocket
from tests.support.chatty import Chatty, calls, connected, ended


async def test_a_full_mailbox(clock, serve, kind):
    """With the default policy the actor ends with Overflow, and the client is told to try again later."""
    go = trio.Event()

    class Stuck(Websocket):
        async def handle_client_message(self, state, conn, frame):
            await go.wait()
            return state, []

        def handle_server_message(self, state, conn, message):
            return state, []

    async with serve(Stuck, mailbox_messages=3) as server:
        client = await server.connect()
        await client.send("stuck")
        while not server.journal.is_running(client.conn):
            await trio.lowlevel.checkpoint()
        for number in range(4):
            client.conn.send_after(0, number)
        assert await client.receive() == Close(1013, "mailbox full")
        go.set()
        assert await ended(server) == Overflow("mailbox")


async def test_a_full_output_that_closes(clock, serve):
    class Flood(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, [b"x" * 100_000] * 100

    async with serve(Flood, backpressure_limit=200_000, close_on_backpressure_limit=True) as server:
        client = await server.connect()
        client.pause_reading()
        await client.send("go")
        assert await ended(server) == Overflow("output")
        client.resume_reading()
        assert await client.receive() == b"x" * 100_000
        assert (await client.wait_closed()).code == 1013


@pytest.mark.websocket
@pytest.mark.parametrize("pings, waited_for", [(True, "ping"), (False, "idle")])
async def test_a_client_that_is_silent_for_too_long(clock, serve, pings, waited_for):
    async with serve(Chatty, idle_timeout=2 * serve.soon, send_pings=pings) as server:
        client = await connected(server, automatic=False)
        assert await client.receive() == Close(1001, "idle for too long")
        assert await ended(server) == Timeout(waited_for)


async def test_the_names_owner_is_replaced_by_a_takeover(clock, serve):
    class Taker(Websocket):
        def init(self, conn):
            conn.register_nowait("the name", on_conflict="takeover")
            return conn.query["n"], "ready"

        def handle_client_message(self, state, conn, frame):
            return state, frame

        def handle_server_message(self, state, conn, message):
            return state, f"{state}: {message}"

    async with serve(Taker) as server:
        first = await connected(server, "/?n=1")
        second = await connected(server, "/?n=2")
        assert await first.wait_closed() == Remote(4500)
        assert await ended(server) == Replaced("the name")
        await server.runtime.unique.send_message("the name", "hello")
        assert await second.receive() == "2: hello"


async def test_nothing_is_handled_after_the_end(clock, serve):
    """Neither timers nor messages that were on their way."""
    async with serve(Chatty) as server:
        client = await connected(server)
        client.conn.send_after(0.01, "timer")
        server.runtime.group.publish_nowait("all", "on its way")
        client.conn.abort()
        await ended(server)
        other = await connected(server, "/other")
        other.conn.send_after(0.02, "later")
        assert await other.receive() == "later"
    assert calls(server, "handle_server_message") == 1
