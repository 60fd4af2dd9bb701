"""Exchange: what a script's connection is to the transport below it, in the place of an actor.

Rules owned here: what comes is kept in bounds, then the peer isn't read from; what has to wait to be sent leaves in the
order in which it was brought; whoever waits for anything is told of the end. Must not know who waits, nor
sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from actorws.conn import Conn, ReadyState
from actorws.connection.inbox import TURN, Inbox
from actorws.connection.line import Line
from actorws.connection.pings import Pings
from actorws.frames import Close, Ping, Pong
from actorws.reasons import RULES, Reason, Stop

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.io.solo import Solo
    from actorws.transports.client import ClientTransport, DeflatedClientTransport

__all__ = ["Exchange", "OnControl"]

#: Is told of each ping and pong that comes.
OnControl: TypeAlias = Callable[[Ping | Pong], None]


class Exchange:
    """One connection's, both ways."""

    transport: ClientTransport | DeflatedClientTransport

    def __init__(self, kind: Kind, conn: Conn, on_control: OnControl | None = None) -> None:
        self.kind = kind
        self._on_control = on_control
        self.conn = conn
        self.inbox = Inbox(kind.config.mailbox)
        self.reason: Reason | None = None
        """How it ended."""
        self.over = trio.Event()
        self.pings = Pings()
        self.senders: Line[str | bytes | Ping, bool | Exception] = Line()
        """Those who wait to send. They are told whether it was sent, or what is wrong with it."""
        self.driver: Solo | None = None
        """What reads for those who wait, if they do that themselves."""
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
            else:
                if kind is Pong:
                    self.pings.answered(message.data)
                if self._on_control is not None:
                    self._on_control(message)
        if inbox.is_full and not self._is_paused:
            self._is_paused = self.transport.pause()

    def drained(self) -> None:
        """The server has taken what waited."""
        senders = self.senders
        while senders and self.takes_more():
            senders.hand(self._sent(senders.first()))

    def _sent(self, frame: str | bytes | Ping) -> bool | Exception:
        try:
            self.put(frame)
        except Exception as error:
            # For the task that brought it; here nobody is to blame.
            return error
        return True

    def close(self, frame: Close) -> bool:
        """Say Close, if it hasn't been said. Whether it was said now."""
        if not self.is_open:
            return False
        self.transport.close(frame)
        self.look_after()
        self.senders.hand_all(False)
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
            self.senders.hand_all(False)
            self.pings.close()
            self.over.set()

    # From the script

    def takes_more(self) -> bool:
        """Whether it is open and what is sent now would not have to wait; if it would, ``drained`` is called then."""
        return self.transport.ready_state is ReadyState.OPEN and self.transport.wire.takes_more()

    def send(self, frame: str | bytes | Ping) -> None:
        """Send a frame, which ``takes_more`` says can be, from a script's task."""
        if self.driver is None or self.inbox:
            # It leaves together with what the messages that wait will bring.
            self.put(frame)
        else:
            self.driver.at_once(self.put, frame)

    async def take(self) -> str | bytes | None:
        """The next message, or ``None`` when nothing more comes."""
        inbox, driver = self.inbox, self.driver
        while driver is not None and inbox.is_awaited and driver.may_be_led:
            await driver.lead()
            inbox.turn_ends = perf_counter() + TURN
        message = await inbox.take()
        if self._is_paused and inbox.has_room:
            self._is_paused = False
            self.transport.resume()
        return message

    def is_waited_for(self) -> bool:
        """Whether anyone waits for something to come, but for who reads himself."""
        return bool(self.inbox.line or self.pings or self.senders) or (
            self.reason is None and self.transport.ready_state is not ReadyState.OPEN
        )

    def look_after(self) -> None:
        """A task begins to wait for something else than a message."""
        if self.driver is not None:
            self.driver.look_after()

    def put(self, frame: str | bytes | Ping) -> None:
        """Send a frame, whatever waits. Only while it is open."""
        if type(frame) is Ping:
            self.pings.leaves(frame.data)
        self.transport.put(frame)

    def abort(self) -> None:
        """Cut the wire."""
        self.transport.abort()
        self.end(Stop())
