"""Handover arrivals: what siblings hand over to this worker.

Rules owned here: only what this user's processes send is served; who says nothing is not waited for long; what was
handed over stays, and in a shutdown it is refused, as anything new. Must not know how siblings are chosen.
"""

from __future__ import annotations

import socket as _socket
from pathlib import Path
from typing import TYPE_CHECKING

from actorws.actor.timers import Expirable
from actorws.events import HandoverFailed
from actorws.exceptions import HandshakeError
from actorws.server.endpoint import Endpoint
from actorws.server.handover_message import Inbox, Message, is_ours
from actorws.server.listener import Listener, identity, open_unix, remove_unix

if TYPE_CHECKING:
    from actorws.io.poller import Poller
    from actorws.server.site import Site

__all__ = ["Arrivals"]

#: Seconds for a message to be whole. A sibling sends it in one piece, right after it has connected.
PATIENCE = 5.0
#: Connections of siblings that haven't said all; one more takes the place of the oldest.
MOST = 64


class Arrivals:
    """Listens at a path of its own."""

    def __init__(self, path: Path, site: Site, poller: Poller, node: str) -> None:
        """Raises ``OSError`` if it can't."""
        self._site = site
        self._poller = poller
        self._node = node
        self._unfinished: dict[Arrival, None] = {}
        self._path = path
        socket = open_unix(path, None)
        self._identity = identity(path)
        self._listener = Listener(socket, poller, site.runtime, self._came)

    def _came(self, socket: _socket.SocketType, address: object) -> None:
        if not is_ours(socket):
            socket.close()
            return
        if len(self._unfinished) == MOST:
            next(iter(self._unfinished)).drop("it was too slow")
        Arrival(socket, self).read()

    def wait(self, arrival: Arrival, socket: _socket.SocketType) -> None:
        """Have ``arrival`` read when there is more to read. Again: nothing."""
        if arrival not in self._unfinished:
            self._poller.listen(socket, arrival.read)
            self._unfinished[arrival] = None
            self._site.runtime.wheel.schedule(arrival, PATIENCE)

    def forget(self, arrival: Arrival, socket: _socket.SocketType) -> None:
        """It has all it waited for, or will never have it."""
        if arrival in self._unfinished:
            del self._unfinished[arrival]
            self._site.runtime.wheel.cancel(arrival)
            self._poller.unlisten(socket)

    def failed(self, why: str) -> None:
        """Tell what went wrong."""
        self._site.runtime.emit(HandoverFailed(self._node, why))

    def serve(self, socket: _socket.SocketType, message: Message) -> None:
        """Go on with a client as if it had been accepted here."""
        site = self._site
        try:
            wire = self._poller.add(socket, site.options)
        except (OSError, MemoryError) as error:
            socket.close()
            self.failed(str(error))
            return
        try:
            endpoint = wire.receiver = Endpoint(wire, site, message.remote)
            endpoint.stays = True
            if site.draining:
                endpoint.refuse(HandshakeError(503, "the server is going away", [("Retry-After", "5")]))
            elif endpoint.receive(message.data):
                wire.read_again()
        except BaseException:
            wire.shut()
            raise

    def close(self) -> None:
        """Listen no more. Again: nothing."""
        self._listener.close()
        remove_unix(self._path, self._identity)
        for arrival in list(self._unfinished):
            arrival.drop("")


class Arrival(Expirable):
    """A sibling's connection, until its message is there."""

    __slots__ = ("_arrivals", "_inbox", "_socket")

    def __init__(self, socket: _socket.SocketType, arrivals: Arrivals) -> None:
        self._socket = socket
        self._arrivals = arrivals
        self._inbox = Inbox(socket)

    def read(self) -> None:
        """Read what there is."""
        try:
            message = self._inbox.read()
            if message is None:
                self._arrivals.wait(self, self._socket)
                return
        except (OSError, ValueError, MemoryError) as error:
            self.drop(str(error))
            return
        self._arrivals.forget(self, self._socket)
        if message.socket is None:
            self._arrivals.serve(self._socket, message)
        else:
            self._socket.close()
            self._arrivals.serve(message.socket, message)

    def drop(self, why: str) -> None:
        """Close it, and what came with it."""
        self._arrivals.forget(self, self._socket)
        self._socket.close()
        self._inbox.close()
        if why:
            self._arrivals.failed(f"a message was dropped: {why}")

    def expire(self, now: float) -> None:
        """It took too long."""
        self.drop("it was too slow")
