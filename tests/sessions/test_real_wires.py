"""Sessions over real sockets, on the poller, plain and compressed. (In memory it is the other driver.)"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
import trio

from actorws import App, Close, Websocket
from actorws.events import ActorEnded, SessionDetached, SessionResumed
from tests.support.deflate import Peer, deflated
from tests.support.serving import Server, serving
from tests.support.session_client import Message, SessionClient
from tests.support.wire import CLOSE, TEXT, Client, connect, frame

OFFER = "permessage-deflate; client_max_window_bits"
LONG = "a message that is long enough to be compressed " * 20
COMPRESSIONS: list[dict[str, Any]] = [
    {},
    {"compression": True},
    {"compression": True, "server_context_takeover": True, "client_context_takeover": True},
]
compressions = pytest.mark.parametrize("options", COMPRESSIONS, ids=["plain", "compressed", "with context"])


class Echo(Websocket):
    resumable = True

    def init(self, conn: Any) -> Any:
        conn.join_nowait("all")
        return None, None

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame, Close(4001)] if frame == "bye" else [frame]

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, message


def app_of(**options: Any) -> App:
    app = App()
    app.websocket("/", Echo, **options)
    return app


class Wire:
    """One WebSocket of a session's client."""

    def __init__(self, client: Client, session: SessionClient, compressed: bool) -> None:
        self.client = client
        self.session = session
        self.peer = Peer() if compressed else None

    async def put(self, messages: list[Message]) -> None:
        for message in messages:
            payload, opcode = (message.encode(), TEXT) if isinstance(message, str) else (message, 2)
            if self.peer is not None:
                whole = frame(opcode, deflated(payload))
                await self.client.send(bytes((whole[0] | 0x40,)) + whole[1:])
            else:
                await self.client.send(frame(opcode, payload))

    async def send(self, *messages: Message) -> None:
        for message in messages:
            await self.put(self.session.send(message))

    async def step(self) -> None:
        """Take one frame of the server's."""
        first, size = await self.client.read(2)
        if size >= 126:
            size = int.from_bytes(await self.client.read(2 if size == 126 else 8), "big")
        payload = await self.client.read(size)
        if first & 0x40:
            assert self.peer is not None
            payload = self.peer.inflate(payload)
        if first & 0x0F == CLOSE:
            self.session.take(Close(int.from_bytes(payload[:2], "big")))
            await self.client.send(frame(CLOSE, payload[:2]))
        elif first & 0x0F in (1, 2):
            await self.put(self.session.take(payload.decode() if first & 0x0F == TEXT else payload))

    async def until_seen(self, number: int) -> None:
        seen = self.session.now.seen
        while len(seen) < number:
            await self.step()


@asynccontextmanager
async def wire_of(server: Server, session: SessionClient, *, compressed: bool) -> AsyncIterator[Wire]:
    async with connect(server.port) as client:
        offer = OFFER if compressed else None
        response = await client.upgrade(sec_websocket_protocol="actorws.v1", sec_websocket_extensions=offer)
        assert ("sec-websocket-extensions" in response.headers) == compressed
        wire = Wire(client, session, compressed)
        await wire.put(session.begin())
        while not session.greeted:
            await wire.step()
        yield wire
        session.lose()


@compressions
async def test_messages_of_both_sides_are_complete_over_wires_that_are_reset(options: dict[str, Any]) -> None:
    compressed = bool(options)
    random = Random(1)
    async with serving(app_of(**options)) as server:
        session = SessionClient()
        sent: list[str] = []
        for number in range(6):
            async with wire_of(server, session, compressed=compressed) as wire:
                for _ in range(4):
                    sent.append(f"{len(sent)} {LONG if random.random() < 0.5 else ''}")
                    await wire.send(sent[-1])
                await wire.until_seen(len(sent) - random.randrange(4))
                if random.random() < 0.5:
                    await wire.put(session.ack())
                wire.client.reset()
            await server.seen(SessionDetached, number + 1)
        async with wire_of(server, session, compressed=compressed) as wire:
            await wire.until_seen(len(sent))
            await wire.send("bye")
            await wire.until_seen(len(sent) + 1)
            await wire.step()
        (conversation,) = session.past
        assert conversation.seen == [*sent, "bye"]
        assert conversation.ended
        await server.seen(ActorEnded)
        assert len(server.all(SessionResumed)) == 6


@compressions
async def test_what_goes_to_all_reaches_those_who_are_there_and_those_who_come_back(options: dict[str, Any]) -> None:
    compressed = bool(options)
    async with serving(app_of(**options)) as server:
        here, away = SessionClient(), SessionClient()
        async with wire_of(server, away, compressed=compressed) as wire:
            wire.client.reset()
        await server.seen(SessionDetached)
        group = server.served.runtime.group
        async with wire_of(server, here, compressed=compressed) as wire:
            expected: list[Message] = []
            for turn in range(3):
                expected += [f"published {turn} {LONG}", f"\0broadcast {turn} {LONG}", bytes(20_000)]
                await group.publish("all", [expected[-3]])
                await group.broadcast("all", expected[-2])
                await group.broadcast("all", expected[-1])
            await wire.until_seen(len(expected))
        async with wire_of(server, away, compressed=compressed) as wire:
            await wire.until_seen(len(expected))
        assert here.now.seen == away.now.seen == expected


async def test_a_new_wire_is_served_while_the_old_one_takes_nothing() -> None:
    """The old one's output waits, and is nobody's business any more."""
    async with serving(app_of()) as server:
        session = SessionClient()
        async with wire_of(server, session, compressed=False) as old:
            await server.served.runtime.group.publish("all", [bytes(100_000)] * 10)
            await trio.testing.wait_all_tasks_blocked(0.05)
            session.lose()
            async with wire_of(server, session, compressed=False) as new:
                await new.until_seen(10)
                await new.send("a")
                await new.until_seen(11)
                old.client.reset()
                await new.send("b")
                await new.until_seen(12)
        assert session.now.seen[10:] == ["a", "b"]
        assert session.past == []
