"""Sink: connections without a client, so that the runtime is measured and neither clients nor the kernel are.

Rule owned here: everything from the request's head to the bytes of each frame is the real thing; only the sockets are
missing. (Sending is most of what a fan-out costs with sockets, and the same with a cluster as without: leaving it out
makes the cluster look as dear as it can.)
"""

from __future__ import annotations

from actorws import App, Runtime, Websocket
from actorws.config import ServerConfig
from actorws.server.endpoint import Endpoint
from actorws.server.site import Site
from actorws.transports.wire import Wire

__all__ = ["open_connections"]

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
#: Seconds: nobody here says anything.
NEVER = 100_000.0


class _Sink(Wire):
    """Takes everything at once."""

    __slots__ = ()

    def flush(self) -> None:
        pending, self.pending, self.corked = self.pending, None, 0
        if pending and len(pending) > 1:
            b"".join(pending)  # as a socket's wire does

    def update(self) -> None:
        pass

    def read_again(self) -> None:
        pass

    def has_input(self) -> bool:
        return False

    def close(self) -> None:
        self.shut()

    def abort(self) -> None:
        self.shut()

    def shut(self) -> None:
        self.open = False
        self.pending = None
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.closed()
            self.runtime.wire_closed()


def open_connections(runtime: Runtime, behaviour: Websocket, count: int) -> None:
    """Open ``count`` connections to ``behaviour``, whose ``init`` must be a ``def``: they are open on return."""
    app = App()
    app.websocket("/", behaviour, idle_timeout=NEVER)
    site = Site(runtime, app.router, ServerConfig())
    for number in range(count):
        wire = _Sink(runtime, site.options, 0.0)
        endpoint = Endpoint(wire, site, ("127.0.0.1", number))
        wire.receiver = endpoint
        endpoint.receive(REQUEST)
