"""Listening: which driver accepts on a socket.

Rule owned here: plain sockets are accepted on the poller where there is one, all else by a task each. Must not know
what is served.
"""

from __future__ import annotations

import socket as _socket
import ssl
from functools import partial
from typing import TYPE_CHECKING

from actorws.server.endpoint import Endpoint
from actorws.server.listener import Listener
from actorws.server.site import Site
from actorws.server.stream_listener import StreamListener

if TYPE_CHECKING:
    from actorws.io.drivers import Drivers
    from actorws.io.poller import Poller
    from actorws.transports.rates import TokenBucket

__all__ = ["listen"]


def listen(
    socket: _socket.socket,
    site: Site,
    drivers: Drivers,
    tls: ssl.SSLContext | None,
    accepts: TokenBucket | None,
) -> Listener | StreamListener:
    """Accept on ``socket``, on the poller if that can be. ``accepts`` limits the rate."""
    if drivers.poller is not None and tls is None:
        return Listener(socket, drivers.poller, site.runtime, partial(_attach, site, drivers.poller), accepts)
    return StreamListener(socket, site, drivers.nursery, tls, accepts)


def _attach(site: Site, poller: Poller, socket: _socket.SocketType, address: tuple[str, int] | str) -> None:
    """Serve an accepted socket on the poller."""
    wire = poller.add(socket, site.options)
    try:
        wire.receiver = Endpoint(wire, site, address)
    except BaseException:
        wire.shut()
        raise
