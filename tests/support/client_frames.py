"""A server that is nothing but bytes: what a client sends it is taken apart here, and it can say anything."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

import trio

__all__ = ["ClientFrames", "accept", "server_frame", "unmasked"]

#: RFC 6455 section 1.3.
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
#: Far more than anything here takes.
SECONDS = 100


def accept(head: bytes, extra: str = "") -> bytes:
    """The answer to a handshake."""
    (line,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")]
    token = b64encode(sha1(line.partition(b":")[2].strip() + GUID).digest()).decode()
    lines = "Upgrade: websocket\r\nConnection: Upgrade\r\n" + extra
    return f"HTTP/1.1 101 Switching Protocols\r\n{lines}Sec-WebSocket-Accept: {token}\r\n\r\n".encode()


def server_frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame as a server sends it."""
    size = len(payload)
    first = bytes([opcode | (0x80 if fin else 0)])
    if size < 126:
        return first + bytes([size]) + payload
    if size < 1 << 16:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload


def unmasked(data: bytes, key: bytes) -> bytes:
    size = len(data)
    return (int.from_bytes(data, "big") ^ int.from_bytes((key * (size // 4 + 1))[:size], "big")).to_bytes(size, "big")


class ClientFrames:
    """What comes from a client over ``stream``. ``keys`` are those that its frames were masked with."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self.keys: list[bytes] = []
        self._came = b""

    async def send(self, opcode: int, payload: bytes = b"") -> None:
        await self.stream.send_all(server_frame(opcode, payload))

    async def _more(self) -> bool:
        with trio.fail_after(SECONDS):
            data = bytes(await self.stream.receive_some(65536))
        self._came += data
        return data != b""

    async def look_at(self, size: int) -> None:
        """Have ``size`` bytes taken, for the next frames."""
        while len(self._came) < size:
            assert await self._more(), f"the client ended it behind {self._came!r:.100}"

    async def read(self, size: int) -> bytes:
        await self.look_at(size)
        data, self._came = self._came[:size], self._came[size:]
        return data

    async def until(self, end: bytes) -> bytes:
        while end not in self._came:
            assert await self._more(), f"the client ended it behind {self._came!r:.100}"
        data, found, self._came = self._came.partition(end)
        return data + found

    async def rest(self) -> bytes:
        """Everything up to the end, however it ends."""
        try:
            while await self._more():
                pass
        except trio.BrokenResourceError:
            pass
        data, self._came = self._came, b""
        return data

    async def frame(self) -> tuple[int, bytes]:
        """The next frame, which must be a whole message and masked."""
        first, second = await self.read(2)
        assert first & 0x80, "a fragment"
        assert second & 0x80, "a frame that isn't masked"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(await self.read(2), "big")
            assert size > 125
        elif size == 127:
            size = int.from_bytes(await self.read(8), "big")
            assert size > 65535
        key = await self.read(4)
        self.keys.append(key)
        return first & 0x7F, unmasked(await self.read(size), key)

    async def closed(self) -> tuple[int, str]:
        """The code and reason of the Close that comes next."""
        opcode, payload = await self.frame()
        assert opcode == CLOSE, (opcode, payload)
        return int.from_bytes(payload[:2], "big") or 1005, payload[2:].decode()

    async def take_leave(self) -> tuple[int, str]:
        """Answer Close, whatever comes before, and end TCP. The Close's code and reason."""
        while (came := await self.frame())[0] != CLOSE:
            pass
        await self.send(CLOSE, came[1][:2])
        await self.stream.aclose()
        return int.from_bytes(came[1][:2], "big") or 1005, came[1][2:].decode()
