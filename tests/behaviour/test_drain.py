"""The end of the server: every client is told, every ``terminate`` runs, and all within its time."""

from __future__ import annotations

import trio

from actorws import Remote, Shutdown, Websocket
from tests.support.chatty import Chatty, connected


async def test_a_graceful_shutdown_tells_every_client(clock, serve):
    async with serve(Chatty) as server:
        clients = [await connected(server, f"/{number}") for number in range(5)]
        await server.shut_down()
        for client in clients:
            assert await client.wait_closed() == Remote(1001)
    assert [reason for _, reason in server.journal.terminated] == [Shutdown()] * 5


async def test_a_shutdown_is_over_in_time_with_clients_that_answer_nothing(clock, serve):
    limit = 2 * serve.soon
    async with serve(Chatty, drain_timeout=limit) as server:
        for number in range(3):
            client = await connected(server, f"/{number}", automatic=False)
            client.pause_reading()
        before = trio.current_time()
        await server.shut_down()
        assert trio.current_time() - before <= limit + 0.5
    assert [reason for _, reason in server.journal.terminated] == [Shutdown()] * 3


async def test_a_server_that_is_cancelled_runs_every_terminate(clock, serve):
    async with serve(Chatty) as server:
        for number in range(3):
            await connected(server, f"/{number}")
    assert [reason for _, reason in server.journal.terminated] == [Shutdown()] * 3


async def test_an_async_terminate_is_not_cancelled_with_the_server(clock, serve, kind):
    class Slow(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, frame

        async def terminate(self, state, conn, reason):
            await trio.sleep(0.01)
            done.append(reason)

    done = []
    async with serve(Slow) as server:
        await server.connect()
    assert done == [Shutdown()]


async def test_a_callback_that_runs_is_cancelled_with_the_server(clock, serve, kind):
    class Hanging(Websocket):
        def init(self, conn):
            return "last", "ready"

        async def handle_client_message(self, state, conn, frame):
            started.set()
            await trio.sleep_forever()

    started = trio.Event()
    async with serve(Hanging) as server:
        client = await connected(server)
        await client.send("x")
        await started.wait()
    assert server.journal.terminated == [("last", Shutdown())]
