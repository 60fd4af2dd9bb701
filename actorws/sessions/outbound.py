"""Outbound: the side of a session that its actor reaches.

Rules owned here: a message that the carrier takes is numbered and handed to it, in order; any other waits, or meets a
policy; what is no frame is told at the call, before anything is sent. Must not know how carriers change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from actorws.conn import ReadyState, SendStatus
from actorws.exceptions import InvalidReturn
from actorws.frames import Close, Frame, Ping, Pong
from actorws.protocol.encoder import payload_of
from actorws.sessions.inbound import Inbound
from actorws.sessions.outbox import Kept, kept_as
from actorws.sessions.overflow import bounds_of, crashed, found_room

if TYPE_CHECKING:
    from actorws.actor.runqueue import Shared

__all__ = ["Outbound"]

OPEN = ReadyState.OPEN
MESSAGES: Final = (str, bytes)
#: Under which what is kept of a message is found by others that get the same one: it, and that.
KEPT: Final = "kept"
NOTHING: Final = (None, None)


class Outbound(Inbound):
    """What ``Session`` is built on."""

    __slots__ = ("_away", "_stressed", "epitaph")

    def __init__(self) -> None:
        super().__init__()
        #: Whether it has no wire because the last one was a poll, and that was answered.
        self._away = False
        #: Whether ``handle_drain`` is owed.
        self._stressed = False
        #: Why nothing is kept for the client any more: a reason of ``lost``.
        self.epitaph = ""

    @property
    def is_attached(self) -> bool:
        """Whether there is a wire."""
        return self.carrier is not None

    @property
    def kept_bytes(self) -> int:
        """Bytes kept for the client."""
        return self.outbox.bytes

    @property
    def buffered(self) -> int:
        return self.outbox.waiting_bytes + (0 if self.carrier is None else self.carrier.buffered)

    @property
    def owes_relief(self) -> bool:
        return self._stressed

    def send(self, frame: Frame) -> SendStatus:
        if isinstance(frame, (Ping, Pong)):  # a union would be made anew for each message
            return self._send_control(frame)
        kept = kept_as(frame)
        if self.ready_state is not OPEN:
            return SendStatus.CLOSED
        if self._takes(kept[1]):
            self.outbox.record(kept)
            self.carrier.carry(kept[0])  # type: ignore[union-attr]  # it is there, if it takes
            return SendStatus.SENT
        return self._wait(frame, kept)

    def _takes(self, size: int) -> bool:
        carrier = self.carrier
        return (
            carrier is not None
            and self.outbox.is_level
            and carrier.takes
            and size <= self.kind.config.backpressure.backpressure_limit
        )

    def _send_control(self, frame: Ping | Pong) -> SendStatus:
        if self.ready_state is not OPEN:
            return SendStatus.CLOSED
        if self.carrier is None:
            return SendStatus.DROPPED
        self.carrier.send_control(frame)
        return SendStatus.SENT

    def _wait(self, frame: Frame, kept: Kept) -> SendStatus:
        try:
            offered = self.outbox.wait(kept, frame, *bounds_of(self))
        except Exception as error:
            return crashed(self, error)
        if self._away and offered and self.outbox.waiting_bytes <= self.kind.config.backpressure.high_water_mark:
            # It leaves with the next poll. To be told of each relief would make an actor that answers go on for ever.
            return SendStatus.SENT
        if not self.outbox.is_level:
            self._stressed = True
        return found_room(self, offered)

    def send_frames(self, frames: Any) -> None:
        if type(frames) is not list and type(frames) is not tuple:
            frames = (frames,)
        if len(frames) == 1 and type(frames[0]) in MESSAGES:
            self.send(frames[0])
            return
        try:
            for frame in frames:
                # All are looked at before the first is sent: a bad one must not leave half an answer.
                payload_of(frame)
        except TypeError as error:
            raise InvalidReturn(f"returned what is no frame: {error}") from error
        for frame in frames:
            if type(frame) is Close:
                if self.ready_state is OPEN:
                    self.actor.close(frame)
            else:
                self.send(frame)

    def send_shared(self, frames: Any, shared: Shared) -> list[bytes] | None:
        if type(frames) is list and len(frames) == 1 and type(frames[0]) in MESSAGES and self.ready_state is OPEN:
            if shared.compressed is None:
                shared.compressed = {}
            kept = _kept(frames[0], shared.compressed)
            if self._takes(kept[1]):
                self.outbox.record(kept)
                self.carrier.carry(kept[0], shared.compressed)  # type: ignore[union-attr]
                return None
        self.send_frames(frames)
        return None

    def send_encoded(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, compressed: dict[Any, Any]
    ) -> None:
        # The same list for all members: what is kept of it is made once.
        known, messages = compressed.get(KEPT, NOTHING)
        if known is not frames:
            messages = [kept_as(frame) for frame in frames if type(frame) in MESSAGES]
            compressed[KEPT] = frames, messages
        if len(messages) != len(frames) or self.ready_state is not OPEN or not self._takes(len(together)):
            for frame in frames:
                self.send(frame)
            return
        for kept in messages:
            self.outbox.record(kept)
        self.carrier.carry_encoded(frames, chunks, together, compressed)  # type: ignore[union-attr]


def _kept(frame: Frame, cache: dict[Any, Any]) -> Kept:
    """As ``kept_as``, of a message that many get."""
    known, kept = cache.get(KEPT, NOTHING)
    if known is not frame:
        kept = kept_as(frame)
        cache[KEPT] = frame, kept
    result: Kept = kept
    return result
