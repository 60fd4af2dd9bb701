"""What still runs or waits when the client has gone: handled if it was accepted, and cut when it hangs."""

from __future__ import annotations

import pytest
import trio

from actorws import Close, Error, Remote, Websocket
from actorws.events import ActorCrashed, TerminateFailed
from tests.support.behaviour_clients import together
from tests.support.chatty import calls, connected, ended


async def test_what_was_accepted_is_handled_when_the_client_goes_while_a_callback_runs(clock, serve, kind):
    go = trio.Event()

    class Busy(Websocket):
        def init(self, conn):
            return [], "ready"

        async def handle_client_message(self, seen, conn, frame):
            if frame == "first":
                started.set()
                await go.wait()
            return [*seen, frame], []

    started = trio.Event()
    async with serve(Busy) as server:
        client = await connected(server)
        await together(client, "first", "second", Close(4000))
        await started.wait()
        assert await client.wait_closed() == Remote(4000)
        go.set()
        assert await ended(server) == Remote(4000)
    assert [state for state, _ in server.journal.terminated] == [["first", "second"]]


async def test_nothing_is_handled_after_a_crash_even_if_the_client_has_gone_before(clock, serve, kind):
    go, started = trio.Event(), trio.Event()

    class Busy(Websocket):
        def init(self, conn):
            return [], "ready"

        async def handle_client_message(self, seen, conn, frame):
            started.set()
            await go.wait()
            if frame == "crash":
                raise RuntimeError("as asked")
            return [*seen, frame], []

    async with serve(Busy, crashes="ignore") as server:
        client = await connected(server)
        await together(client, "first", "crash", "never", Close(4000))
        await started.wait()
        await client.wait_closed()
        go.set()
        await server.wait_event(ActorCrashed)
        assert await ended(server) == Remote(4000)
    assert [state for state, _ in server.journal.terminated] == [["first"]]
    assert calls(server) == 2


async def test_a_callback_that_never_returns_is_cancelled_when_its_client_has_gone(clock, serve, kind):
    class Hanging(Websocket):
        def init(self, conn):
            return "last", "ready"

        async def handle_client_message(self, state, conn, frame):
            started.set()
            await trio.sleep_forever()

    started = trio.Event()
    async with serve(Hanging, terminate_timeout=serve.soon) as server:
        client = await connected(server)
        await client.send("x")
        await started.wait()
        before = trio.current_time()
        client.abort()
        assert await ended(server) == serve.gone
        missed = trio.current_time() - before - serve.missed_after
        assert missed == pytest.approx(serve.soon, rel=0.1, abs=0.5 + 2 * bool(serve.missed_after))
    assert [state for state, _ in server.journal.terminated] == ["last"]


async def test_an_init_that_never_returns_is_cancelled_too(clock, serve, kind):
    class Hanging(Websocket):
        async def init(self, conn):
            await trio.sleep_forever()

        def handle_client_message(self, state, conn, frame):
            return state, []

    async with serve(Hanging, terminate_timeout=serve.soon) as server:
        client = await server.connect()
        client.abort()
        assert await ended(server) == serve.gone
    assert [state for state, _ in server.journal.terminated] == [None]


async def test_a_terminate_that_hangs_is_bounded_and_told(clock, serve, kind):
    class Hanging(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, frame

        async def terminate(self, state, conn, reason):
            await trio.sleep_forever()

    async with serve(Hanging, terminate_timeout=serve.soon, crashes="ignore") as server:
        client = await server.connect()
        await client.close()
        assert isinstance((await server.wait_event(TerminateFailed)).exception, trio.TooSlowError)
        assert await ended(server) == Remote(1000)


async def test_a_callback_past_its_deadline_is_a_crash(clock, serve, kind):
    class Slow(Websocket):
        def init(self, conn):
            return "last", "ready"

        async def handle_client_message(self, state, conn, frame):
            await trio.sleep_forever()

    async with serve(Slow, callback_timeout=serve.soon, crashes="ignore") as server:
        client = await connected(server)
        await client.send("x")
        assert await client.receive() == Close(1011)
        reason = await ended(server)
        assert isinstance(reason, Error)
        assert isinstance(reason.exception, trio.TooSlowError)
