"""Serve: an app on its addresses, from the first listener until the last ``terminate`` has returned.

Rules owned here: a shutdown stops accepting at once, tells every client, and is over within ``drain_timeout``; a second
signal ends it at once; whatever ends the server, every actor's ``terminate`` runs. Must not know what a route does.
"""

from __future__ import annotations

import socket as _socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from actorws.behaviour import Websocket
from actorws.config import ServerConfig
from actorws.events import ActorCut, BackgroundCrashed, DrainTimedOut, ListenerStarted, ServerDraining
from actorws.exceptions import ConfigError
from actorws.frames import Close, CloseCode
from actorws.io import readiness
from actorws.io.poller import Poller
from actorws.observability.subscribers import Subscribers
from actorws.reasons import Shutdown
from actorws.runtime import Runtime, open_runtime
from actorws.server.app import App, Background
from actorws.server.endpoint import Endpoint
from actorws.server.listener import Listener, identity, open_tcp, open_unix, remove_unix, url_of
from actorws.server.site import Site
from actorws.server.stream_listener import StreamListener
from actorws.transports.rates import TokenBucket

__all__ = ["Served", "drain", "run_background", "say_goodbye", "serve"]

#: Turns of other tasks between the last words to clients and the end of the streams they are written to.
LAST_TURNS = 5


@frozen(eq=False)
class Served:
    """What ``serve`` reports through ``task_status`` when it accepts connections."""

    runtime: Runtime
    """To send, publish and look around with."""
    addresses: tuple[str, ...]
    """Of the listeners, such as ``http://127.0.0.1:8000``."""
    port: int | None
    """Of the first TCP listener."""
    _ending: _Ending

    def shut_down(self, code: int = CloseCode.GOING_AWAY) -> None:
        """Begin the graceful shutdown, at whose end ``serve`` returns. Again: nothing.

        ``code`` is what clients are told in Close: 1001, the server is going away; 1012, it restarts, so they should
        come back. Raises ``ValueError`` for a code that may not be sent.
        """
        frame = Close(code)
        if not self._ending.begun.is_set():
            self._ending.frame = frame
            self._ending.begun.set()


class _Ending:
    """When a server ends, and what its clients are told then."""

    def __init__(self) -> None:
        self.begun = trio.Event()
        self.frame: Close | None = None


async def serve(
    app: App | type[Websocket] | Websocket,
    *,
    host: str | None = "127.0.0.1",
    port: int | None = 8000,
    unix: str | Path | None = None,
    tls: ssl.SSLContext | None = None,
    on_event: Subscribers | None = None,
    task_status: trio.TaskStatus[Served] = trio.TASK_STATUS_IGNORED,
    **options: Any,
) -> None:
    """Serve ``app``, an ``App`` or a behaviour (at every path), until ``Served.shut_down`` or cancelled.

    ``host`` is a name or address (``None``: every address of this machine), ``port`` 0 takes a free one, ``None`` none;
    ``unix`` is the path of a Unix socket to serve as well. ``tls`` serves TCP with TLS. ``on_event``, or each if
    it is a list, is called with every event (see ``actorws.events``) instead of having them logged. ``options`` are
    those of ``ServerConfig``, by name.

    The graceful shutdown stops accepting, tells clients with Close 1001 (or 1012), runs every ``terminate`` and takes
    ``drain_timeout`` at most. Cancellation does the same without waiting for clients; an ``async def terminate`` is
    still given its ``terminate_timeout``. Raises ``OSError`` for an address that can't be had, ``ConfigError`` for a
    bad option, ``UsageError`` for a target that can't be served.
    """
    config = ServerConfig.of(**options)
    app = App.of(app)
    ending = _Ending()
    with _sockets(host, port, unix, config) as sockets:
        async with (
            open_runtime(on_event) as runtime,
            _drivers(runtime) as (drivers, poller),
            trio.open_nursery() as backgrounds,
        ):
            site = Site(runtime, app.router, config)
            accepts = _accepts(config)
            listeners = [_listen(socket, site, drivers, poller, _tls_of(socket, tls), accepts) for socket in sockets]
            addresses = tuple(url_of(socket, secure=_tls_of(socket, tls) is not None) for socket in sockets)
            ports = [socket.getsockname()[1] for socket in sockets if _is_tcp(socket)]
            for address in addresses:
                runtime.emit(ListenerStarted(address))
            for background in app.backgrounds:
                backgrounds.start_soon(run_background, background, runtime)
            task_status.started(Served(runtime, addresses, ports[0] if ports else None, ending))
            try:
                await ending.begun.wait()
                for listener in listeners:
                    listener.close()
                await drain(site, config.drain_timeout, ending.frame)
                # The time is over, also for each terminate that hasn't returned.
                runtime.hurry()
            finally:
                for listener in listeners:
                    listener.close()
                say_goodbye(runtime, ending.frame)
                backgrounds.cancel_scope.cancel()


# Parts of serve


def _is_tcp(socket: _socket.socket) -> bool:
    return socket.family in (_socket.AF_INET, _socket.AF_INET6)


def _tls_of(socket: _socket.socket, tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    return tls if _is_tcp(socket) else None


@contextmanager
def _sockets(
    host: str | None, port: int | None, unix: str | Path | None, config: ServerConfig
) -> Iterator[list[_socket.socket]]:
    """The listening sockets, closed at the end, and the file of a Unix socket removed."""
    if port is None and unix is None:
        raise ConfigError("port and unix are both None: there is nothing to listen on")
    if port is not None and (not isinstance(port, int) or not 0 <= port <= 65535):
        raise ConfigError(f"port must be 0-65535, not {port!r}")
    sockets = open_tcp(host, port, config.backlog) if port is not None else []
    owned = None
    try:
        if unix is not None:
            sockets.append(open_unix(unix, config.backlog))
            owned = unix, identity(unix)
        yield sockets
    finally:
        if owned is not None:
            remove_unix(*owned)
        for socket in sockets:
            socket.close()


@asynccontextmanager
async def _drivers(runtime: Runtime) -> AsyncIterator[tuple[trio.Nursery, Poller | None]]:
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


def _accepts(config: ServerConfig) -> TokenBucket | None:
    rate = config.max_accepts_per_second
    return None if rate is None else TokenBucket(rate, 1.0, trio.current_time())


def _listen(
    socket: _socket.socket,
    site: Site,
    nursery: trio.Nursery,
    poller: Poller | None,
    tls: ssl.SSLContext | None,
    accepts: TokenBucket | None,
) -> Listener | StreamListener:
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


async def run_background(background: Background, runtime: Runtime) -> None:
    """Run a background function of the app; what it raises is told, and ends nothing else."""
    name = getattr(background, "__name__", repr(background))
    try:
        await background(runtime)
    except Exception as error:
        runtime.emit(BackgroundCrashed(name, error))
    except BaseExceptionGroup as error:
        # Cancelled, and failed while it cleaned up.
        cancelled, failed = error.split(trio.Cancelled)
        if cancelled is None or not isinstance(failed, Exception):
            raise
        runtime.emit(BackgroundCrashed(name, failed))
        raise cancelled from None


async def drain(site: Site, timeout: float, frame: Close | None = None) -> None:
    """Let everything come to its end, within ``timeout`` seconds. Clients are told ``frame`` (default: Close 1001)."""
    runtime = site.runtime
    runtime.emit(ServerDraining(len(runtime.supervisor), timeout))
    with trio.move_on_after(timeout):
        site.drain()
        await runtime.supervisor.drain(timeout, frame=frame)
        await runtime.wait_no_wires()
    for actor in runtime.supervisor:
        runtime.emit(ActorCut(actor.conn, "terminate"))
    if runtime.wires:
        runtime.emit(DrainTimedOut(runtime.wires))


def say_goodbye(runtime: Runtime, frame: Close | None = None) -> None:
    """Tell who is left, as far as that goes without waiting."""
    runtime.supervisor.refuse_new()
    for actor in runtime.supervisor:
        actor.stop(Shutdown(), frame)
    runtime.scheduler.settle()
