"""Sessions over WebSockets to a server in memory (`actorws.testing`): a wire, and what goes over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio

from actorws import Close
from actorws.sessions.store import Store
from actorws.testing.client import Client
from actorws.testing.server import MemoryServer
from tests.support.session_client import Message, SessionClient

__all__ = ["SessionWire", "open_wire", "resumed", "store_of"]


class SessionWire:
    """One WebSocket of a client."""

    def __init__(self, websocket: Client, client: SessionClient) -> None:
        self.websocket = websocket
        self.client = client
        #: The server's Close, once it has come.
        self.closed: Close | None = None
        self._conversation, self._taken = client.now, len(client.now.seen)

    async def send(self, *messages: Message) -> None:
        for message in messages:
            for frame in self.client.send(message):
                await self.websocket.send(frame)

    async def say(self, *frames: Message) -> None:
        """Send frames as they are."""
        for frame in frames:
            await self.websocket.send(frame)

    async def ack(self) -> None:
        await self.say(*self.client.ack())

    async def step(self) -> None:
        """Take one thing that the server has sent. Raises ``trio.EndOfChannel`` when nothing more comes."""
        item = await self.websocket.receive()
        if isinstance(item, Close):
            self.closed = item
        await self.say(*self.client.take(item))

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            await self.step()

    async def receive(self) -> Message:
        """The next message for the application."""
        await self.until(self._has_come)
        self._taken += 1
        return self._conversation.seen[self._taken - 1]

    def _has_come(self) -> bool:
        if self._conversation in self.client.past and len(self._conversation.seen) == self._taken:
            self._conversation, self._taken = self.client.now, 0
        return len(self._conversation.seen) > self._taken

    async def receive_many(self, number: int) -> list[Message]:
        return [await self.receive() for _ in range(number)]

    async def end(self) -> Close | None:
        """Everything up to the end of the wire; the Close that the server has said, if it has."""
        try:
            while True:
                await self.step()
        except trio.EndOfChannel:
            return self.closed

    def cut(self) -> None:
        """The wire is lost, without a word."""
        self.websocket.abort()
        self.client.lose()


async def open_wire(
    server: MemoryServer,
    client: SessionClient | None = None,
    path: str = "/",
    *,
    subprotocols: Sequence[str] = (),
    host: str = "127.0.0.1",
    greeted: bool = True,
    automatic: bool = True,
) -> SessionWire:
    """A wire for ``client`` (default: a new one), greeted."""
    client = client or SessionClient()
    websocket = await server.connect(path, subprotocols=["actorws.v1", *subprotocols], host=host, automatic=automatic)
    assert websocket.subprotocol == "actorws.v1"
    wire = SessionWire(websocket, client)
    await wire.say(*client.begin())
    if greeted:
        await wire.until(lambda: client.greeted)
    return wire


async def resumed(server: MemoryServer, wire: SessionWire, **options: Any) -> SessionWire:
    """The wire after ``wire``, of the same client."""
    return await open_wire(server, wire.client, **options)


def store_of(server: Any) -> Store:
    """A server's sessions."""
    store: Store = server._site.sessions
    return store
