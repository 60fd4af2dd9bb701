"""Wire stream: an accepted connection, whatever its driver, as a stream of trio's, for protocols of other people.

Rules owned here: no more is kept of what comes than ``ROOM`` bytes and one read, the driver reads nothing meanwhile;
``send_all`` waits above as much; what was read before the stream began is read first. Must not know what is read.
"""

from __future__ import annotations

from typing import ClassVar, Final

import trio

from actorws.config import Backpressure
from actorws.transports.contract import Receiver
from actorws.transports.wire import MAILBOX, OUTPUT, Wire

__all__ = ["ROOM", "WireStream"]

#: Bytes that may wait in each direction.
ROOM: Final = 64 * 1024
#: Seconds for the peer to end its side, after ``aclose``.
LINGER: Final = 5.0
#: Above the mark a driver tells when everything is taken. It drops nothing: who sends waits by itself.
_OPTIONS: Final = Backpressure(backpressure_limit=1 << 60, high_water_mark=ROOM)


class WireStream(Receiver, trio.abc.Stream):
    """One connection. Until ``attach`` nothing can be done with it."""

    __slots__ = (
        "_data",
        "_failed",
        "_finished",
        "_left",
        "_news",
        "_receiving",
        "_sending",
        "_wire",
        "gathering",
        "wanted",
    )

    settled: ClassVar[bool] = True

    def __init__(self) -> None:
        self.gathering = False
        #: Whether anybody has asked for it.
        self.wanted = False
        self._wire: Wire | None = None
        self._data = bytearray()
        #: Whether the peer sends nothing more, and whether the connection broke.
        self._finished = self._failed = False
        #: Whether this side has closed it, or hasn't been given it.
        self._left = True
        self._news = trio.lowlevel.ParkingLot()
        self._sending = self._receiving = False

    def attach(self, wire: Wire, data: bytes) -> None:
        """Take ``wire`` over, of which ``data`` was read."""
        self._wire, self._left = wire, False
        self._data += data
        wire.receiver = self
        wire.options = _OPTIONS
        wire.resume(~0)
        self._make_room()

    # For trio

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come, ``max_bytes`` at most; ``b""`` when the peer has finished. Cancelled, nothing is lost.

        Raises ``trio.BrokenResourceError`` when the connection broke, ``trio.ClosedResourceError`` when this side has
        closed it.
        """
        if max_bytes is not None and max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes!r}")
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint()
            while not self._data and not (self._left or self._failed or self._finished):
                await self._news.park()
        finally:
            self._receiving = False
        if self._left:
            raise trio.ClosedResourceError("this side has closed the stream")
        if self._data:
            data = bytes(self._data[:max_bytes])
            del self._data[:max_bytes]
            self._make_room()
            return data
        if self._failed:
            raise trio.BrokenResourceError("the connection broke")
        return b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send; returns when all but ``ROOM`` bytes were taken. Cancelled, a part of ``data`` may have been sent.

        Raises as ``receive_some``.
        """
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        self._sending = True
        try:
            await trio.lowlevel.checkpoint()
            self._check()
            left = memoryview(data).cast("B")
            while left:
                wire = self._check()
                wire.write(bytes(left[:ROOM]))
                # At once, not with the tick: from then on, what is above the mark will be told to be taken.
                wire.flush()
                left = left[ROOM:]
                await trio.lowlevel.checkpoint()
                await self._wait_for_room()
            self._check()
        finally:
            self._sending = False

    async def wait_send_all_might_not_block(self) -> None:
        """Returns when there is room, or nobody to send to any more."""
        await trio.lowlevel.checkpoint()
        self._check()
        await self._wait_for_room()

    async def aclose(self) -> None:
        """Send what waits, then end the connection in good order; the peer has ``LINGER`` seconds for its part.

        Doesn't wait for that, and ``abort`` doesn't cut it short. Cancelled, it resets the connection.
        """
        wire = self._wire
        if not self._left and wire is not None:
            wire.runtime.wheel.schedule(self, LINGER)
            wire.close()
        self._leave()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            self._reset()
            raise

    def abort(self) -> None:
        """Drop everything and reset the connection, at once. Again, or after ``aclose``: nothing."""
        if not self._left:
            self._reset()

    def _reset(self) -> None:
        self._leave()
        if self._wire is not None:
            self._wire.abort()

    def _leave(self) -> None:
        self._left = True
        self._data.clear()
        self._news.unpark_all()

    def _check(self) -> Wire:
        if self._left:
            raise trio.ClosedResourceError("this side has closed the stream")
        if self._wire is None or self._failed:
            raise trio.BrokenResourceError("the connection broke")
        return self._wire

    async def _wait_for_room(self) -> None:
        while self._wire is not None and not self._left and not self._failed and self._wire.buffered > ROOM:
            await self._news.park()

    def _make_room(self) -> None:
        if self._wire is None:
            return
        if len(self._data) >= ROOM:
            self._wire.pause(MAILBOX)
        else:
            self._wire.resume(MAILBOX)

    # From the driver

    def receive(self, data: bytes) -> bool:
        if not self._left:
            self._data += data
            self._make_room()
            self._news.unpark_all()
        return False

    def ended(self, error: OSError | None) -> None:
        if error is None:
            self._finished = True
        else:
            self._failed = True
        self._news.unpark_all()

    def drained(self) -> None:
        assert self._wire is not None
        self._wire.open = not self._left
        self._news.unpark_all()

    def passed_mark(self, buffered: int) -> None:
        """Go on reading: with a peer that reads only what is answered, both would wait for each other."""
        assert self._wire is not None
        self._wire.resume(OUTPUT)

    def closed(self) -> None:
        if self._wire is not None:
            self._wire.runtime.wheel.cancel(self)
        self._wire = None
        # Without the peer's word that it has finished, the connection broke.
        self._failed = self._failed or not self._finished
        self._news.unpark_all()

    def expire(self, now: float) -> None:
        self._reset()
