"""Inbound: the side of a session that its client reaches, over its wire or by requests of its own.

Rules owned here: what comes is counted before anyone handles it, and the client is told of the count; requests may come
late, twice, and in another order than they were sent in, and what they say holds all the same. Must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actorws.conn import ReadyState
from actorws.transports.contract import ActorTransport

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.sessions.carrier import Carrier
    from actorws.sessions.meter import Meter
    from actorws.sessions.outbox import Message, Outbox

__all__ = ["Inbound"]

OPEN = ReadyState.OPEN

#: The client is told how many messages have come after so many, so many bytes, or so many seconds.
ACK_MESSAGES, ACK_BYTES, ACK_SECONDS = 32, 64 * 1024, 1.0


class Inbound(ActorTransport):
    """What ``Outbound`` is built on."""

    __slots__ = ("_owed", "_owed_bytes", "_paused", "carrier", "conn", "kind", "known", "meter", "outbox", "received")

    conn: Conn
    kind: Kind
    carrier: Carrier | None
    outbox: Outbox

    def __init__(self) -> None:
        #: Whether the client has shown that it knows the session's id.
        self.known = False
        #: Messages of the client that have come.
        self.received = 0
        #: Of those, what it has not been told of.
        self._owed = self._owed_bytes = 0
        #: What requests are metered by, where they are.
        self.meter: Meter | None = None
        #: Whether the actor's mailbox is full.
        self._paused = False

    # Over its wire

    def brought(self, carrier: Carrier, messages: Sequence[Any], count: int, size: int) -> None:
        """``count`` messages have come over ``carrier``, of ``size`` bytes (control frames may be among them)."""
        if carrier is not self.carrier or self.ready_state is not OPEN:
            return
        if count:
            self.take_in(count)
            if carrier.acknowledges:
                self._owe(carrier, count, size)
        self.actor.receive(messages)

    def _owe(self, carrier: Carrier, count: int, size: int) -> None:
        owed, self._owed = self._owed, self._owed + count
        self._owed_bytes += size
        if self._owed >= ACK_MESSAGES or self._owed_bytes >= ACK_BYTES:
            self._pay(carrier)
        elif not owed:
            self.conn.runtime.wheel.schedule(self, ACK_SECONDS)

    def _pay(self, carrier: Carrier) -> None:
        self._owed = self._owed_bytes = 0
        self.conn.runtime.wheel.cancel(self)
        carrier.acknowledge(self.received)

    def expire(self, now: float) -> None:
        if self._owed and self.carrier is not None and self.ready_state is OPEN:
            self._pay(self.carrier)

    # By requests of their own

    @property
    def is_brought(self) -> bool:
        """Whether messages of the client come over its wire: then none count that come by requests of their own."""
        return self.carrier is not None and self.carrier.acknowledges

    def posted(self, messages: Sequence[Message]) -> None:
        """Messages of the client have come by a request of their own. Only while they don't by its wire."""
        self.take_in(len(messages))
        if messages:
            self.actor.receive(messages)

    def take_in(self, count: int) -> None:
        """``count`` messages more have come."""
        self.received += count
        self.known = True

    def acknowledged(self, received: int) -> bool:
        """The client has got so many messages. False if that can't be."""
        self.known = True
        return self.outbox.acknowledge(received)

    def heard_of(self, received: int) -> bool:
        """The client has got so many messages, says a request. False if that can't be.

        It may be late: fewer than the client has said before says nothing.
        """
        self.known = True
        outbox = self.outbox
        if received <= outbox.acknowledged:
            return True
        return received <= outbox.count and outbox.acknowledge(min(received, outbox.handed))

    # The actor's mailbox

    @property
    def takes_input(self) -> bool:
        """Whether there is room for messages of the client, and it takes what it is sent.

        (Over its own wire it wouldn't be read from, so that it can't ask for more than it takes.)
        """
        return not self._paused and self.buffered <= self.kind.config.backpressure.high_water_mark

    def pause(self) -> bool:
        if self._paused or self.ready_state is not OPEN:
            return False
        self._paused = True
        return self.carrier is None or self.carrier.pause()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            if self.carrier is not None:
                self.carrier.resume()
