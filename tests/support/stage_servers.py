"""The servers of the behaviour suite that accept their connections themselves, one for each wire."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing
from attrs import Factory, frozen

from actorws import App, Served, Websocket, serve, testing
from actorws.config import Backpressure
from actorws.testing.server import MemoryServer, _Events
from tests.support.behaviour_clients import SessionEnd
from tests.support.behaviour_clients_http import open_http_end

__all__ = ["Piece", "open_http", "open_sessions", "open_streams", "open_tcp"]


@frozen
class Piece:
    """What is served."""

    routes: Mapping[str, type[Websocket]]
    options: Mapping[str, Any] = Factory(dict)
    """Of the routes."""
    server_options: Mapping[str, Any] = Factory(dict)

    def app(self, **more: Any) -> App:
        app = App()
        for path, behaviour in self.routes.items():
            app.websocket(path, behaviour, **{**more, **self.options})
        return app


# WebSockets


@asynccontextmanager
async def open_streams(piece: Piece) -> AsyncIterator[MemoryServer]:
    """Plain WebSockets on the stream driver, in memory."""
    async with testing.open_app(piece.app(), crashes="ignore", **piece.server_options) as server:
        yield server


class TcpServer(MemoryServer):
    """The same for a test, but with real sockets between it and the poller."""

    def __init__(self, nursery: trio.Nursery, served: Served, events: _Events, returned: trio.Event) -> None:
        self.runtime = served.runtime
        self.events = events.seen
        self._nursery = nursery
        self._seen = events
        self._served = served
        self._returned = returned

    def _open(self, host: str) -> tuple[trio.abc.HalfCloseableStream, tuple[str, int]]:
        # Doesn't wait: the kernel completes the connection before anybody accepts it.
        connection = socket.create_connection(("127.0.0.1", self._served.port or 0))
        connection.setblocking(False)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(connection))
        return stream, connection.getsockname()

    async def shut_down(self) -> None:
        self._served.shut_down()
        await self._returned.wait()


@asynccontextmanager
async def open_tcp(piece: Piece) -> AsyncIterator[MemoryServer]:
    """Plain WebSockets on the poller, over real sockets."""
    events, returned = _Events(None), trio.Event()

    async def serve_it(task_status: Any) -> None:
        await serve(piece.app(), port=0, on_event=events, task_status=task_status, **piece.server_options)
        returned.set()

    async with trio.open_nursery() as nursery:
        yield TcpServer(nursery, await nursery.start(serve_it), events, returned)
        nursery.cancel_scope.cancel()


# Sessions


class SessionServer(MemoryServer):
    """Its clients speak ``actorws.v1``."""

    async def connect(self, path: str = "/", *, subprotocols: Any = (), **options: Any) -> Any:
        client = await super().connect(path, subprotocols=["actorws.v1", *subprotocols], **options)
        end = SessionEnd(client, self._nursery)
        await end.begin()
        address = (options.get("host", "127.0.0.1"), self._port)
        end.conn = self._seen.conn_of(address)
        return end

    def _open(self, host: str) -> tuple[trio.abc.HalfCloseableStream, tuple[str, int]]:
        stream, address = super()._open(host)
        self._port = address[1]
        return stream, address


@asynccontextmanager
async def open_sessions(piece: Piece) -> AsyncIterator[MemoryServer]:
    """Resumable WebSockets whose clients don't come back."""
    app = piece.app(resumable=True, session_resume_timeout=0)
    async with testing.open_app(app, crashes="ignore", **piece.server_options) as server:
        yield SessionServer(server._nursery, server._site, server._seen, server._capacity)


class HttpServer(MemoryServer):
    """Its clients come over HTTP."""

    def __init__(self, wire: str, server: MemoryServer) -> None:
        super().__init__(server._nursery, server._site, server._seen, server._capacity)
        self.wire = wire

    async def connect(
        self,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Any = (),
        automatic: bool = True,
        host: str = "127.0.0.1",
    ) -> Any:
        client = await open_http_end(self, self.wire, path, headers or {}, subprotocols, host)
        if self.wire == "poll":
            # The greeting was an answer: it is there when it has come back.
            await trio.testing.wait_all_tasks_blocked()
        return client


@asynccontextmanager
async def open_http(wire: str, piece: Piece) -> AsyncIterator[MemoryServer]:
    """HTTP alone: a WebSocket is not to be had."""
    # Between two polls a client is away: the bounds of a session without a wire are made those of one with a wire.
    limit = piece.options.get("backpressure_limit", Backpressure().backpressure_limit)
    app = piece.app(transports=(wire,), session_buffer_bytes=limit, session_buffer_messages=10_000)
    async with testing.open_app(app, crashes="ignore", **piece.server_options) as server:
        yield HttpServer(wire, server)
