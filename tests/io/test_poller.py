"""The poller: what a read leaves behind is handled, in order, and costs nothing while it can't be."""

from __future__ import annotations

import gc
import time
import weakref
from typing import Any

import trio
import trio.testing

from actorws import App, events
from tests.support.serving import Echo, serving
from tests.support.wire import PING, PONG, SECONDS, TEXT, connect, frame, handshake, open_client


async def cpu_of(seconds: float) -> float:
    """The share of a time in which this process, which has nothing to do, is busy."""
    began = time.process_time()
    await trio.sleep(seconds)
    return (time.process_time() - began) / seconds


async def test_frames_beyond_one_tick_are_all_answered_in_order() -> None:
    async with serving(Echo) as server, open_client(server.port) as client:
        await client.send(b"".join(frame(TEXT, b"%d" % n) for n in range(5000)))
        assert [await client.message() for _ in range(5000)] == [str(n) for n in range(5000)]


async def test_frames_held_back_behind_a_full_mailbox_cost_no_tick_and_are_all_handled() -> None:
    go_on = trio.Event()

    class Slow(Echo):
        async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            await go_on.wait()
            return state, [frame]

    app = App()
    app.websocket("/", Slow, mailbox_messages=10)
    async with serving(app) as server, open_client(server.port) as client:
        await client.send(b"".join(frame(TEXT, b"%d" % n) for n in range(2000)))
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert await cpu_of(0.2) < 0.5
        go_on.set()
        assert [await client.message() for _ in range(2000)] == [str(n) for n in range(2000)]


async def test_frames_held_back_behind_a_slow_reader_cost_no_tick_and_are_all_handled() -> None:
    class Large(Echo):
        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            return state, [frame + "." * 20_000]

    app = App()
    app.websocket("/", Large, backpressure_limit=1 << 30)
    async with serving(app) as server, open_client(server.port, receive_buffer=65536) as client:
        await client.send(b"".join(frame(TEXT, b"%d" % n) for n in range(2000)))
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert await cpu_of(0.2) < 0.5
        for n in range(2000):
            assert (await client.message()).rstrip(".") == str(n)


async def test_a_peer_that_breaks_while_it_is_not_read_from_is_noticed() -> None:
    class Never(Echo):
        async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            await trio.sleep_forever()

    app = App()
    app.websocket("/", Never, mailbox_messages=2, terminate_timeout=0.05)
    async with serving(app) as server:
        async with open_client(server.port) as client:
            await client.send(frame(TEXT, b"x") * 1000)
            await trio.testing.wait_all_tasks_blocked(0.02)
            client.reset()
        await server.seen(events.ActorEnded)
        await server.no_wires()


async def test_an_idle_server_uses_no_cpu() -> None:
    async with serving(Echo) as server, open_client(server.port) as client:
        await client.echo("hello")
        assert await cpu_of(0.2) < 0.2


async def test_pings_are_answered_between_the_fragments_of_a_message() -> None:
    async with serving(Echo) as server, open_client(server.port) as client:
        await client.send(frame(TEXT, b"a", fin=False) + frame(PING, b"1") + frame(0, b"b", fin=False))
        assert await client.frame() == (PONG, b"1")
        await client.send(frame(PING, b"2") + frame(0, b"c"))
        assert await client.frame() == (PONG, b"2")
        assert await client.message() == "abc"


async def test_a_connection_that_has_ended_is_freed_without_the_garbage_collector() -> None:
    refs: list[weakref.ref[Any]] = []

    class State:
        pass

    class Watched(Echo):
        def init(self, conn: Any) -> Any:
            state = State()
            refs.append(weakref.ref(state))
            return state, []

    async with serving(Watched) as server:
        gc.collect()
        gc.disable()
        try:
            for how in ("close", "fin", "reset", "abort"):
                async with open_client(server.port) as client:
                    await client.echo("hello")
                    if how == "close":
                        await client.close()
                    elif how == "reset":
                        client.reset()
                    elif how == "abort":
                        server.all(events.ActorStarted)[-1].conn.abort()
            await server.no_wires()
            await server.seen(events.ActorEnded, 4)
            server.events.clear()
            await trio.testing.wait_all_tasks_blocked()
            assert [ref() for ref in refs] == [None] * 4
            assert gc.collect() < 50, "cycles that a connection left behind"
        finally:
            gc.enable()


async def test_a_connection_that_aborts_in_any_callback_ends_once() -> None:
    """The wire is gone while what came is still being sorted."""

    class Aborting(Echo):
        def init(self, conn: Any) -> Any:
            if conn.path == "/init":
                conn.abort()
            return None, []

        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            conn.abort()
            return state, ["late"]

    rest = frame(TEXT, b"x") + frame(PING, b"x") + frame(TEXT, b"y") + frame(8, b"\x03\xe8")
    async with serving(Aborting) as server:
        for path in ("/init", "/message"):
            async with connect(server.port) as client:
                await client.send(handshake(path) + rest)
                with trio.fail_after(SECONDS):
                    await client.rest()
        await server.no_wires()
        assert len(server.all(events.ActorEnded)) == 2
        assert not server.all(events.ActorCrashed)
