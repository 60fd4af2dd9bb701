"""Actors reach each other by name and through groups, from wherever they are."""

from __future__ import annotations

import pytest
import trio

from actorws import App, Close, NameTaken, Remote, SendStatus, Websocket, testing
from actorws.events import ActorCrashed, ActorEnded, BackgroundCrashed


class Member(Websocket):
    """In the group "all", with its path as its unique name and meta; shows messages as they come."""

    def init(self, conn):
        conn.register_nowait(conn.path)
        conn.join_nowait("all", conn.path)
        return None, "ready"

    def handle_client_message(self, state, conn, frame):
        return state, frame

    def handle_server_message(self, state, conn, message):
        return state, f"message {message}"


async def member(server, path="/a"):
    client = await server.connect(path)
    assert await client.receive() == "ready"
    return client


async def test_a_message_by_name_reaches_its_owner_alone(clock, serve):
    async with serve(Member) as server:
        one, other = await member(server, "/one"), await member(server, "/other")
        assert await server.runtime.unique.send_message("/one", 1) is True
        assert await server.runtime.unique.send_message("/nobody", 1) is False
        assert await server.runtime.unique.send_message("/other", 2) is True
        assert (await one.receive(), await other.receive()) == ("message 1", "message 2")


async def test_publish_reaches_every_member_and_counts_them(clock, serve):
    async with serve(Member) as server:
        clients = [await member(server, f"/{number}") for number in range(3)]
        assert await server.runtime.group.publish("all", "x") == 3
        assert await server.runtime.group.publish("none", "x") == 0
        assert [await client.receive() for client in clients] == ["message x"] * 3


async def test_broadcast_goes_straight_to_the_clients(clock, serve):
    async with serve(Member) as server:
        clients = [await member(server, f"/{number}") for number in range(3)]
        for frame in ("text", b"binary", "x" * 100_000):
            assert await server.runtime.group.broadcast("all", frame) == 3
            assert [await client.receive() for client in clients] == [frame] * 3
        assert "handle_server_message" not in [name for _, name in server.journal.calls]


async def test_a_broadcast_of_close_ends_every_member(clock, serve):
    async with serve(Member) as server:
        clients = [await member(server, f"/{number}") for number in range(3)]
        await server.runtime.group.broadcast("all", Close(4000, "closing time"))
        for client in clients:
            assert await client.wait_closed() == Remote(4000, "closing time")


async def test_a_broadcast_can_be_made_for_each_member(clock, serve):
    """``None`` leaves one out, and one whose frame can't be made costs the others nothing."""

    def frame_for(conn, meta):
        assert conn.path == meta
        return {"/0": "zero", "/1": None, "/2": Close(4002)}.get(meta) or (1 // 0 if meta == "/3" else meta)

    async with serve(Member, crashes="ignore") as server:
        clients = [await member(server, f"/{number}") for number in range(5)]
        await server.runtime.group.broadcast("all", lambda conn, meta: None if meta == "/1" else frame_for(conn, meta))
        await server.runtime.group.publish("all", "after")
        assert [await clients[0].receive(), await clients[0].receive()] == ["zero", "message after"]
        assert await clients[1].receive() == "message after"
        assert await clients[2].receive() == Close(4002)
        assert await clients[3].receive() == "message after"
        assert [await clients[4].receive(), await clients[4].receive()] == ["/4", "message after"]
        assert isinstance((await server.wait_event(BackgroundCrashed)).exception, ZeroDivisionError)


async def test_exclude_leaves_one_out(clock, serve):
    async with serve(Member) as server:
        one, other = await member(server, "/one"), await member(server, "/other")
        assert await server.runtime.group.publish("all", "first", exclude=one.conn) == 1
        assert await server.runtime.group.broadcast("all", "second", exclude=other.conn) == 1
        assert await server.runtime.group.publish("all", "third") == 2
        assert [await one.receive(), await one.receive()] == ["second", "message third"]
        assert [await other.receive(), await other.receive()] == ["message first", "message third"]


@pytest.mark.parametrize("kind, waiting", [("def", False), ("async def", False), ("async def", True)])
async def test_sending_from_every_place(clock, serve, waiting, kind):
    """From init, from callbacks, from terminate, from outside; the waiting forms where there is ``async``."""

    class Everywhere(Websocket):
        def init(self, conn):
            conn.publish_nowait("log", f"init {conn.path}")
            return None, []

        def handle_client_message(self, state, conn, frame):
            conn.broadcast_nowait("log", "broadcast")
            conn.send_message_nowait("/log", frame)
            return state, "answer"

        def terminate(self, state, conn, reason):
            conn.publish_nowait("log", "terminate")

    class EverywhereWaiting(Everywhere):
        async def init(self, conn):
            await conn.publish("log", f"init {conn.path}")
            return None, []

        async def handle_client_message(self, state, conn, frame):
            await conn.broadcast("log", "broadcast")
            await conn.send_message("/log", frame)
            return state, "answer"

        async def terminate(self, state, conn, reason):
            await conn.publish("log", "terminate")

    class Log(Member):
        def init(self, conn):
            conn.register_nowait("/log")
            conn.join_nowait("log")
            return None, "ready"

    async with serve({"/log": Log, "/x": EverywhereWaiting if waiting else Everywhere}) as server:
        log = await member(server, "/log")
        client = await server.connect("/x")
        await client.send("hello")
        assert await client.receive() == "answer"
        await server.runtime.group.publish("log", "from outside")
        await client.close()
        got = [await log.receive() for _ in range(5)]
        expected = ["message init /x", "broadcast", "message hello", "message from outside", "message terminate"]
        assert sorted(got) == sorted(expected)
        assert got[:3] == expected[:3]


@pytest.mark.parametrize("wire", ["websocket"])
async def test_a_background_function_publishes(clock, wire):
    app = App()
    app.websocket("/", Member)
    go = trio.Event()

    @app.background
    async def ticker(runtime):
        await go.wait()
        for number in range(3):
            await runtime.group.publish("all", number)

    async with testing.open_app(app) as server:
        client = await member(server, "/")
        go.set()
        assert [await client.receive() for _ in range(3)] == ["message 0", "message 1", "message 2"]


async def test_a_sender_in_its_group_gets_its_own_message_after_its_callback(clock, serve):
    class Sender(Member):
        def handle_client_message(self, state, conn, frame):
            conn.publish_nowait("all", frame)
            return state, "first"

    async with serve(Sender) as server:
        client = await member(server)
        await client.send("x")
        assert [await client.receive(), await client.receive()] == ["first", "message x"]


async def test_who_leaves_between_publish_and_delivery_gets_nothing(clock, serve):
    """And lives on as if nothing had been."""
    async with serve(Member) as server:
        one, other = await member(server, "/one"), await member(server, "/other")
        group = server.runtime.group
        assert group.publish_nowait("all", "published") == 2
        assert group.broadcast_nowait("all", "broadcast") == 2
        assert one.conn.leave_nowait("all") is True
        assert one.conn.leave_nowait("all") is False
        assert [await other.receive(), await other.receive()] == ["message published", "broadcast"]
        await one.send("alive?")
        assert await one.receive() == "alive?"


async def test_who_joins_after_the_publish_gets_nothing_of_it(clock, serve):
    async with serve(Member) as server:
        one, other = await member(server, "/one"), await member(server, "/other")
        one.conn.leave_nowait("all")
        server.runtime.group.publish_nowait("all", "early")
        one.conn.join_nowait("all")
        server.runtime.group.publish_nowait("all", "late")
        assert await one.receive() == "message late"
        assert [await other.receive(), await other.receive()] == ["message early", "message late"]


async def test_membership_can_be_looked_at(clock, serve):
    async with serve(Member) as server:
        one, other = await member(server, "/one"), await member(server, "/other")
        members = await server.runtime.group.members("all")
        assert [(entry.id, entry.meta) for entry in members] == [(one.conn.id, "/one"), (other.conn.id, "/other")]
        assert await server.runtime.group.count("all") == 2
        assert (one.conn.groups, one.conn.names, one.conn.is_member("all")) == ({"all"}, {"/one"}, True)
        one.conn.join_nowait("all", "new meta")
        assert [entry.meta for entry in await server.runtime.group.members("all")] == ["new meta", "/other"]
        assert await members[1].ref.send("by reference")
        assert await other.receive() == "message by reference"


async def test_a_name_that_is_taken_is_refused_and_free_when_its_owner_ends(clock, serve):
    class Named(Member):
        def init(self, conn):
            try:
                conn.register_nowait("name")
            except NameTaken as error:
                return None, error.name
            return None, "ready"

    async with serve(Named) as server:
        first = await member(server)
        second = await server.connect()
        assert await second.receive() == "name"
        assert (await server.runtime.unique.whereis("name")).id == first.conn.id
        await first.close()
        await server.wait_event(ActorEnded)
        await member(server)


async def test_the_registrys_sends_never_fail_for_a_member_that_is_closing(clock, serve):
    async with serve(Member) as server:
        one, other = await member(server, "/one"), await member(server, "/other")
        one.conn.close()
        assert await server.runtime.group.publish("all", "x") == 1
        assert await server.runtime.unique.send_message("/one", "x") is False
        assert await other.receive() == "message x"


async def test_a_message_without_a_callback_for_it_is_a_crash_that_says_so(clock, serve):
    class Deaf(Websocket):
        def init(self, conn):
            conn.join_nowait("all")
            return None, "ready"

        def handle_client_message(self, state, conn, frame):
            return state, frame

    async with serve(Deaf, crashes="ignore") as server:
        client = await member(server)
        await server.runtime.group.publish("all", "hello")
        assert await client.receive() == Close(1011)
        assert "Deaf got the message 'hello'" in str((await server.wait_event(ActorCrashed)).exception)


async def test_what_is_published_with_one_call_is_one_tick(clock, serve):
    """A conn's own send and the messages of others leave in the order in which they were handled."""
    async with serve(Member) as server:
        client = await member(server)
        conn = client.conn
        server.runtime.group.publish_nowait("all", 1)
        server.runtime.group.broadcast_nowait("all", "two")
        server.runtime.unique.send_message_nowait("/a", 3)
        assert conn.send("at once") is SendStatus.SENT
        assert [await client.receive() for _ in range(4)] == ["at once", "message 1", "two", "message 3"]
