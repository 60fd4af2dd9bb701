"""Drivers: what moves the bytes of a server: the poller where there can be one, a task for each stream elsewhere.

Rule owned here: drivers live until the last words to clients were written. Must not know what is served.
"""

from __future__ import annotations

import socket as _socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from actorws.io import readiness
from actorws.io.poller import Poller
from actorws.runtime import Runtime
from actorws.server.endpoint import Endpoint
from actorws.server.listener import Listener
from actorws.server.site import Site
from actorws.server.stream_listener import StreamListener
from actorws.transports.rates import TokenBucket

__all__ = ["listen", "open_drivers"]

#: Turns of other tasks between the last words to clients and the end of the streams they are written to.
LAST_TURNS = 5


@asynccontextmanager
async def open_drivers(runtime: Runtime) -> AsyncIterator[tuple[trio.Nursery, Poller | None]]:
    """A nursery for the tasks of streams, and the poller, where the platform has one."""
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        drivers, poller = await nursery.start(_run_drivers, runtime, scope)
        # Shielded: cancelled with the rest they would be gone before the listeners are, and before anyone is told
        # goodbye. Not earlier: a start that is cancelled would wait for them for ever. And not if they are already.
        await trio.lowlevel.checkpoint_if_cancelled()
        scope.shield = True
        try:
            yield drivers, poller
        finally:
            with trio.CancelScope(shield=True):
                # Not to wait for anyone, but to let each stream's writer take its turn with our last words.
                for _ in range(LAST_TURNS):
                    await trio.lowlevel.checkpoint()
            scope.cancel()


async def _run_drivers(
    runtime: Runtime, scope: trio.CancelScope, *, task_status: trio.TaskStatus[tuple[trio.Nursery, Poller | None]]
) -> None:
    with scope:
        async with trio.open_nursery() as nursery:
            poller = Poller(runtime) if readiness.is_supported else None
            if poller is not None:
                nursery.start_soon(poller.run)
            task_status.started((nursery, poller))
            await trio.sleep_forever()


def listen(
    socket: _socket.socket,
    site: Site,
    nursery: trio.Nursery,
    poller: Poller | None,
    tls: ssl.SSLContext | None,
    accepts: TokenBucket | None,
) -> Listener | StreamListener:
    """Accept on ``socket``, on the poller if that can be. ``accepts`` limits the rate."""
    if poller is not None and tls is None:
        return Listener(socket, poller, site.runtime, partial(_attach, site, poller), accepts)
    return StreamListener(socket, site, nursery, tls, accepts)


def _attach(site: Site, poller: Poller, socket: _socket.socket, address: tuple[str, int] | str) -> None:
    """Serve an accepted socket on the poller."""
    wire = poller.add(socket, site.options)
    try:
        wire.receiver = Endpoint(wire, site, address)
    except BaseException:
        wire.shut()
        raise
