"""``init`` comes first, and each callback gets the state that the one before it returned."""

from __future__ import annotations

import pytest
import trio

from actorws import Websocket
from actorws.events import ActorEnded


class Counter(Websocket):
    def init(self, conn):
        return 0, ["ready", b"\1"]

    def handle_client_message(self, count, conn, frame):
        return count + 1, [f"{count}:{frame}"]

    def handle_server_message(self, count, conn, message):
        return count + 10, [f"{count}:{message}"]


async def test_the_frames_of_init_are_the_first_after_the_101(clock, serve):
    async with serve(Counter) as server:
        client = await server.connect()
        assert [await client.receive(), await client.receive()] == ["ready", b"\1"]


async def test_state_goes_from_callback_to_callback_and_ends_in_terminate(clock, serve):
    async with serve(Counter) as server:
        client = await server.connect()
        await client.receive(), await client.receive()
        await client.send("a")
        assert await client.receive() == "0:a"
        client.conn.send_after(0, "b")
        assert await client.receive() == "1:b"
        await client.send("c")
        assert await client.receive() == "11:c"
        await client.close()
        await server.wait_event(ActorEnded)
        assert [state for state, _ in server.journal.terminated] == [12]


async def test_each_connection_has_its_own_state(clock, serve):
    async with serve(Counter) as server:
        one, other = await server.connect(), await server.connect()
        for client in (one, other):
            await client.receive(), await client.receive()
            await client.send("x")
            assert await client.receive() == "0:x"


async def test_what_comes_during_init_waits_in_order(clock, serve):
    """From the client, by name and by publish: all of it is handled after init, none of it is lost."""
    joined, go = trio.Event(), trio.Event()

    class Slow(Websocket):
        async def init(self, conn):
            await conn.register("slow")
            await conn.join("all")
            joined.set()
            await go.wait()
            return [], ["ready"]

        def handle_client_message(self, seen, conn, frame):
            return [*seen, frame], [f"client {frame}"]

        def handle_server_message(self, seen, conn, message):
            return [*seen, message], [f"server {message}"]

    async with serve(Slow) as server:
        client = await server.connect()
        await joined.wait()
        await server.runtime.unique.send_message("slow", 1)
        await server.runtime.group.publish("all", 2)
        await server.runtime.group.broadcast("all", "broadcast")
        await client.send("x")
        go.set()
        assert await client.receive() == "ready"
        got = [await client.receive() for _ in range(4)]
        assert [frame for frame in got if frame != "client x"] == ["server 1", "server 2", "broadcast"]


@pytest.mark.websocket
@pytest.mark.not_over("outbound", because="there the bytes are the server's, behind its answer: see the next one")
async def test_bytes_behind_the_handshake_are_the_first_message(clock, serve):
    """A client that doesn't wait for the 101 loses nothing."""
    from actorws.protocol.encoder import encode, mask
    from actorws.testing.http import read_answer, request_bytes

    head = request_bytes(
        "GET",
        "/",
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        },
    )
    async with serve(Counter) as server:
        stream = server.open_stream()
        await stream.send_all(head + mask(encode("early"), b"abcd"))
        answer, got = await read_answer(stream)
        assert answer.status == 101
        expected = encode("ready") + encode(b"\1") + encode("0:early")
        while len(got) < len(expected):
            got += await stream.receive_some()
        assert got == expected
        await stream.aclose()


@pytest.mark.websocket
@pytest.mark.parametrize("wire", ["outbound"])
async def test_frames_behind_the_answer_to_our_handshake_are_the_first_messages(clock, serve):
    """A server that greets whoever connects; ``init`` comes first all the same."""
    from actorws.protocol.encoder import encode

    async with serve(Counter) as server:
        client = await server.connect(behind=encode("one") + encode("two"))
        assert [await client.receive() for _ in range(4)] == ["ready", b"\1", "0:one", "1:two"]
