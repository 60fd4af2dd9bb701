"""Output: the frames that wait for a transport which takes them one at a time.

Rules owned here: never more than ``backpressure_limit``, and what happens to a frame that finds no room; what counts as
backpressure and when it is relieved. Must not know who takes the frames.
"""

from __future__ import annotations

from typing import Final

from actorws.actor.bounded import BoundedQueue, Offered, done_for
from actorws.config import Backpressure, OverflowPolicy
from actorws.conn import SendStatus
from actorws.frames import Ping, Pong
from actorws.transports.wire import CHUNK_COST, CORK, FEW_CHUNKS

__all__ = ["FRAME_COST", "Output", "size_of"]

#: Bytes that a frame counts for beside its payload: as many as the smallest header, so that empty ones count.
FRAME_COST: Final = 2


def size_of(frame: str | bytes | Ping | Pong) -> int:
    """Bytes of a frame's payload."""
    if isinstance(frame, str):
        return len(frame) if frame.isascii() else len(frame.encode())
    return len(frame if isinstance(frame, bytes) else frame.data)


class Output:
    """What waits for one client, the frame that is being sent included."""

    __slots__ = ("_options", "_queue", "_sending", "relief_owed")

    def __init__(self, options: Backpressure) -> None:
        self._options = options
        limit = options.backpressure_limit
        self._queue: BoundedQueue[str | bytes | Ping | Pong] = BoundedQueue(
            max(FEW_CHUNKS, limit // CHUNK_COST), limit, options.output_policy
        )
        #: Bytes of the frame that is being sent.
        self._sending = 0
        #: Whether ``handle_drain`` is owed: a frame had to wait or found no room, or the high-water mark was passed.
        self.relief_owed = False

    def __bool__(self) -> bool:
        return bool(self._queue)

    @property
    def buffered(self) -> int:
        """Bytes that the transport has not taken."""
        return self._sending + self._queue.bytes

    @property
    def above_mark(self) -> bool:
        """Whether so much waits that the client isn't read from."""
        return self.buffered > self._options.high_water_mark

    @property
    def policy(self) -> OverflowPolicy:
        """What happens to a frame that finds no room."""
        return "close" if self._options.close_on_backpressure_limit else self._options.output_policy

    def offer(self, frame: str | bytes | Ping | Pong) -> tuple[SendStatus, str]:
        """Let a frame wait within the bound; what became of it, and the policy that was asked, if any.

        Up to the high-water mark that is no backpressure: the transport may be quick. What the policy's key function
        raises passes.
        """
        size, buffered = FRAME_COST + size_of(frame), self.buffered
        limit, mark = self._options.backpressure_limit, self._options.high_water_mark
        fits = buffered + size <= min(mark, limit)
        if fits or (not buffered and size <= limit):
            self._queue.put(frame, size)
            self.relief_owed |= not fits
            return SendStatus.SENT if fits or size <= CORK else SendStatus.BACKPRESSURED, ""
        if not buffered:
            # It could never fit. Nothing waits, so there will be no relief to tell of.
            return SendStatus.DROPPED, done_for(Offered.DROPPED, self.policy)
        self.relief_owed = True
        self._queue.max_bytes = limit - self._sending
        offered = self._queue.offer(frame, size, frame)
        status = SendStatus.BACKPRESSURED if offered else SendStatus.DROPPED
        return status, done_for(offered, self.policy)

    def take(self) -> str | bytes | Ping | Pong:
        """The next frame to send. Raises ``IndexError`` if there is none."""
        frame = self._queue.take()
        self._sending = FRAME_COST + size_of(frame)
        return frame

    def taken(self) -> bool:
        """The transport has taken that frame. Whether everything is, after backpressure."""
        self._sending = 0
        if self._queue or not self.relief_owed:
            return False
        self.relief_owed = False
        return True

    def clear(self) -> None:
        """Forget everything."""
        self._queue.clear()
        self._sending = 0
