"""The run queue: a delivery that fails in a way that nobody foresaw costs as little as it can, and never the server."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from actorws import Error, Websocket, events
from actorws.actor.mailbox import Mailbox
from tests.support.serving import Server, serving
from tests.support.wire import Client, open_client


class Member(Websocket):
    """In one room with all others."""

    async def init(self, conn: Any) -> Any:
        await conn.join("room")
        return None, ["joined"]

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame]

    async def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, [f"got {message}"]


async def joined(client: Client) -> Client:
    assert await client.message() == "joined"
    return client


def told(server: Server) -> list[type[BaseException]]:
    """What went wrong, which the fixture would take for a failure otherwise."""
    failures = [type(event.exception) for event in server.all(events.BackgroundCrashed)]
    server.events[:] = [event for event in server.events if not isinstance(event, events.BackgroundCrashed)]
    return failures


@pytest.mark.parametrize("failures", [1, 2])
async def test_a_message_that_a_member_cannot_take_costs_that_member_only(
    monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """There is no memory for its mailbox, or for the next one's, who is the last."""
    left = [None] * failures

    def mailbox(options: Any) -> Mailbox:
        if left:
            left.pop()
            raise MemoryError
        return Mailbox(options)

    async with serving(Member) as server, AsyncExitStack() as stack:
        clients = [await joined(await stack.enter_async_context(open_client(server.port))) for _ in range(2)]
        monkeypatch.setattr("actorws.actor.actor.Mailbox", mailbox)
        server.served.runtime.group.publish_nowait("room", "hello")
        for client in clients[:failures]:
            assert (await client.closed())[0] == 1011
        for client in clients[failures:]:
            assert await client.message() == "got hello"
        assert {type(ended.reason) for ended in await server.seen(events.ActorEnded, failures)} == {Error}
        assert told(server) == [MemoryError] * failures
        async with open_client(server.port) as late:
            await (await joined(late)).echo("as ever")


@pytest.mark.parametrize("failing", ["encode", "send"])
async def test_a_broadcast_that_fails_is_dropped_or_costs_one_member(
    monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """There is no memory for the frame's bytes, which would be so for every member, or for one member's part of it."""

    def fail(*_: Any) -> Any:
        monkeypatch.undo()
        raise MemoryError

    async with serving(Member) as server, open_client(server.port) as first, open_client(server.port) as second:
        await joined(first)
        await joined(second)
        if failing == "encode":
            monkeypatch.setattr("actorws.actor.runqueue.encode", fail)
        else:
            monkeypatch.setattr("actorws.transports.websocket.WebsocketTransport.send_encoded", fail)
        server.served.runtime.group.broadcast_nowait("room", "one")
        await server.seen(events.BackgroundCrashed)
        server.served.runtime.group.broadcast_nowait("room", "two")
        if failing == "encode":
            assert await first.message() == "two"
        else:
            assert (await first.closed())[0] == 1011
            assert await second.message() == "one"
        assert await second.message() == "two"
        assert told(server) == [MemoryError]
