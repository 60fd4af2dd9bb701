"""A WebSocket as a carrier, on the client's side.

Rules owned here: we speak first, and the greeting has to be one that a server can mean; what comes behind it waits
until there is a session to take it, and is not more than one read brings. Must not know what becomes of the session.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from actorws.exceptions import ProtocolError
from actorws.frames import Close, CloseCode
from actorws.reasons import Reason, Remote, Timeout
from actorws.sessions import control, ids
from actorws.sessions.control import Greeting
from actorws.sessions.websocket_side import WebsocketSide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorws.actor.kind import Kind
    from actorws.client.session import ClientSession
    from actorws.conn import Conn
    from actorws.transports.client import ClientTransport, DeflatedClientTransport

__all__ = ["ClientCarrier"]

#: Ends of a wire that are not the session's: the server goes away, or nobody has said anything.
_DETACHES = (CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART, CloseCode.ABNORMAL)


class ClientCarrier(WebsocketSide):
    """One WebSocket whose server has chosen ``actorws.v1``."""

    unmet: ClassVar[str] = "the first message has to be the greeting"
    late: ClassVar[str] = "the greeting did not come in time"

    __slots__ = ("_asked", "_early", "_end", "_greeting", "_news", "_owes_ack", "_subprotocols")

    transport: ClientTransport | DeflatedClientTransport

    def __init__(
        self, kind: Kind, conn: Conn, asked: ClientSession | None, subprotocols: Sequence[str], seconds: float
    ) -> None:
        """``asked``: the session to go on with; ``None``: a new one. The greeting is due in ``seconds``."""
        super().__init__(kind, conn, ClientCarrier._greeted, seconds)
        self._asked = asked
        self._subprotocols = subprotocols
        self._greeting: Greeting | None = None
        #: What has come behind the greeting and waits for ``release``.
        self._early: list[Any] | None = None
        #: How it has ended, if it has before that.
        self._end: Reason | None = None
        self._news = trio.Event()
        #: Whether the server is to be told of what has come as soon as it takes that.
        self._owes_ack = False

    def say_hello(self) -> None:
        """Say which session it is to be."""
        asked = self._asked
        self._say(control.hello(None, 0) if asked is None else control.hello(asked.text, asked.received))

    async def wait_greeted(self) -> Greeting | Reason:
        """Wait for the greeting; how the wire has ended, if it has ended instead."""
        await self._news.wait()
        if self._greeting is not None:
            return self._greeting
        assert self._end is not None
        return self._end

    def release(self) -> None:
        """It has its session: what has come is brought, and an end that has come is told."""
        early, self._early = self._early, None
        if early:
            self.receive(early)
        if self._end is not None and self.session is not None:
            super().end(self._end)

    # From the transport

    def receive(self, messages: Iterable[Any]) -> None:
        if self._early is not None:
            self._early.extend(messages)
            return
        rest = iter(messages)
        super().receive(rest)
        if self._early is not None:
            self._early.extend(rest)

    def _heed(self, said: control.Control) -> bool:
        if type(said) is Greeting and self._receive_first is not None:
            self._meet(said)
            return False
        return super()._heed(said)

    def _greeted(self, said: Greeting) -> None:
        why = self._why_not(said)
        if why:
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, why)
        self._greeting, self._early = said, []
        self.transport.pause()
        self._news.set()

    def _why_not(self, said: Greeting) -> str:
        """Why no server can mean this greeting, if none can."""
        asked = self._asked
        if not said.resumed:
            if ids.parse(said.session) is None:
                return "the session's id is none"
            if said.received:
                return "a new session has received no messages"
            if said.subprotocol is not None and said.subprotocol not in self._subprotocols:
                return "the subprotocol was not offered"
        elif asked is None or said.session != asked.text:
            return "another session goes on than the one that was asked for"
        elif not asked.outbox.acknowledged <= said.received <= asked.outbox.count:
            return "a count of received messages that can't be"
        return ""

    def drained(self) -> None:
        if self._owes_ack and self.session is not None:
            self._owes_ack = False
            super().acknowledge(self.session.received)
        super().drained()

    def acknowledge(self, received: int) -> None:
        # Who is read from and doesn't read itself must not have them pile up: the last says it all.
        self._owes_ack = not self.takes
        if not self._owes_ack:
            super().acknowledge(received)

    def expire(self, now: float) -> None:
        self.transport.finish(Close(CloseCode.PROTOCOL_ERROR, self.late))
        self.end(Timeout())

    def end(self, reason: Reason) -> None:
        if self.session is None:
            self._let_go()
            if self._end is None:
                self._end = reason
            self._news.set()
        else:
            super().end(reason)

    def stop(self, reason: Reason, frame: Close | None = None) -> None:
        was_free = self.session is None
        super().stop(reason, frame)
        if was_free:
            self.end(reason)

    @staticmethod
    def meaning_of(value: Any) -> control.Control:
        return control.parse_answer(value)

    @staticmethod
    def detaches(reason: Reason) -> bool:
        return type(reason) is Timeout or (type(reason) is Remote and reason.code in _DETACHES)
