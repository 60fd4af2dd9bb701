"""WebSocket output: what an actor sends, on its way to the wire.

Rules owned here: the frames of one return leave together and in order, or none of them does; what goes to many is
encoded once; a frame that is alone takes the shortest way. Must not know how a WebSocket begins or ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorws.conn import ReadyState, SendStatus
from actorws.events import ActorCrashed, OutputFull
from actorws.exceptions import InvalidReturn
from actorws.frames import Close, CloseCode, Frame
from actorws.protocol.encoder import SHORT, encode, encode_one, header, payload_of
from actorws.reasons import Error, Overflow
from actorws.transports.keepalive import Watched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorws.actor.runqueue import Shared

__all__ = ["LARGE", "WebsocketOutput"]

OPEN = ReadyState.OPEN

#: Payloads from this size on leave beside their header instead of being copied behind it.
LARGE = 16 * 1024
#: Under which a frame and its bytes, not compressed, are found by others that get the same one.
PLAIN, NOTHING = "plain", (None, b"")


class WebsocketOutput(Watched):
    """What ``WebsocketTransport`` sends with."""

    __slots__ = ()

    @property
    def buffered(self) -> int:
        return self.wire.buffered if self.wire is not None else 0

    @property
    def owes_relief(self) -> bool:
        return self.wire is not None and self.wire.stressed

    def send_frames(self, frames: Any) -> list[bytes] | None:
        # The hot path: one frame on an open wire, no call but the encoding.
        wire = self.wire
        if self.ready_state is OPEN and wire.open and (chunk := encode_one(frames, LARGE)) is not None:
            pending = wire.pending
            if pending is None and (scheduler := wire.runtime.scheduler).ticking:
                # ``wire.cork`` spelled out: this is run for every message that comes alone.
                wire.pending = pending = [chunk]
                wire.corked = len(chunk)
                scheduler.dirty.append(wire)
                return pending
            if pending is not None and len(chunk) < SHORT:
                pending.append(chunk)
                return pending
            wire.cork(chunk)
            return None
        self._send_each(frames)
        return None

    def send_shared(self, frames: Any, shared: Shared) -> list[bytes] | None:
        if type(frames) is list and len(frames) == 1 and self.ready_state is OPEN:
            frame, wire = frames[0], self.wire
            if frame is not shared.frame and (chunk := encode_one(frames, LARGE)) is not None:
                shared.chunk = chunk
                shared.frame = frame
            if frame is shared.frame and wire.open:
                chunk = shared.chunk
                if wire.pending is None and len(chunk) < SHORT and (scheduler := wire.runtime.scheduler).ticking:
                    # ``wire.cork`` spelled out: this is run for every member.
                    wire.pending = pending = [chunk]
                    wire.corked = len(chunk)
                    scheduler.dirty.append(wire)
                    return pending
                wire.cork(chunk)
                return wire.pending if len(chunk) < SHORT else None
        self.send_frames(frames)
        return None

    def _send_each(self, frames: Any) -> None:
        """As ``send_frames``, where each goes through ``send``."""
        if type(frames) is not list and type(frames) is not tuple:
            self._send_one(frames)
        elif len(frames) == 1:
            self._send_one(frames[0])
        else:
            self._send_many(frames)

    def _send_one(self, frame: Any) -> None:
        if type(frame) is Close:
            if self.ready_state is OPEN:
                self.actor.close(frame)
            return
        try:
            self.send(frame)
        except TypeError as error:
            raise InvalidReturn(f"returned what is no frame: {error}") from error

    def _send_many(self, frames: list[Any] | tuple[Any, ...]) -> None:
        # All are looked at before the first is sent: a bad one must not leave half an answer on the wire.
        try:
            for frame in frames:
                payload_of(frame)
        except TypeError as error:
            raise InvalidReturn(f"returned what is no frame: {error}") from error
        for frame in frames:
            self._send_one(frame)

    def send(self, frame: Frame) -> SendStatus:
        opcode, payload = payload_of(frame)
        if self.ready_state is not OPEN:
            return SendStatus.CLOSED
        head = header(opcode, len(payload))
        return self._offer((head, payload) if len(payload) >= LARGE else (head + payload,), frame)

    def put(self, frame: str | bytes, compressed: dict[Any, Any] | None = None) -> None:
        """Send a message, whatever waits: it is neither dropped nor counted against a bound. Only while it is open.

        ``compressed`` is as ``send_encoded`` has it.
        """
        if compressed is None:
            chunk = encode(frame)
        else:
            known, chunk = compressed.get(PLAIN, NOTHING)
            if known is not frame:
                chunk = encode(frame)
                compressed[PLAIN] = frame, chunk
        wire = self.wire
        pending = wire.pending
        if pending is not None and wire.open and len(chunk) < SHORT:
            pending.append(chunk)
        else:
            wire.write(chunk)

    def send_encoded(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, compressed: dict[Any, Any]
    ) -> None:
        wire = self.wire
        if self.ready_state is not OPEN:
            return
        if wire.open and len(together) < LARGE:
            if wire.pending is None:
                # ``wire.cork`` spelled out: this is run for every member, always inside a tick.
                wire.pending = [together]
                wire.corked = len(together)
                wire.runtime.scheduler.dirty.append(wire)
            else:
                wire.cork(together)
        else:
            for frame, chunk in zip(frames, chunks, strict=True):
                self._offer((chunk,), frame)

    def _offer(self, chunks: tuple[bytes, ...], frame: Frame) -> SendStatus:
        wire = self.wire
        actor = self.actor
        try:
            status, policy = wire.offer(chunks, frame)
        except Exception as error:
            # The policy's key function; who sends may be anyone, so the fault is told where it lies.
            actor.conn.runtime.emit(ActorCrashed(actor.conn, "output_policy", error))
            actor.stop(Error(error), Close(CloseCode.INTERNAL_ERROR))
            return SendStatus.CLOSED
        if policy:
            actor.conn.runtime.emit(OutputFull(actor.conn, policy, wire.buffered))
            if policy == "close":
                actor.stop(Overflow("output"), Close(CloseCode.TRY_AGAIN_LATER, "output full"))
        return status
