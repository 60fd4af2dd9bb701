"""Handover relay: a client whose connection can't be handed over (it is under TLS), served by another worker anyway.

Rules owned here: what one side says goes to the other as it is; while one doesn't take what it is told, the other isn't
read from; when the sibling has ended, so does the client's connection, within a while. Must not know what is said.
"""

from __future__ import annotations

import socket as _socket
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from actorws.io.socket_wire import SocketWire
from actorws.transports.contract import Receiver
from actorws.transports.wire import MAILBOX, Wire

__all__ = ["Relay"]

#: Seconds for the client to end its side when the sibling has.
LINGER = 5.0


class Side(Receiver):
    """One of the two connections of a relay: what comes from it goes to the other."""

    __slots__ = ("gathering", "other", "wire")

    settled: ClassVar[bool] = True
    other: Side

    def __init__(self, wire: Wire) -> None:
        self.gathering = False
        #: ``None`` when it is gone.
        self.wire: Wire | None = wire

    def receive(self, data: bytes) -> bool:
        if data and self.other.wire is not None:
            self.other.wire.write(data)
        return False

    def passed_mark(self, buffered: int) -> None:
        if self.other.wire is not None:
            self.other.wire.pause(MAILBOX)

    def drained(self) -> None:
        if self.wire is not None:
            self.wire.open = True
        if self.other.wire is not None:
            self.other.wire.resume(MAILBOX)


class ClientSide(Side):
    """The client's connection. Its deadline is that of the relay's end."""

    __slots__ = ("_relay", "has_ended")

    def __init__(self, wire: Wire, relay: Relay) -> None:
        super().__init__(wire)
        self._relay = relay
        #: Whether the client has finished.
        self.has_ended = False

    def ended(self, error: OSError | None) -> None:
        if error is not None or self.has_ended:
            self._relay.cut()
        else:
            self.has_ended = True
            self._relay.end_within(self._relay.patience)
            self._relay.sibling.finish()

    def expire(self, now: float) -> None:
        wire = self.wire
        if wire is not None and wire.buffered and now - wire.last_seen < LINGER:
            self._relay.end_within(LINGER)  # of the last words, some were taken not long ago
        else:
            self._relay.cut()

    def closed(self) -> None:
        self.wire = None
        self._relay.cut()


class SiblingSide(Side):
    """The connection to the other worker."""

    __slots__ = ("_is_finishing", "_relay")

    wire: SocketWire | None

    def __init__(self, wire: SocketWire, relay: Relay) -> None:
        super().__init__(wire)
        self._relay = relay
        self._is_finishing = False

    def finish(self) -> None:
        """Say that the client has finished, behind all that it has said; what is still answered goes to it."""
        if self.wire is None:
            return
        self.wire.flush()
        if self.wire.rest is not None:
            self._is_finishing = True
            return
        with suppress(OSError):  # it has gone: the next read tells
            self.wire.socket.shutdown(_socket.SHUT_WR)

    def drained(self) -> None:
        super().drained()
        if self._is_finishing:
            self.finish()

    def ended(self, error: OSError | None) -> None:
        if error is None:
            self._relay.leave()
        else:
            self._relay.cut()

    def closed(self) -> None:
        self.wire = None
        self._relay.leave()


class Relay:
    """Two wires, whose receivers are its sides from now on."""

    def __init__(self, client: Wire, sibling: SocketWire, *, patience: float, on_end: Callable[[Relay], None]) -> None:
        """``patience``: seconds for the sibling to end when the client has. ``on_end`` is called once, at the end."""
        self.patience = patience
        self._wheel = client.runtime.wheel
        self._on_end = on_end
        self._is_over = False
        self.client = ClientSide(client, self)
        self.sibling = SiblingSide(sibling, self)
        self.client.other, self.sibling.other = self.sibling, self.client
        client.receiver, sibling.receiver = self.client, self.sibling

    def end_within(self, seconds: float) -> None:
        """Cut both when the time is over."""
        self._wheel.schedule(self.client, seconds)

    def leave(self) -> None:
        """End both in good order: what the client was told already it gets."""
        for side in (self.sibling, self.client):
            if side.wire is not None:
                side.wire.close()
        if self.client.wire is not None:
            self.end_within(LINGER)
        self._finish()

    def cut(self) -> None:
        """End both at once."""
        for side in (self.client, self.sibling):
            if side.wire is not None:
                side.wire.abort()
        self._finish()

    def _finish(self) -> None:
        if not self._is_over and self.client.wire is None and self.sibling.wire is None:
            self._is_over = True
            self._wheel.cancel(self.client)
            self._on_end(self)
