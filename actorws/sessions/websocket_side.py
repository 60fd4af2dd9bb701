"""A WebSocket as a carrier, as far as both sides of a session do the same with it.

Rules owned here: it stands between a WebSocket transport, for which it is the actor, and a session; the first words of
the other side come before any message, and within their time; control messages are taken out of the stream before
anyone counts. Must not know which side it is on, nor what goes over a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from actorws.actor.timers import Expirable
from actorws.conn import ReadyState
from actorws.events import ProtocolViolated
from actorws.exceptions import ProtocolError
from actorws.frames import Close, CloseCode, Ping, Pong
from actorws.reasons import Error, Reason, Remote
from actorws.sessions import control
from actorws.sessions.carrier import Carrier
from actorws.sessions.outbox import Message

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.sessions.session import Session
    from actorws.transports.websocket import WebsocketTransport

__all__ = ["FINAL_CODES", "SUPERSEDED", "WebsocketSide"]

OPEN = ReadyState.OPEN

#: From here on a code says that whoever says it, or hears it, won't come back.
FINAL_CODES = 4500
#: A newer wire has taken this one's place.
SUPERSEDED = 4509


class WebsocketSide(Carrier, Expirable):
    """One WebSocket with ``actorws.v1``."""

    name: ClassVar[str] = "websocket"
    acknowledges: ClassVar[bool] = True

    #: What is wrong if something else comes before the first words.
    unmet: ClassVar[str]
    #: And if they don't come.
    late: ClassVar[str]

    __slots__ = ("_receive_first", "conn", "kind", "session", "transport")

    transport: WebsocketTransport

    def __init__(self, kind: Kind, conn: Conn, receive_first: Callable[[Any, Any], None], seconds: float) -> None:
        """``receive_first`` gets it and the first words, due in ``seconds``; it may raise ``ProtocolError``.

        The transport is set right after it is made.
        """
        self.kind = kind
        #: For events: the session's, once there is one.
        self.conn: Conn = conn
        self.session: Session | None = None
        #: ``None``: they have come, or won't.
        self._receive_first: Callable[[Any, Any], None] | None = receive_first
        conn.runtime.wheel.schedule(self, seconds)

    def expire(self, now: float) -> None:
        self._violated(self.late)

    # From the transport, which takes this for an actor

    def receive(self, messages: Iterable[Any]) -> None:
        """Messages, and control frames where the behaviour wants them."""
        received: list[Any] = []
        count = size = 0
        for message in messages:
            kind = type(message)
            if kind is str and message[:1] == control.ESCAPE:
                said = control.parse_text(message, self.meaning_of)
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
            if self._receive_first is not None:
                self._violated(self.unmet)
                return
            count += 1
            size += len(message)
            received.append(message)
        self._bring(received, count, size)

    def _bring(self, messages: Sequence[Any], count: int, size: int) -> None:
        if messages and self.session is not None:
            self.session.brought(self, messages, count, size)

    def _heed(self, said: control.Control) -> bool:
        """Do as the other side says. Whether the wire goes on."""
        if type(said) is control.Ack and self._receive_first is None:
            if self.session is not None and not self.session.acknowledged(said.received):
                self._violated("a count of received messages that can't be")
        else:
            self._violated(said.why if type(said) is control.Bad else "a control message where it doesn't belong")
        return self.is_open

    def _meet(self, said: control.Control) -> bool:
        """The first words have come. Whether the wire goes on."""
        receive_first = self._receive_first
        assert receive_first is not None
        self._expect_no_more()
        try:
            receive_first(self, said)
        except ProtocolError as error:
            self._violated(str(error))
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
        """The other side has ended it, or broke the protocol."""
        session = self._let_go()
        if session is None:
            return
        if self.detaches(reason):
            session.lost(self, reason)
        else:
            session.left(self, reason)

    # What differs

    @staticmethod
    def meaning_of(value: Any) -> control.Control:
        """What a JSON value of the other side is as a control message."""
        raise NotImplementedError

    @staticmethod
    def detaches(reason: Reason) -> bool:
        """Whether the session outlives a wire that has ended for ``reason``, which is none of its own."""
        raise NotImplementedError

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
        """The first words have come, or won't."""
        self._receive_first = None
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

    def carry(self, message: Message, cache: dict[Any, Any] | None = None) -> None:
        transport = self.transport
        if transport.ready_state is OPEN:
            transport.put(control.escaped(message) if type(message) is str else message, cache)

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
