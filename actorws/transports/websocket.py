"""WebSocket transport: the life of one WebSocket, between a wire and an actor (RFC 6455 sections 5.5 and 7).

Rules owned here: pings and Close are answered before the actor sees anything; no frame leaves behind a Close; every
wait on the peer has a deadline (that for signs of life stands in ``keepalive``). How frames leave stands in
``websocket_output``. Must not know sockets or tasks: bytes in, bytes out.

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
from actorws.conn import ReadyState
from actorws.events import ProtocolViolated, ReadingPaused
from actorws.exceptions import ProtocolError
from actorws.frames import MAX_CLOSE_REASON, Close, CloseCode, Ping, Pong
from actorws.protocol.codec import Decoder, Received
from actorws.protocol.encoder import encode, encode_close
from actorws.protocol.shared import SharedDecoder, is_idle
from actorws.reasons import Error, Remote, Stop, Timeout
from actorws.transports.rates import CountingDecoder
from actorws.transports.websocket_output import WebsocketOutput
from actorws.transports.wire import MAILBOX, Wire

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.transports.contract import Recipient

__all__ = ["WebsocketTransport"]

OPEN, CLOSING, CLOSED = ReadyState.OPEN, ReadyState.CLOSING, ReadyState.CLOSED


class WebsocketTransport(WebsocketOutput):
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
