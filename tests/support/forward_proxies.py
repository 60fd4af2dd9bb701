"""Proxies that clients ask to be connected by: SOCKS 4 and 5 and CONNECT, on free ports, as small as they can be.

Each notes what it was asked for. All destinations lead to one server, whatever their names, so that a test may ask for
``example.org``.
"""

from __future__ import annotations

import ipaddress
import ssl
import struct
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from tests.support.raw_servers import raw_server
from tests.support.wire import Client

__all__ = ["ForwardProxy", "forward_proxy"]


class ForwardProxy:
    """One that runs."""

    def __init__(self, credentials: tuple[str, str] | None, target: int) -> None:
        self.credentials = credentials
        self.target = target
        self.port = 0
        #: ``host:port`` as it was asked for.
        self.asked: list[str] = []
        #: Instead of connecting anybody: the answer's code.
        self.refuses: int | None = None

    def url(self, scheme: str, credentials: str = "") -> str:
        return f"{scheme}://{credentials}127.0.0.1:{self.port}"

    # Each protocol: a connection from its begin to where the tunnel begins, or to its end

    async def http(self, client: Client) -> bool:
        line, *headers = (await client.until(b"\r\n\r\n")).decode().split("\r\n")
        method, destination, _ = line.split()
        assert method == "CONNECT"
        given = {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in headers)}
        if self.credentials is not None:
            scheme, _, encoded = given.get("proxy-authorization", "").partition(" ")
            if scheme != "Basic" or b64decode(encoded).decode("latin-1") != ":".join(self.credentials):
                await client.send(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return False
        self.asked.append(destination)
        if self.refuses is not None:
            await client.send(f"HTTP/1.1 {self.refuses} Because\r\n\r\n".encode())
            return False
        # In pieces: what comes behind the first is no less the proxy's.
        for part in (b"HTTP/1.1 200 Fine\r\nVia: 1.1 a\r", b"\nX-Long: " + b"x" * 3000, b"\r\n\r", b"\n"):
            await client.send(part)
            await trio.sleep(0.005)
        return True

    async def socks5(self, client: Client) -> bool:
        _, count = await client.read(2)
        methods = await client.read(count)
        wanted = 0 if self.credentials is None else 2
        if wanted not in methods:
            await client.send(b"\x05\xff")
            return False
        await client.send(bytes([5, wanted]))
        if self.credentials is not None:
            _, size = await client.read(2)
            user = (await client.read(size)).decode()
            (size,) = await client.read(1)
            fine = (user, (await client.read(size)).decode()) == self.credentials
            await client.send(bytes([1, 0 if fine else 1]))
            if not fine:
                return False
        _, _, _, kind = await client.read(4)
        if kind == 3:
            (size,) = await client.read(1)
            host = (await client.read(size)).decode()
        else:
            host = str(ipaddress.ip_address(await client.read(4 if kind == 1 else 16)))
        (port,) = struct.unpack("!H", await client.read(2))
        self.asked.append(f"{host}:{port}")
        await client.send(bytes([5, self.refuses or 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        return self.refuses is None

    async def socks4(self, client: Client) -> bool:
        _, _, port = struct.unpack("!BBH", await client.read(4))
        address = await client.read(4)
        user = (await client.until(b"\0"))[:-1].decode()
        host = str(ipaddress.ip_address(address))
        if address[:3] == b"\0\0\0" and address[3]:
            host = (await client.until(b"\0"))[:-1].decode()
        self.asked.append(f"{user}@{host}:{port}")
        await client.send(bytes([0, self.refuses or 0x5A, 0, 0, 0, 0, 0, 0]))
        return self.refuses is None


@asynccontextmanager
async def forward_proxy(
    protocol: Callable[[ForwardProxy, Client], Awaitable[bool]],
    target: int,
    *,
    credentials: tuple[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[ForwardProxy]:
    """A proxy, while the block lasts, that connects all who may to the port ``target`` of this machine."""
    proxy = ForwardProxy(credentials, target)

    async def handle(client: Client) -> None:
        if not await protocol(proxy, client):
            return
        async with await trio.open_tcp_stream("127.0.0.1", proxy.target) as server, trio.open_nursery() as nursery:
            nursery.start_soon(_pump, client.stream, server)
            await _pump(server, client.stream)
            nursery.cancel_scope.cancel()

    async with raw_server(handle, tls) as server:
        proxy.port = server.port
        yield proxy


async def _pump(source: trio.abc.Stream, target: trio.abc.Stream) -> None:
    try:
        while data := await source.receive_some(65536):
            await target.send_all(data)
        if isinstance(target, trio.SocketStream):
            await target.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
