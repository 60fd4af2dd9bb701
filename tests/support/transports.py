"""Every kind of transport there is, served for ``check_transport``, each with the client's end that belongs to it."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
import trio_websocket
from attrs import frozen

from actorws import App, Close, CloseCode, Transport, open_runtime, run_over
from actorws.events import Event
from actorws.testing import Client, Peer, memory_transport, open_app
from actorws.testing.client import open_client
from actorws.transports.memory import MemoryPeer, MemoryTransport
from examples.custom_transport import JsonLines
from tests.support.serving import serving

__all__ = [
    "JsonPeer",
    "Served",
    "over_memory",
    "serve_json_lines",
    "serve_memory",
    "serve_taken_over",
    "serve_trio_websocket",
    "serve_websocket_on_poller",
    "serve_websocket_on_streams",
]

RESET = struct.pack("ii", 1, 0)


@frozen
class Served:
    """What a ``serve`` of ``check_transport`` yields."""

    connect: Callable[[], Awaitable[Peer]]


def ignore(event: Event) -> None:
    """Events are not looked at here."""


@asynccontextmanager
async def opening() -> AsyncIterator[Callable[[int], Awaitable[trio.SocketStream]]]:
    """Opens connections to a port, and closes them at the end."""
    streams: list[trio.SocketStream] = []

    async def opened(port: int) -> trio.SocketStream:
        streams.append(await trio.open_tcp_stream("127.0.0.1", port))
        return streams[-1]

    try:
        yield opened
    finally:
        for stream in streams:
            stream.socket.close()


@asynccontextmanager
async def over_memory(
    transport_of: Callable[[MemoryTransport], Transport], behaviour: Any, **options: Any
) -> AsyncIterator[Served]:
    """Memory transports, as they are or inside of others."""
    async with open_runtime(ignore) as runtime, trio.open_nursery() as nursery:

        async def connect() -> MemoryPeer:
            inner, peer = memory_transport()
            nursery.start_soon(partial(run_over, transport_of(inner), behaviour, runtime, **options))
            return peer

        yield Served(connect)
        nursery.cancel_scope.cancel()


serve_memory = partial(over_memory, lambda transport: transport)

# WebSocket


class WebsocketPeer:
    """The package's own client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.send = client.send
        self.receive = client.receive
        self.vanish = client.abort
        self.pause_reading = client.pause_reading
        self.resume_reading = client.resume_reading

    async def close(self, code: int, reason: str) -> None:
        await self._client.close(code, reason)


def app_of(behaviour: Any, options: dict[str, Any]) -> App:
    app = App()
    app.websocket("/", behaviour, **options)
    return app


@asynccontextmanager
async def serve_websocket_on_streams(behaviour: Any, **options: Any) -> AsyncIterator[Served]:
    async with open_app(app_of(behaviour, options), crashes="ignore") as server:

        async def connect() -> WebsocketPeer:
            return WebsocketPeer(await server.connect("/"))

        yield Served(connect)


@asynccontextmanager
async def serve_websocket_on_poller(behaviour: Any, **options: Any) -> AsyncIterator[Served]:
    async with serving(app_of(behaviour, options)) as server, opening() as opened, trio.open_nursery() as nursery:

        async def connect() -> WebsocketPeer:
            stream = await opened(server.port)
            client = await open_client(nursery, stream, "/", headers={}, subprotocols=(), automatic=True)
            return WebsocketPeer(client)

        yield Served(connect)
        nursery.cancel_scope.cancel()


# trio-websocket


class TrioWebsocketPeer:
    """The library's own client: it reads as far as its queue has room."""

    def __init__(self, connection: trio_websocket.WebSocketConnection, stream: trio.SocketStream) -> None:
        self._connection = connection
        self._stream = stream
        self._told = False

    async def send(self, message: str | bytes) -> None:
        try:
            await self._connection.send_message(message)
        except trio_websocket.ConnectionClosed:
            raise trio.BrokenResourceError from None

    async def receive(self) -> str | bytes | Close:
        try:
            return await self._connection.get_message()
        except trio_websocket.ConnectionClosed as error:
            how = error.reason
            if how is None or how.code == CloseCode.ABNORMAL or self._told:
                raise trio.EndOfChannel from None
            self._told = True
            return Close(how.code, how.reason or "")

    async def close(self, code: int, reason: str) -> None:
        await self._connection.aclose(code, reason)

    def vanish(self) -> None:
        self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._stream.socket.close()


@asynccontextmanager
async def serve_trio_websocket(behaviour: Any, *, accepted: bool = True, **options: Any) -> AsyncIterator[Served]:
    """``accepted``: the handshake is done before ``run_over``."""
    async with open_runtime(ignore) as runtime, opening() as opened, trio.open_nursery() as nursery:

        async def handle(request: trio_websocket.WebSocketRequest) -> None:
            wire = await request.accept() if accepted else request
            await run_over(wire, behaviour, runtime, **options)

        server = await nursery.start(trio_websocket.serve_websocket, handle, "127.0.0.1", 0, None)

        async def connect() -> TrioWebsocketPeer:
            stream = await opened(server.port)
            connection = await trio_websocket.wrap_client_stream(nursery, stream, "127.0.0.1", "/room?a=1")
            return TrioWebsocketPeer(connection, stream)

        yield Served(connect)
        nursery.cancel_scope.cancel()


# Lines of JSON


class JsonPeer:
    """A client of the example's transport."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self._stream = stream
        self._unread = b""

    async def send(self, message: object) -> None:
        await self._stream.send_all(json.dumps(message).encode() + b"\n")

    async def receive(self) -> str | bytes | Close:
        pieces = [self._unread]
        while b"\n" not in pieces[-1]:
            try:
                pieces.append(bytes(await self._stream.receive_some()))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise trio.EndOfChannel from None
            if not pieces[-1]:
                raise trio.EndOfChannel
        line, _, self._unread = b"".join(pieces).partition(b"\n")
        said = json.loads(line)
        if isinstance(said, str):
            return said
        await self._stream.send_eof()
        return Close(said["close"], said["reason"])

    async def close(self, code: int, reason: str) -> None:
        await self.send({"close": code, "reason": reason})

    def vanish(self) -> None:
        if isinstance(self._stream, trio.SocketStream):
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._stream.socket.close()
        else:
            self._stream.reset()  # type: ignore[attr-defined]


@asynccontextmanager
async def serve_json_lines(
    behaviour: Any, *, transport: type[JsonLines] = JsonLines, **options: Any
) -> AsyncIterator[Served]:
    async with open_runtime(ignore) as runtime, opening() as opened, trio.open_nursery() as nursery:

        async def handle(stream: trio.SocketStream) -> None:
            await run_over(transport(stream), behaviour, runtime, **options)

        [listener] = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]

        async def connect() -> JsonPeer:
            return JsonPeer(await opened(port))

        yield Served(connect)
        nursery.cancel_scope.cancel()


class TakenOver(JsonLines):
    """The same, on a connection that a server of ours accepted."""

    def abort(self) -> None:
        self.stream.abort()  # type: ignore[attr-defined]

    async def close(self, frame: Close) -> None:
        await self.stream.send_all(json.dumps({"close": frame.code, "reason": frame.reason}).encode() + b"\n")
        await self.stream.aclose()


@asynccontextmanager
async def serve_taken_over(behaviour: Any, *, in_memory: bool = False, **options: Any) -> AsyncIterator[Served]:
    """``App.register_transport``, on the stream driver (``in_memory``) or the poller."""
    app = app_of(behaviour, options)
    app.register_transport(lambda request: TakenOver(request.take_over()))  # type: ignore[arg-type]
    head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    if in_memory:
        async with open_app(app, crashes="ignore") as memory:

            async def connect() -> JsonPeer:
                stream = memory.open_stream()
                await stream.send_all(head)
                return JsonPeer(stream)

            yield Served(connect)
    else:
        async with serving(app) as server, opening() as opened:

            async def connect() -> JsonPeer:
                stream = await opened(server.port)
                await stream.send_all(head)
                return JsonPeer(stream)

            yield Served(connect)
