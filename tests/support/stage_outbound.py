"""The ninth wire of the behaviour suite: connections that the runtime has opened.

The actors are at the client's end; what scenarios call the client is the server that the runtime has connected to.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha1
from itertools import count
from typing import Any
from urllib.parse import unquote

import trio

from actorws import App, Conn, Websocket, testing
from actorws.events import ActorStarted
from actorws.server.router import Router
from actorws.testing.memory import memory_streams
from actorws.testing.server import MemoryServer
from tests.support.behaviour_clients import ServerEnd
from tests.support.stage_servers import Piece

__all__ = ["open_outbound"]

#: RFC 6455 section 1.3.
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: A header by which the connection that got it is found.
NUMBER = "x-number"


class OutboundServer(MemoryServer):
    """A runtime that connects when it is told to, and whoever it connects to."""

    def __init__(self, server: MemoryServer, piece: Piece) -> None:
        super().__init__(server._nursery, server._site, server._seen, server._capacity)
        self._options = piece.options
        self._numbers = count(1)
        self._behaviours: Router[Websocket, Any] = Router()
        for path, behaviour in piece.routes.items():
            self._behaviours.websocket(path, behaviour())

    async def connect(
        self, path: str = "/", *, headers: Mapping[str, str] | None = None, automatic: bool = True, behind: bytes = b""
    ) -> ServerEnd:
        """Have the runtime connect to ``path``. ``headers`` are added to those of the answer, which an actor sees;
        ``behind`` comes with it.
        """
        ours, theirs = memory_streams(self._capacity)
        number = str(next(self._numbers))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._dial, path, theirs)
            asked = await _accept(ours, {NUMBER: number, **(headers or {})}, behind)
            end = ServerEnd(self._nursery, ours, asked, automatic=automatic)
        end.conn = self._conn_of(number)
        return end

    async def _dial(self, path: str, stream: trio.abc.Stream) -> None:
        async def open_stream(host: str, port: int) -> trio.abc.Stream:
            return stream

        found = self._behaviours.resolve(unquote(path.partition("?")[0]))
        assert found is not None and found.websocket is not None
        await self.runtime.connect(
            f"ws://test{path}", found.websocket, restart="temporary", open_stream=open_stream, **self._options
        )

    def _conn_of(self, number: str) -> Conn:
        started = (event.conn for event in self.events if isinstance(event, ActorStarted))
        return next(conn for conn in started if conn.headers.get(NUMBER) == number)


async def _accept(stream: trio.abc.Stream, more: Mapping[str, str], behind: bytes) -> Mapping[str, str]:
    """Answer a handshake, and compress nothing; its headers, names in lower case."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive_some()
    _, *lines = head.decode("latin-1").split("\r\n")[:-2]
    asked = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    accept = b64encode(sha1(asked["sec-websocket-key"].encode() + GUID).digest()).decode()
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept, **more}
    answer = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in headers.items())]
    await stream.send_all("\r\n".join([*answer, "", ""]).encode("latin-1") + behind)
    return asked


@asynccontextmanager
async def open_outbound(piece: Piece) -> AsyncIterator[MemoryServer]:
    """WebSockets of the client's side on the stream driver, in memory; their runtime is that of a server without a
    route.
    """
    async with testing.open_app(App(), crashes="ignore", **piece.server_options) as server:
        yield OutboundServer(server, piece)
