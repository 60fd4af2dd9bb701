"""Independent clients, behind the few calls that the tests of the examples need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

import pytest
import trio
from trio_websocket import ConnectionClosed as TrioConnectionClosed
from trio_websocket import WebSocketConnection, wrap_client_stream
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

#: Far more than anything here takes; a test that waits for what never comes fails with it.
SECONDS = 20


class Client(Protocol):
    async def send(self, message: str | bytes) -> None: ...
    async def receive(self) -> str | bytes: ...
    async def wait_closed(self) -> tuple[int, str]:
        """The code and reason with which the server closes; nothing else may come before."""
        ...


class TrioWebsocketClient:
    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection

    async def send(self, message: str | bytes) -> None:
        await self._connection.send_message(message)

    async def receive(self) -> str | bytes:
        with trio.fail_after(SECONDS):
            return await self._connection.get_message()

    async def wait_closed(self) -> tuple[int, str]:
        with trio.fail_after(SECONDS), pytest.raises(TrioConnectionClosed) as closed:
            await self._connection.get_message()
        assert closed.value.reason is not None
        return closed.value.reason.code, closed.value.reason.reason or ""


class WebsocketsClient:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: str | bytes) -> None:
        await trio.to_thread.run_sync(self._connection.send, message)

    async def receive(self) -> str | bytes:
        return await trio.to_thread.run_sync(partial(self._connection.recv, timeout=SECONDS))

    async def wait_closed(self) -> tuple[int, str]:
        with pytest.raises(ConnectionClosed) as closed:
            await self.receive()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason


@asynccontextmanager
async def with_trio_websocket(url: str) -> AsyncIterator[Client]:
    address = urlsplit(url)
    assert address.hostname is not None and address.port is not None
    resource = f"{address.path}?{address.query}"
    # With a stream of our own: trio-websocket leaves its socket open when it is the server that closes.
    async with await trio.open_tcp_stream(address.hostname, address.port) as stream, trio.open_nursery() as nursery:
        connection = await wrap_client_stream(nursery, stream, address.netloc, resource)
        yield TrioWebsocketClient(connection)
        await connection.aclose()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def with_websockets(url: str) -> AsyncIterator[Client]:
    opened = await trio.to_thread.run_sync(partial(connect, url, proxy=None, max_size=None))
    connection = await trio.to_thread.run_sync(opened.__enter__)
    try:
        yield WebsocketsClient(connection)
    finally:
        await trio.to_thread.run_sync(opened.__exit__, None, None, None)


Connect = Callable[[str], AbstractAsyncContextManager[Client]]


@pytest.fixture(params=[with_trio_websocket, with_websockets])
def connect_client(request: pytest.FixtureRequest) -> Connect:
    """Opens a connection with one of two independent WebSocket libraries."""
    return request.param
