"""Memory streams: the two ends of a connection without a network.

Rule owned here: they behave as TCP does where a test can tell: each direction holds so many bytes and then makes the
sender wait, ends in good order or by a reset, and a cancelled send has sent a part. (trio's own memory streams hold
everything or can't be cancelled.) Must not know what the bytes mean.
"""

from __future__ import annotations

import trio

__all__ = ["CAPACITY", "MemoryStream", "memory_streams"]

#: Bytes that one direction holds: about what a kernel does at first.
CAPACITY = 64 * 1024


class _Pipe:
    """One direction."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._data = bytearray()
        self._changed = trio.lowlevel.ParkingLot()
        #: The sender sends nothing more; what is there can still be read.
        self._ended = False
        #: One of both has gone: nothing can be sent, and what isn't read is lost.
        self._broken = False

    def put(self, data: memoryview) -> int:
        if self._broken:
            raise trio.BrokenResourceError("the other end has gone")
        room = self._capacity - len(self._data)
        self._data += data[:room]
        self._changed.unpark_all()
        return min(len(data), room)

    async def get(self, most: int) -> bytes:
        while not self._data and not self._ended and not self._broken:
            await self.wait_change()
        if self._broken:
            raise trio.BrokenResourceError("the connection was reset")
        data = bytes(self._data[:most])
        del self._data[:most]
        self._changed.unpark_all()
        return data

    async def wait_change(self) -> None:
        await self._changed.park()

    @property
    def has_room(self) -> bool:
        return self._broken or len(self._data) < self._capacity

    def end(self) -> None:
        self._ended = True
        self._changed.unpark_all()

    def break_(self) -> None:
        self._broken = True
        self._data.clear()
        self._changed.unpark_all()


class MemoryStream(trio.abc.HalfCloseableStream):
    """One end."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = self._eof_sent = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Returns when the other end has read all but what the stream holds."""
        await trio.lowlevel.checkpoint()
        left = memoryview(data).cast("B")
        while True:
            if self._closed or self._eof_sent:
                raise trio.ClosedResourceError("this end sends nothing any more")
            left = left[self._outgoing.put(left) :]
            if not left:
                return
            await self._outgoing.wait_change()

    async def wait_send_all_might_not_block(self) -> None:
        """Returns when there is room, or nobody to send to."""
        await trio.lowlevel.checkpoint()
        while not self._outgoing.has_room and not self._closed:
            await self._outgoing.wait_change()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come; ``b""`` at the end."""
        await trio.lowlevel.checkpoint()
        try:
            return await self._incoming.get(CAPACITY if max_bytes is None else max_bytes)
        except trio.BrokenResourceError:
            if self._closed:
                raise trio.ClosedResourceError("this end is closed") from None
            raise

    async def send_eof(self) -> None:
        """Send nothing any more, and go on reading."""
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        self._eof_sent = True
        self._outgoing.end()

    async def aclose(self) -> None:
        """Close in good order: the other end can read what was sent."""
        if not self._closed:
            self._closed = True
            self._outgoing.end()
            self._incoming.break_()
        await trio.lowlevel.checkpoint()

    def reset(self) -> None:
        """Close at once, as TCP's RST does: what is on its way is lost in both directions."""
        self._closed = True
        self._outgoing.break_()
        self._incoming.break_()


def memory_streams(capacity: int = CAPACITY) -> tuple[MemoryStream, MemoryStream]:
    """The two ends of a connection; each direction holds ``capacity`` bytes."""
    there, back = _Pipe(capacity), _Pipe(capacity)
    return MemoryStream(back, there), MemoryStream(there, back)
