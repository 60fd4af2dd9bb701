"""A WebSocket as a carrier: between a WebSocket transport, for which it is the actor, and a session.

Rules owned here: the first message says which session it is, within ``HELLO_SECONDS``; control messages are taken out
of the stream before anyone counts. Must not know how a session is found, nor what goes over a socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from actorws.actor.timers import Expirable
from actorws.conn import ReadyState
from actorws.events import ProtocolViolated
from actorws.exceptions import ProtocolError
from actorws.frames import Close, CloseCode, Frame, Ping, Pong
from actorws.reasons import Error, Reason, Remote
from actorws.sessions import control
from actorws.sessions.carrier import Carrier
from actorws.sessions.outbox import Message
from actorws.transports.websocket import LARGE

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.sessions.session import Session
    from actorws.transports.websocket import WebsocketTransport

__all__ = ["HELLO_SECONDS", "Reception", "WebsocketCarrier"]

OPEN = ReadyState.OPEN

#: For the client's first message.
HELLO_SECONDS: Final = 10.0
#: From here on a code tells the client not to come back, or us that it won't.
FINAL_CODES: Final = 4500
#: A newer wire has taken this one's place.
SUPERSEDED: Final = 4509


class Reception(Protocol):
    """Who finds the session that a client asks for, or makes a new one, and attaches the carrier.

    Raises ``ProtocolError`` for a count of messages that can't be.
    """

    def __call__(self, carrier: WebsocketCarrier, hello: control.Hello, /) -> None: ...


class WebsocketCarrier(Carrier, Expirable):
    """One WebSocket whose client speaks ``actorws.v1``."""

    name: ClassVar[str] = "websocket"
    acknowledges: ClassVar[bool] = True

    __slots__ = ("_expected", "_receive_hello", "conn", "kind", "session", "transport")

    transport: WebsocketTransport

    def __init__(
        self, kind: Kind, conn: Conn, receive_hello: Reception, expected: dict[WebsocketCarrier, None]
    ) -> None:
        """The transport is set right after it is made. It is among the ``expected`` until its first message comes."""
        self.kind = kind
        #: For events: the session's, once there is one.
        self.conn: Conn = conn
        self.session: Session | None = None
        self._receive_hello: Reception | None = receive_hello
        self._expected = expected
        expected[self] = None
        conn.runtime.wheel.schedule(self, HELLO_SECONDS)

    def expire(self, now: float) -> None:
        self._violated("the first message, which says which session it is, did not come in time")

    # From the transport, which takes this for an actor

    def receive(self, messages: Iterable[Any]) -> None:
        """Messages, and control frames where the behaviour wants them."""
        received: list[Any] = []
        count = size = 0
        for message in messages:
            kind = type(message)
            if kind is str and message[:1] == control.ESCAPE:
                said = control.parse_text(message)
                if not isinstance(said, str):
                    # What came before it is handled before it.
                    self._bring(received, count, size)
                    received, count, size = [], 0, 0
                    if not self._heed(said):
                        return
                    continue
                message = said
            elif kind is not str and kind is not bytes:
                received.append(message)
                continue
            if self._receive_hello is not None:
                self._violated("the first message has to say which session it is")
                return
            count += 1
            size += len(message)
            received.append(message)
        self._bring(received, count, size)

    def _bring(self, messages: Sequence[Any], count: int, size: int) -> None:
        if messages and self.session is not None:
            self.session.brought(self, messages, count, size)

    def _heed(self, said: control.Control) -> bool:
        """Do as the client says. Whether the wire goes on."""
        if type(said) is control.Ping and self._receive_hello is None:
            self._say(control.pong(said.value))
        elif type(said) is control.Hello and self._receive_hello is not None:
            receive_hello = self._receive_hello
            self._expect_no_more()
            try:
                receive_hello(self, said)
            except ProtocolError as error:
                self._violated(str(error))
        elif type(said) is control.Ack and self._receive_hello is None:
            if self.session is not None and not self.session.acknowledged(said.received):
                self._violated("a count of received messages that can't be")
        else:
            self._violated(said.why if type(said) is control.Bad else "a control message where it doesn't belong")
        return self.is_open

    @property
    def is_open(self) -> bool:
        """Whether anything can be sent."""
        return self.transport.ready_state is OPEN

    def _violated(self, why: str) -> None:
        error = ProtocolError(CloseCode.PROTOCOL_ERROR, why)
        self.conn.runtime.emit(ProtocolViolated(self.conn, error.code, why))
        self.transport.finish(Close(error.code, why))
        self.end(Error(error))

    def drained(self) -> None:
        """It takes messages again."""
        if self.session is not None:
            self.session.ready(self)

    def end(self, reason: Reason) -> None:
        """The client has ended it, or broke the protocol."""
        session = self._let_go()
        if session is None:
            return
        if type(reason) is Remote and not _is_final(reason.code):
            session.lost(self, reason)
        else:
            session.left(self, reason)

    def stop(self, reason: Reason, frame: Close | None = None) -> None:
        """It has been silent for too long, or came too fast."""
        assert frame is not None
        if self.session is None:
            self._let_go()
            self.transport.finish(frame)
        else:
            self.session.stopped(self, reason, frame)

    def close_finished(self, reason: Reason) -> None:
        """Our Close was answered, or wasn't."""
        session = self._let_go()
        if session is not None:
            session.close_finished(self, reason)

    def close_unanswered(self) -> None:
        """The client may not have got our last words: it can fetch them."""
        session = self._let_go()
        if session is not None:
            session.lost(self, Remote(CloseCode.ABNORMAL))

    def _let_go(self) -> Session | None:
        self._expect_no_more()
        return self.session

    def _expect_no_more(self) -> None:
        """The first message has come, or won't."""
        self._receive_hello = None
        self._expected.pop(self, None)
        self.conn.runtime.wheel.cancel(self)

    # From the session

    @property
    def takes(self) -> bool:
        transport = self.transport
        wire = transport.wire
        return wire is not None and transport.ready_state is OPEN and (wire.queue is None or wire.takes_more())

    @property
    def buffered(self) -> int:
        return self.transport.buffered

    def greet(self, greeting: str) -> None:
        self._say(greeting)

    def carry(self, message: Message, cache: dict[Any, Any] | None = None) -> None:
        transport = self.transport
        if transport.ready_state is OPEN:
            transport.put(control.escaped(message) if type(message) is str else message, cache)

    def carry_encoded(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, cache: dict[Any, Any]
    ) -> None:
        # Only where the transport has no choice but to take all of it: what it dropped would not be missed.
        wire = self.transport.wire
        is_sure = self.is_open and wire.open and len(together) < LARGE and self.transport.decoder.inflater is None
        if not is_sure or any(type(frame) is str and frame[:1] == control.ESCAPE for frame in frames):
            super().carry_encoded(frames, chunks, together, cache)
        else:
            self.transport.send_encoded(frames, chunks, together, cache)

    def send_control(self, frame: Ping | Pong) -> None:
        self.transport.send(frame)

    def acknowledge(self, received: int) -> None:
        self._say(control.ack(received))

    def _say(self, text: str) -> None:
        if self.is_open:
            self.transport.put(control.on_websocket(text))

    def close(self, frame: Close) -> bool:
        if not self.is_open:
            return False
        self.transport.close(frame)
        return True

    def leave(self, frame: Close) -> None:
        self._let_go()
        self.transport.finish(frame)

    def supersede(self) -> None:
        self.leave(Close(SUPERSEDED, "another wire has taken this one's place"))

    def abort(self) -> None:
        self._let_go()
        self.transport.abort()

    def pause(self) -> bool:
        return self.transport.pause()

    def resume(self) -> None:
        self.transport.resume()


def _is_final(code: int) -> bool:
    """Whether a client that closes with ``code`` won't come back."""
    return code in (CloseCode.NORMAL, CloseCode.NO_STATUS) or code >= FINAL_CODES
