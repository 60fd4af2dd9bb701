"""What an idle WebSocket takes of this process: the bytes of its objects and of its places in all tables."""

from __future__ import annotations

import gc
import socket
import tracemalloc
from contextlib import ExitStack
from itertools import count

from actorws import App, Runtime, open_runtime
from actorws.config import ServerConfig
from actorws.io.poller import Poller
from actorws.server.endpoint import Endpoint
from actorws.server.site import Site
from tests.support.serving import Echo
from tests.support.wire import handshake

#: As many as a few descriptors allow, so that what is there once doesn't count.
CONNECTIONS = 400
#: Bytes, beside those of the socket and of what CPython's allocator rounds up. When this was written it was 593.
MOST = 650


def opened(runtime: Runtime, poller: Poller, site: Site, ports: count[int]) -> socket.socket:
    """The client's side of a WebSocket, once its handshake is done."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    slim = socket.SocketType(ours.family, ours.type, ours.proto, ours.detach())
    wire = poller.add(slim, site.options)
    wire.receiver = Endpoint(wire, site, ("127.0.0.1", next(ports)))
    theirs.sendall(handshake())
    wire.readable()
    runtime.scheduler.settle()
    return theirs


async def test_an_idle_websocket_takes_less_than_that() -> None:
    app, ports = App(), count(10_000)
    app.websocket("/", Echo)
    async with open_runtime(lambda event: None) as runtime:
        with ExitStack() as stack:
            poller = Poller(runtime)
            stack.callback(poller._close)
            site = Site(runtime, app.router, ServerConfig())
            clients = [opened(runtime, poller, site, ports)]
            stack.callback(lambda: [client.close() for client in clients])
            tracemalloc.start()
            stack.callback(tracemalloc.stop)
            before = server_bytes()
            for _ in range(CONNECTIONS):
                clients.append(opened(runtime, poller, site, ports))
            taken = (server_bytes() - before) / CONNECTIONS
    assert len(site.forms) == 1
    assert taken < MOST


def server_bytes() -> int:
    """What the package's own code has allocated since tracing began, and is still there."""
    gc.collect()
    found = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/actorws/*")])
    return sum(statistic.size for statistic in found.statistics("filename"))
