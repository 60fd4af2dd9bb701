"""A client that breaks the rules of frames, and holds the server to them to the letter."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import trio

from tests.support.deflate import inflated
from tests.support.faults import Target
from tests.support.wire import BINARY, CLOSE, PING, TEXT, Client, connect, frame

__all__ = [
    "FIN",
    "RSV1",
    "Attacker",
    "attacker",
    "compressed",
    "head",
    "naming",
    "pour",
    "refuses",
    "split",
    "unmasked",
]

FIN, RSV1 = 0x80, 0x40
#: What a client may have on its way behind the frame that breaks a rule.
BEHIND = frame(PING, b"ping") + frame(TEXT, b"message") + frame(CLOSE, b"\x03\xe8")
#: A peer that has taken nothing for this long takes nothing.
STALL = 0.3


def head(first: int, size: int, *, bits: int | None = None, masked: bool = True) -> bytes:
    """A frame's header; its first byte is ``first``, and its length is told in 7, 16 or 64 ``bits``, the fewest
    unless told. The masking key is zero: a payload goes behind it as it is.
    """
    bits = bits or (7 if size < 126 else 16 if size < 1 << 16 else 64)
    mask, key = (0x80, bytes(4)) if masked else (0, b"")
    if bits == 7:
        return struct.pack("!BB", first, mask | size) + key
    if bits == 16:
        return struct.pack("!BBH", first, mask | 126, size) + key
    return struct.pack("!BBQ", first, mask | 127, size) + key


def unmasked(opcode: int, payload: bytes) -> bytes:
    """A short frame as servers send it."""
    return head(FIN | opcode, len(payload), masked=False) + payload


def compressed(first: int, payload: bytes) -> bytes:
    """The first frame, or the only one, of a message that is compressed; ``payload`` is so already."""
    return head(first | RSV1, len(payload)) + payload


class Attacker(Client):
    """One end of a connection that is up to no good."""

    async def binary(self) -> bytes:
        """The next frame, a binary message, compressed or not. (The server's messages refer to nothing before them.)"""
        data = await self.read(2)
        assert data[0] & ~RSV1 == FIN | BINARY, data
        if data[1] > 125:
            data += await self.read(2 if data[1] == 126 else 8)
        payload = await self.read(int.from_bytes(data[2:]) if data[2:] else data[1])
        return inflated(payload) if data[0] & RSV1 else payload

    async def told(self, code: int) -> str:
        """The server closes with ``code``; then TCP ends, and nothing comes in between. Returns the reason."""
        opcode, payload = await self.frame()
        assert (opcode, int.from_bytes(payload[:2], "big")) == (CLOSE, code), (opcode, payload)
        await self.finished()
        return payload[2:].decode()

    async def frames(self, reserved: int = 0x70) -> list[tuple[int, bytes]]:
        """All frames up to the end of TCP, which comes in good order; as ``split``."""
        while await self._more():
            pass
        data, self._came = self._came, b""
        frames, rest = split(data, reserved)
        assert rest == b"", "the last frame is not whole"
        return frames

    async def finished(self) -> None:
        """TCP ends in good order, with FIN and not with RST, and nothing comes before that."""
        assert not await self._more() and self._came == b"", self._came

    async def half_close(self) -> None:
        """Send nothing more, and go on reading."""
        assert isinstance(self.stream, trio.SocketStream)
        await self.stream.send_eof()

    async def cut(self) -> None:
        """TCP is reset, and nothing comes before that."""
        try:
            more = await self._more()
        except trio.BrokenResourceError:
            return
        raise AssertionError(f"expected a reset, there came {self._came!r}" if more else "ended in good order")


@asynccontextmanager
async def attacker(
    port: int, path: str = "/", *, receive_buffer: int | None = None, **headers: str | None
) -> AsyncIterator[Attacker]:
    """An open WebSocket of an attacker."""
    async with connect(port, receive_buffer=receive_buffer) as client:
        client = Attacker(client.stream)
        await client.upgrade(path, **headers)
        yield client


@contextmanager
def naming(case: object) -> Iterator[None]:
    """Says which case it was that failed in the block."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"case: {case}")
        raise


async def refuses(
    target: Target, code: int, cases: Mapping[str, bytes], path: str = "/", **headers: str | None
) -> None:
    """Whoever sends one of ``cases`` is told ``code`` at once, alone as well as between other frames.

    All connections stay open until the last was told, and then a good client is served.
    """
    async with AsyncExitStack() as stack:
        for name, data in cases.items():
            for before, behind in ((b"", b""), (frame(TEXT, b"before"), BEHIND)):
                client = await stack.enter_async_context(attacker(target.port, path, **headers))
                await client.send(before + data + behind)
                with naming(name):
                    if before:
                        assert await client.message() == "before"
                    await client.told(code)
        await target.answers()


async def pour(client: Client, data: bytes, most: int) -> int:
    """Send ``data`` over and over, ``most`` bytes or until the server takes no more. Returns how many it took."""
    assert isinstance(client.stream, trio.SocketStream)
    socket, sent, view = client.stream.socket, 0, memoryview(data)
    while sent < most:
        with trio.move_on_after(STALL) as stalled:
            sent += await socket.send(view[sent % len(data) :])
        if stalled.cancelled_caught:
            break
    return sent


def split(data: bytes, reserved: int = 0x70) -> tuple[list[tuple[int, bytes]], bytes]:
    """Takes apart what a server sent: unmasked frames, without any of the ``reserved`` bits, nothing behind Close; and
    what is left of one that isn't whole.
    """
    frames, position = [], 0
    while len(data) - position >= 2:
        first, size = data[position : position + 2]
        assert first & reserved == 0 and first & FIN and size < 128, data[position : position + 10]
        start = position + 2
        if size > 125:
            width = 2 if size == 126 else 8
            size = int.from_bytes(data[start : start + width])
            start += width
        if start + size > len(data):
            break
        frames.append((first & 0x0F, data[start : start + size]))
        position = start + size
    assert CLOSE not in [opcode for opcode, _ in frames[:-1]], "something came behind Close"
    return frames, data[position:]
