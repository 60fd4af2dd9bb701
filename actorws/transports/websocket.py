"""WebSocket transport: the life of one WebSocket, between a wire and an actor (RFC 6455 sections 5.5 and 7).

Rules owned here: pings and Close are answered before the actor sees anything; frames leave in the order they were sent,
none behind a Close; every wait on the peer has a deadline (that for signs of life stands in ``keepalive``). Must not
know sockets or tasks: bytes in, bytes out.

=========  ======================================  ============================================
state      meaning                                 leaves it by
=========  ======================================  ============================================
OPEN       frames go both ways                     any of the below
CLOSING    our Close was sent, its answer awaited  the answer, the end of TCP, ``close_timeout``
CLOSED     no frame goes either way any more; the  the peer's FIN, ``close_timeout`` (then reset)
           wire may still be taking leave
=========  ======================================  ============================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from actorws.actor.actor import Actor
from actorws.conn import ReadyState, SendStatus
from actorws.events import ActorCrashed, OutputFull, ProtocolViolated, ReadingPaused
from actorws.exceptions import InvalidReturn, ProtocolError
from actorws.frames import MAX_CLOSE_REASON, Close, CloseCode, Frame, Ping, Pong
from actorws.protocol.codec import Decoder, Received
from actorws.protocol.encoder import SHORT, encode, encode_close, encode_one, header, payload_of
from actorws.protocol.shared import SharedDecoder, is_idle
from actorws.reasons import Error, Overflow, Remote, Stop, Timeout
from actorws.transports.keepalive import Watched
from actorws.transports.rates import CountingDecoder
from actorws.transports.wire import MAILBOX, Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorws.actor.kind import Kind
    from actorws.actor.runqueue import Shared
    from actorws.conn import Conn
    from actorws.transports.contract import Recipient

__all__ = ["WebsocketTransport"]

OPEN, CLOSING, CLOSED = ReadyState.OPEN, ReadyState.CLOSING, ReadyState.CLOSED

#: Payloads from this size on leave beside their header instead of being copied behind it.
LARGE = 16 * 1024
#: Under which a frame and its bytes, not compressed, are found by others that get the same one.
PLAIN, NOTHING = "plain", (None, b"")


class WebsocketTransport(Watched):
    """One WebSocket of the server's side."""

    name: ClassVar[str] = "websocket"
    #: What parses what comes; ``None``: the decoder of the kind, as long as nothing is unfinished. (One of its own
    #: takes 128 bytes, and is empty in most connections at most times.)
    decodes_by: ClassVar[type[Decoder] | None] = None

    __slots__ = ("decoder", "gathering")

    def __init__(self, wire: Wire, kind: Kind, conn: Conn, recipient: Recipient | None = None) -> None:
        """``recipient``: who is told of the client, if it isn't an actor of its own."""
        self.wire = wire
        own = self.decodes_by if kind.rates is None else CountingDecoder
        self.decoder: Decoder = kind.decoder if own is None else own(kind.decoder_rules)
        self.ready_state = OPEN
        self.gathering = False
        self.actor: Recipient = Actor(kind, conn, self) if recipient is None else recipient
        self.watch()
        wire.expect_little()

    # From the driver

    def room(self) -> memoryview:
        return self.decoder.room()

    def filled(self, size: int) -> bool:
        return self._sort(self.decoder.filled(size))

    def receive(self, data: bytes) -> bool:
        received = self.decoder.receive(data)
        if self.decoder.unfinished or self.ready_state is not OPEN:
            return self._go_on(received)
        if received:
            self.actor.receive(received)
        return False

    def _go_on(self, received: list[Received]) -> bool:
        """Hand on what has come, if there is or may be more to it."""
        decoder = self.decoder
        if type(decoder) is SharedDecoder and not is_idle(decoder):
            decoder = self.decoder = decoder.taken_out()
        if decoder.attention or self.ready_state is not OPEN:
            return self._sort(received)
        if received:
            self.actor.receive(received)
        return False

    def share_decoder(self) -> None:
        """Give a decoder of its own back, if nothing is unfinished any more."""
        if self.decodes_by is None and type(self.decoder) is Decoder and is_idle(self.decoder):
            self.decoder = self.actor.kind.decoder

    def _sort(self, received: list[Received]) -> bool:
        """Control frames are seen to here, data goes on to the actor, all in the order in which it came."""
        if self.ready_state is CLOSED:
            return False
        messages: list[Any] = []
        pongs: list[bytes] = []
        self.gathering = self.decoder.gathering
        for item in received:
            if type(item) is Remote:
                self._answer(pongs, messages)
                self._peer_closed(item)
                return False
            if type(item) is Ping:
                pongs.append(self.masked(encode(Pong(item.data))))
            if type(item) not in (Ping, Pong) or self.actor.kind.receive_control:
                messages.append(item)
        self._answer(pongs, messages)
        error = self.decoder.error
        if error is not None and self.ready_state is not CLOSED:
            self._violated(error)
        return self.decoder.more

    def _answer(self, pongs: list[bytes], messages: list[Any]) -> None:
        if self.ready_state is OPEN:
            if pongs:
                # As one chunk: each of two bytes would cost 140 more, if they have to wait.
                self.wire.write(b"".join(pongs))
            if messages:
                self.actor.receive(messages)

    def _peer_closed(self, remote: Remote) -> None:
        actor = self.actor  # `_leave` may close the wire
        if self.ready_state is CLOSING:
            self._answered()
            actor.close_finished(Stop())
        elif self.ready_state is OPEN:
            # The answer has the same code (RFC 6455 section 5.5.1) and leaves before anyone is told.
            self.wire.write(self.masked(encode_close(remote.code)))
            self._answered()
            actor.end(remote)

    def _violated(self, error: ProtocolError) -> None:
        actor, was = self.actor, self.ready_state
        if actor.conn is not None:
            actor.conn.runtime.emit(ProtocolViolated(actor.conn, error.code, str(error), error.limit))
        if was is OPEN:
            self.wire.write(self.masked(encode_close(error.code, str(error)[:MAX_CLOSE_REASON])))
        self._leave()
        if was is CLOSING:
            actor.close_finished(Stop())
        else:
            actor.end(Error(error))

    def ended(self, error: OSError | None) -> None:
        actor, state = self.actor, self.ready_state
        if state is CLOSED:
            return
        self._leave()
        if state is CLOSING:
            actor.close_unanswered()
        else:
            actor.end(Remote(CloseCode.ABNORMAL))

    def drained(self) -> None:
        wire = self.wire
        wire.open = self.ready_state is OPEN
        if wire.stressed:
            wire.stressed = False
            if wire.open:
                self.actor.drained()

    def passed_mark(self, buffered: int) -> None:
        conn = self.actor.conn
        if conn is not None and self.ready_state is OPEN:
            conn.runtime.emit(ReadingPaused(conn, buffered, "high_water_mark"))

    def closed(self) -> None:
        self.ready_state = CLOSED
        self.wire.runtime.wheel.cancel(self)
        # Cycles are cut, so that memory is back without the garbage collector.
        self.wire = None  # type: ignore[assignment]
        self.actor = None  # type: ignore[assignment]

    # From the actor

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

    def close(self, frame: Close) -> None:
        self.ready_state = CLOSING
        wire = self.wire
        wire.open = False
        wire.write(self.masked(encode(frame)))
        # Nothing more is handled, but the answer must be found behind what was sent before it.
        wire.resume(~0)
        self.within(self.timeouts.close_timeout)

    def finish(self, frame: Close) -> None:
        if self.ready_state is CLOSED:
            return
        if self.ready_state is OPEN:
            self.wire.write(self.masked(encode(frame)))
        self._leave()

    def abort(self) -> None:
        if self.wire is not None:
            self.ready_state = CLOSED
            self.wire.abort()

    def pause(self) -> bool:
        if self.wire is None or self.ready_state is not OPEN or self.wire.paused & MAILBOX:
            return False
        self.wire.pause(MAILBOX)
        return True

    def resume(self) -> None:
        if self.wire is not None:
            self.wire.resume(MAILBOX)

    def _answered(self) -> None:
        """Both sides have said Close: it is for the server to end TCP (RFC 6455 section 7.1.1)."""
        self._leave()

    def _leave(self) -> None:
        """No frame goes either way any more: write what waits, then end TCP in good order."""
        self.ready_state = CLOSED
        self.gathering = False
        wire = self.wire
        wire.open = False
        timeout = self.timeouts.close_timeout
        wire.close()
        if self.wire is not None:
            # It hasn't closed at once: the client has still to do its part.
            self.within(timeout)

    def expire(self, now: float) -> None:
        if self.ready_state is CLOSED:
            self.wire.abort()
        elif self.ready_state is CLOSING:
            actor = self.actor
            self.abort()
            actor.close_finished(Timeout("close"))
        else:
            self.check_silence(now)
