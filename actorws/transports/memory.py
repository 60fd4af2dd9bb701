"""Memory: a transport without a network, and its client's end.

Rule owned here: it behaves as a network does where a test can tell: each direction holds so many bytes and then makes
the sender wait, and its client can leave with a word or vanish without. Must not know what is said.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar

import trio

from actorws.frames import Close, CloseCode, Ping, Pong
from actorws.reasons import Remote
from actorws.transports.custom import Transport

__all__ = ["CAPACITY", "MemoryPeer", "MemoryTransport", "memory_transport"]

#: Bytes that one direction holds: about what a kernel does at first.
CAPACITY = 64 * 1024


class _Pipe:
    """One direction. Holds ``capacity`` bytes of messages, or one message that is longer."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._frames: deque[str | bytes | Close | Remote] = deque()
        self._bytes = 0
        self._changed = trio.lowlevel.ParkingLot()
        self.is_cut = False

    async def put(self, frame: str | bytes | Close | Remote) -> None:
        await trio.lowlevel.checkpoint()
        while not self.is_cut and self._bytes >= self._capacity:
            await self._changed.park()
        if self.is_cut:
            raise trio.BrokenResourceError("the other end has gone")
        self._frames.append(frame)
        self._bytes += _size_of(frame)
        self._changed.unpark_all()

    async def get(self) -> str | bytes | Close | Remote:
        await trio.lowlevel.checkpoint()
        while not self.is_cut and not self._frames:
            await self._changed.park()
        if not self._frames:
            raise trio.EndOfChannel("the other end has gone")
        frame = self._frames.popleft()
        self._bytes -= _size_of(frame)
        self._changed.unpark_all()
        return frame

    def cut(self, *, drop: bool) -> None:
        """Nothing more goes this way; what is there can still be taken, unless it is dropped."""
        self.is_cut = True
        if drop:
            self._frames.clear()
        self._changed.unpark_all()


class MemoryTransport(Transport):
    """The actor's end. Its client hears of a Close and is expected to hang up."""

    name: ClassVar[str] = "memory"

    def __init__(self, up: _Pipe, down: _Pipe) -> None:
        self._up = up
        self._down = down

    async def receive(self) -> str | bytes | Close | Remote:
        return await self._up.get()

    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        if isinstance(frame, str | bytes):
            await self._down.put(frame)
        else:
            await trio.lowlevel.checkpoint()

    async def close(self, frame: Close) -> None:
        await self._down.put(frame)
        self._down.cut(drop=False)
        while not isinstance(await self._up.get(), Close | Remote):
            pass

    def abort(self) -> None:
        self._up.cut(drop=True)
        self._down.cut(drop=False)


class MemoryPeer:
    """The client's end."""

    def __init__(self, up: _Pipe, down: _Pipe) -> None:
        self._up = up
        self._down = down
        self._closed = False

    async def send(self, message: str | bytes) -> None:
        """Send a message; waits while the direction is full. Raises ``trio.BrokenResourceError`` at the end."""
        await self._up.put(message)

    async def receive(self) -> str | bytes | Close:
        """The next message of the actor, or its ``Close``, which is answered. Raises ``trio.EndOfChannel``."""
        frame = await self._down.get()
        assert not isinstance(frame, Remote), "it comes from clients only"
        if isinstance(frame, Close) and not self._closed:
            await self.close(frame.code)
        return frame

    async def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Take leave, with a code or (``None``) without."""
        if not self._closed and not self._up.is_cut:
            self._closed = True
            await self._up.put(Remote(CloseCode.NO_STATUS) if code is None else Close(code, reason))

    def vanish(self) -> None:
        """Go without a word. What is on its way is lost."""
        self._up.cut(drop=True)
        self._down.cut(drop=True)


def _size_of(frame: str | bytes | Close | Remote) -> int:
    return len(frame) if isinstance(frame, str | bytes) else 0


def memory_transport(capacity: int = CAPACITY) -> tuple[MemoryTransport, MemoryPeer]:
    """A transport and its client's end; each direction holds ``capacity`` characters or bytes before it waits."""
    up, down = _Pipe(capacity), _Pipe(capacity)
    return MemoryTransport(up, down), MemoryPeer(up, down)
