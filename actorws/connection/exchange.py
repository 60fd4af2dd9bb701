"""Exchange: what a script's connection is to the transport below it, in the place of an actor.

Rules owned here: what comes is kept in bounds, then the peer isn't read from; whoever waits for anything is told of the
end. Nothing in here waits. Must not know who waits, nor sockets.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import trio

from actorws.conn import Conn, ReadyState
from actorws.connection.inbox import Inbox
from actorws.frames import Close, Ping, Pong
from actorws.reasons import RULES, Reason, Stop

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.transports.websocket import WebsocketTransport

__all__ = ["Exchange"]


class Exchange:
    """One connection's, both ways."""

    transport: WebsocketTransport

    def __init__(self, kind: Kind, conn: Conn) -> None:
        self.kind = kind
        self.conn = conn
        self.inbox = Inbox(kind.config.mailbox)
        self.reason: Reason | None = None
        """How it ended."""
        self.over = trio.Event()
        self.waiting_to_send = trio.lowlevel.ParkingLot()
        self._pings: dict[bytes, PingSent] = {}
        self._is_paused = False

    @property
    def is_open(self) -> bool:
        """Whether anything can be sent."""
        return self.reason is None and self.transport.ready_state is ReadyState.OPEN

    # From the transport

    def receive(self, messages: Iterable[Any]) -> None:
        """Messages, pings and pongs have come."""
        inbox = self.inbox
        for message in messages:
            kind = type(message)
            if kind is str or kind is bytes:
                inbox.put(message)
            elif kind is Pong:
                self._answered(message.data)
        if inbox.is_full and not self._is_paused:
            self._is_paused = self.transport.pause()

    def drained(self) -> None:
        """The server has taken what waited."""
        self.waiting_to_send.unpark_all()

    def close(self, frame: Close) -> bool:
        """Say Close, if it hasn't been said. Whether it was said now."""
        if not self.is_open:
            return False
        self.transport.close(frame)
        self.waiting_to_send.unpark_all()
        return True

    def close_finished(self, reason: Reason) -> None:
        """Our Close was answered, or wasn't in time."""
        self.end(reason)

    def close_unanswered(self) -> None:
        """The server went without answering it."""
        self.end(Stop())

    def stop(self, reason: Reason, frame: Close | None = None) -> None:
        """It has to end for ``reason``, and the wire may still be open."""
        if self.reason is None:
            self.transport.finish(frame or Close(RULES[type(reason)].close_code))
            self.end(reason)

    def end(self, reason: Reason) -> None:
        """It has ended."""
        if self.reason is None:
            self.reason = reason
            self.inbox.close()
            self.waiting_to_send.unpark_all()
            for ping in self._pings.values():
                ping.done.set()
            self.over.set()

    # From the script

    def taken(self) -> None:
        """A message was taken out of the inbox."""
        if self._is_paused and not self.inbox.is_full:
            self._is_paused = False
            self.transport.resume()

    def abort(self) -> None:
        """Cut the wire."""
        self.transport.abort()
        self.end(Stop())

    def ping(self, data: bytes) -> PingSent:
        """Send a ping."""
        ping = self._pings[data] = PingSent()
        self.transport.send(Ping(data))
        return ping

    def forget_ping(self, data: bytes) -> None:
        """Nobody waits for its answer any more."""
        self._pings.pop(data, None)

    def _answered(self, data: bytes) -> None:
        """A pong answers the pings before it, too: a server may leave them out (RFC 6455 section 5.5.3)."""
        if data not in self._pings:
            return
        for sent in list(self._pings):
            ping = self._pings.pop(sent)
            ping.seconds = perf_counter() - ping.sent
            ping.done.set()
            if sent == data:
                return


class PingSent:
    """A ping that is under way."""

    __slots__ = ("done", "seconds", "sent")

    def __init__(self) -> None:
        self.sent = perf_counter()
        self.done = trio.Event()
        self.seconds: float | None = None
        """Until the pong came; ``None`` if the connection ended before."""
