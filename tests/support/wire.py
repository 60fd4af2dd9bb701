"""A client that is nothing but bytes: it can say everything a real one can, and all that a real one never would."""

from __future__ import annotations

import base64
import os
import socket as stdlib
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio
from attrs import frozen

from actorws import CloseCode

__all__ = ["CLOSE", "PING", "PONG", "Client", "Response", "connect", "frame", "handshake", "open_client"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
#: Far more than anything here takes; a test that waits for what never comes fails with it.
SECONDS = 20


def handshake(path: str = "/", host: str = "127.0.0.1", **headers: str | None) -> bytes:
    """A handshake's head; keywords replace or (``None``) take out headers: ``sec_websocket_key=None``."""
    lines: dict[str, str | None] = {
        "host": host,
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
        "sec-websocket-version": "13",
    }
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1")


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A client's frame, masked with a random key."""
    size, first = len(payload), opcode | (0x80 if fin else 0)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    key = os.urandom(4)
    whole = int.from_bytes(payload, "big") ^ int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + whole.to_bytes(size, "big")


@frozen
class Response:
    """A plain HTTP response, as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Client:
    """One end of a connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._came = b""

    # Bytes

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def _more(self) -> bool:
        with trio.fail_after(SECONDS):
            data = bytes(await self.stream.receive_some(65536))
        self._came += data
        return data != b""

    async def read(self, size: int) -> bytes:
        while len(self._came) < size:
            assert await self._more(), f"the connection ended behind {self._came!r}"
        data, self._came = self._came[:size], self._came[size:]
        return data

    async def until(self, end: bytes) -> bytes:
        while end not in self._came:
            assert await self._more(), f"the connection ended behind {self._came!r}"
        data, found, self._came = self._came.partition(end)
        return data + found

    async def rest(self) -> bytes:
        """Everything up to the end of the connection, however it ends."""
        try:
            while await self._more():
                pass
        except trio.BrokenResourceError:
            pass
        data, self._came = self._came, b""
        return data

    # HTTP

    async def head(self) -> Response:
        lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Response(int(lines[0].split()[1]), headers)

    async def response(self, method: str = "GET") -> Response:
        head = await self.head()
        if method == "HEAD" or head.status in (101, 204, 304) or head.status < 200:
            return head
        if head.headers.get("transfer-encoding") == "chunked":
            return Response(head.status, head.headers, await self._chunks())
        return Response(head.status, head.headers, await self.read(int(head.headers["content-length"])))

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.until(b"\r\n"), 16):
            body += await self.read(size)
            await self.read(2)
        assert await self.read(2) == b"\r\n"
        return body

    async def get(self, path: str = "/", method: str = "GET", body: bytes = b"") -> Response:
        length = f"content-length: {len(body)}\r\n" if body else ""
        await self.send(f"{method} {path} HTTP/1.1\r\nhost: a\r\n{length}\r\n".encode() + body)
        return await self.response(method)

    # WebSocket

    async def upgrade(self, path: str = "/", **headers: str | None) -> Response:
        await self.send(handshake(path, **headers))
        response = await self.head()
        assert response.status == 101, response
        return response

    async def text(self, text: str) -> None:
        await self.send(frame(TEXT, text.encode()))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload; a fragment or a masked one is a failure."""
        first, size = await self.read(2)
        assert first & 0x70 == 0 and first & 0x80 and size < 128
        if size == 126:
            (size,) = struct.unpack("!H", await self.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.read(8))
        return first & 0x0F, await self.read(size)

    async def message(self) -> str:
        opcode, payload = await self.frame()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    async def echo(self, text: str) -> None:
        await self.text(text)
        assert await self.message() == text

    async def closed(self) -> tuple[int, str]:
        """The code and reason of the Close that ends what comes; nothing may be behind it."""
        opcode, payload = await self.frame()
        assert opcode == CLOSE, (opcode, payload)
        assert await self.rest() == b"", "something came behind Close"
        if not payload:
            return CloseCode.NO_STATUS, ""
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def close(self) -> None:
        """The whole closing handshake, from our side."""
        await self.send(frame(CLOSE, b"\x03\xe8"))
        assert await self.closed() == (1000, "")
        await self.stream.aclose()

    def reset(self) -> None:
        """End it with RST."""
        stream = self.stream
        assert isinstance(stream, trio.SocketStream)
        stream.socket.setsockopt(stdlib.SOL_SOCKET, stdlib.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()


@asynccontextmanager
async def connect(port: int, *, receive_buffer: int | None = None, source: str | None = None) -> AsyncIterator[Client]:
    """A TCP connection to this machine, ``receive_buffer`` bytes of which the kernel takes for us unread."""
    socket = trio.socket.socket()
    if receive_buffer is not None:
        socket.setsockopt(stdlib.SOL_SOCKET, stdlib.SO_RCVBUF, receive_buffer)
    if source is not None:
        await socket.bind((source, 0))
    try:
        await socket.connect(("127.0.0.1", port))
        yield Client(trio.SocketStream(socket))
    finally:
        socket.close()


@asynccontextmanager
async def open_client(port: int, path: str = "/", *, receive_buffer: int | None = None) -> AsyncIterator[Client]:
    """A WebSocket on a connection of its own."""
    async with connect(port, receive_buffer=receive_buffer) as client:
        await client.upgrade(path)
        yield client
