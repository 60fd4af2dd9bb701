"""The server's end of a connection in RESP3, said byte by byte by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import hiredis
import trio
from trio.testing import memory_stream_pair

from actorws.cluster.resp import Connection
from actorws.exceptions import EngineUnavailable
from tests.support.wire import SECONDS

__all__ = ["Calls", "Peer", "connected", "greeting", "push"]


def push(*parts: bytes | int) -> bytes:
    """What a server says unasked."""
    return b">%d\r\n" % len(parts) + b"".join(map(_encoded, parts))


def _encoded(part: bytes | int) -> bytes:
    return b":%d\r\n" % part if isinstance(part, int) else b"$%d\r\n%b\r\n" % (len(part), part)


class Peer:
    """Reads commands, and says what the test wants."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        #: How many times something was read: one for each write, as long as the test keeps up.
        self.reads = 0

    async def command(self) -> list[bytes]:
        """The next command."""
        with trio.fail_after(SECONDS):
            while (found := self._reader.gets()) is _NOTHING:
                data = await self.stream.receive_some()
                assert data, "the connection was closed"
                self.reads += 1
                self._reader.feed(bytes(data))
        assert isinstance(found, list)
        return found

    async def commands(self, count: int) -> list[list[bytes]]:
        return [await self.command() for _ in range(count)]

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def is_closed(self) -> bool:
        """Whether the other end has closed it (and said nothing more)."""
        with trio.fail_after(SECONDS):
            return await self.stream.receive_some() == b""


_NOTHING: Any = object()


@asynccontextmanager
async def connected(
    on_push: Callable[[list[Any]], None] = lambda push: None, **options: Any
) -> AsyncIterator[tuple[Connection, Peer]]:
    """A connection that runs, and its server; it may go over while the block lasts."""
    near, far = memory_stream_pair()
    connection = Connection(near, on_push, **options)

    async def run() -> None:
        try:
            await connection.run()
        except EngineUnavailable:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield connection, Peer(far)
        nursery.cancel_scope.cancel()


class Calls:
    """Calls in tasks of their own, and what came of them."""

    def __init__(self, connection: Connection, nursery: trio.Nursery) -> None:
        self.connection = connection
        self.nursery = nursery
        self.replies: dict[Any, Any] = {}

    def start(self, *command: Any, key: Any = None) -> trio.CancelScope:
        scope = trio.CancelScope()
        self.nursery.start_soon(self._call, command, key if key is not None else command, scope)
        return scope

    async def _call(self, command: Any, key: Any, scope: trio.CancelScope) -> None:
        with scope:
            try:
                self.replies[key] = await self.connection.call(*command)
            except EngineUnavailable as error:
                self.replies[key] = error


@asynccontextmanager
async def greeting(reply: bytes) -> AsyncIterator[int]:
    """The port of a server that says the same to everything."""

    async def serve(stream: trio.SocketStream) -> None:
        try:
            while await stream.receive_some():
                await stream.send_all(reply)
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()
