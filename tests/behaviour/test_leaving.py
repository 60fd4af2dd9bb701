"""Leaving a group: what was published to it and waits in the mailbox is for members, who one is no more."""

from __future__ import annotations

import trio

from actorws import Websocket


async def test_who_leaves_gets_nothing_that_was_for_the_group_and_who_stays_gets_it_all(clock, serve):
    began, go_on = [], trio.Event()

    class Busy(Websocket):
        """Joins a group and waits in its callback; then it leaves or stays, as its path says."""

        async def init(self, conn):
            await conn.join("room")
            await conn.register(conn.path)
            return None, []

        async def handle_client_message(self, state, conn, frame):
            began.append(conn)
            await go_on.wait()
            if conn.path == "/leaves":
                await conn.leave("room")
            return state, ["done"]

        async def handle_server_message(self, state, conn, message):
            return state, [message]

    async with serve(Busy) as server:
        clients = {path: await server.connect(path) for path in ("/leaves", "/stays")}
        for client in clients.values():
            await client.send("begin")
        while len(began) < 2:
            await trio.lowlevel.checkpoint()
        group, unique = server.runtime.group, server.runtime.unique
        group.publish_nowait("room", "published")
        group.broadcast_nowait("room", "broadcast")
        group.broadcast_nowait("room", lambda conn, meta: "made for one")
        for path in clients:
            unique.send_message_nowait(path, "sent by name")
        while server.runtime.scheduler.queue:
            await trio.lowlevel.checkpoint()
        go_on.set()
        assert await received(clients["/leaves"]) == ["done", "sent by name"]
        assert await received(clients["/stays"]) == ["done", "published", "broadcast", "made for one", "sent by name"]


async def received(client):
    """Everything up to what came last."""
    came = []
    while not came or came[-1] != "sent by name":
        came.append(await client.receive())
    return came
