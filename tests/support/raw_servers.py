"""Servers that are nothing but bytes, on free ports of this machine: they say what no sound one would, or nothing."""

from __future__ import annotations

import socket as stdlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from attrs import field, frozen

from actorws.protocol.handshake import accept_key
from tests.support.wire import SECONDS, Client

__all__ = [
    "Asked",
    "NoNames",
    "RawServer",
    "accepting",
    "answer_to",
    "asked_by",
    "ending",
    "full_backlog",
    "raw_server",
    "resetting",
    "saying",
    "silent",
]


@frozen
class Asked:
    """A request, as it came."""

    line: str
    headers: Mapping[str, str]
    raw: bytes = field(repr=False)


#: What a server does with one connection.
Handler = Callable[[Client], Awaitable[None]]


class RawServer:
    """A server that runs."""

    def __init__(self, port: int) -> None:
        self.port = port
        #: Connections so far, and what was asked on those that were read with ``asked_by``.
        self.connections = 0
        self.asked: list[Asked] = []

    def url(self, path: str = "/", scheme: str = "ws") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"


async def asked_by(client: Client) -> Asked:
    """The head of a request."""
    raw = await client.until(b"\r\n\r\n")
    line, *headers = raw.decode("latin-1").split("\r\n")[:-2]
    pairs = [header.partition(":") for header in headers]
    return Asked(line, {name.lower(): value.strip() for name, _, value in pairs}, raw)


def answer_to(asked: Asked, **headers: str | None) -> bytes:
    """A 101 as it should be; keywords replace or (``None``) take out headers."""
    lines: dict[str, str | None] = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": accept_key(asked.headers["sec-websocket-key"]),
    }
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode("latin-1")


def accepting(behind: bytes = b"", **headers: str | None) -> Handler:
    """Accepts in one packet with what comes ``behind``, and stays."""

    async def handle(client: Client) -> None:
        await client.send(answer_to(await asked_by(client), **headers) + behind)
        await client.rest()

    return handle


def saying(*parts: bytes) -> Handler:
    """Answers every request with these, one after the other, and ends the connection."""

    async def handle(client: Client) -> None:
        await asked_by(client)
        for part in parts:
            await client.send(part)
            await trio.sleep(0)

    return handle


def silent(*parts: bytes) -> Handler:
    """Says these before anybody asks, and nothing more; stays."""

    async def handle(client: Client) -> None:
        for part in parts:
            await client.send(part)
        await trio.sleep_forever()

    return handle


async def ending(client: Client) -> None:
    """Reads the request and hangs up."""
    await asked_by(client)


async def resetting(client: Client) -> None:
    """Reads the request and resets the connection."""
    await asked_by(client)
    client.reset()


@asynccontextmanager
async def raw_server(
    handle: Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[RawServer]:
    """Serve every connection with ``handle`` while the block lasts; it is closed when that returns."""
    (listener,) = await trio.open_tcp_listeners(0, host=host)
    server = RawServer(listener.socket.getsockname()[1])

    async def serve(stream: trio.abc.Stream) -> None:
        server.connections += 1
        async with stream:
            try:
                if tls is not None:
                    stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
                await handle(Client(stream))
            except (trio.BrokenResourceError, trio.ClosedResourceError, AssertionError):
                pass  # the other end has gone

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.serve_listeners, serve, [listener]))
            yield server
            nursery.cancel_scope.cancel()


class NoNames(trio.abc.HostnameResolver):
    """A resolver that knows no names, without asking anybody."""

    async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:
        raise stdlib.gaierror(stdlib.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        raise NotImplementedError


@asynccontextmanager
async def full_backlog() -> AsyncIterator[int]:
    """The port of one that listens and has no room for a connection more: SYN gets no answer."""
    listener = trio.socket.socket()
    callers: list[trio.socket.SocketType] = []
    try:
        await listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with trio.move_on_after(0.2) as scope:
            while True:
                callers.append(trio.socket.socket())
                await callers[-1].connect(("127.0.0.1", port))
        assert scope.cancelled_caught
        yield port
    finally:
        for socket in (listener, *callers):
            socket.close()
