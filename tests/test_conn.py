"""Conn: whatever is asked of it, before the actor, during its life and after, there is an answer."""

from __future__ import annotations

import pytest

from actorws import Accept, Close, ConnectionEnded, ReadyState, SendStatus, testing
from actorws.events import ActorEnded
from tests.support.serving import Echo


def can_do_nothing(conn):
    """What holds of a connection that has no actor that runs."""
    assert conn.send("x") is SendStatus.CLOSED
    assert conn.send(Close()) is SendStatus.CLOSED
    assert conn.close() is False
    conn.abort()
    assert (conn.buffered, conn.names, conn.groups, conn.is_member("all")) == (0, frozenset(), frozenset(), False)
    assert conn.unregister_nowait("name") is False
    assert conn.leave_nowait("all") is False
    for call in (
        lambda: conn.send_after(1, "x"),
        lambda: conn.register_nowait("name"),
        lambda: conn.join_nowait("all"),
    ):
        with pytest.raises(ConnectionEnded):
            call()


async def test_in_connect_there_is_a_request_and_nothing_to_send_on(autojump_clock):
    class Early(Echo):
        def connect(self, conn):
            can_do_nothing(conn)
            assert (conn.ready_state, conn.transport) == (ReadyState.CONNECTING, "websocket")
            assert (conn.path, dict(conn.query), conn.headers["host"]) == ("/room", {"n": "1"}, "actorws.test")
            return Accept()

    async with testing.open_app(Early) as server:
        client = await server.connect("/room?n=1", headers={"Host": "actorws.test"})
        await client.send("hello")
        assert await client.receive() == "hello"


async def test_after_the_end_it_says_so_and_still_knows_who_it_was(autojump_clock):
    async with testing.open_app(Echo) as server:
        client = await server.connect("/room")
        conn = client.conn
        await client.close()
        await server.wait_event(ActorEnded)
        can_do_nothing(conn)
        assert (conn.ready_state, conn.path, conn.transport) == (ReadyState.CLOSED, "/room", "websocket")


async def test_names_are_taken_and_given_back(autojump_clock):
    class Named(Echo):
        async def init(self, conn):
            await conn.register("one")
            conn.register_nowait("two")
            return None, ["named"]

    async with testing.open_app(Named) as server:
        client = await server.connect()
        assert await client.receive() == "named"
        conn = client.conn
        assert conn.names == {"one", "two"}
        assert await conn.unregister("one") is True
        assert await conn.unregister("one") is False
        assert conn.unregister_nowait("two") is True
        assert conn.names == frozenset()


async def test_a_close_frame_may_be_sent_like_any_other(autojump_clock):
    async with testing.open_app(Echo) as server:
        client = await server.connect()
        assert client.conn.send(Close(4000, "bye")) is SendStatus.SENT
        assert client.conn.send(Close(4001)) is SendStatus.CLOSED
        assert await client.receive() == Close(4000, "bye")


async def test_its_repr_names_it(autojump_clock):
    async with testing.open_app(Echo) as server:
        conn = (await server.connect("/room")).conn
        assert conn.id in repr(conn) and "/room" in repr(conn)
