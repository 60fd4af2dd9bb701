"""Serve: an app on its addresses, from the first listener until the last ``terminate`` has returned.

Rules owned here: a shutdown stops accepting at once, tells every client, and is over within ``drain_timeout``; a second
signal ends it at once; whatever ends the server, every actor's ``terminate`` runs. Must not know what a route does.
"""

from __future__ import annotations

import socket as _socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import trio
from attrs import frozen

from actorws.behaviour import Websocket
from actorws.cluster.engine import Engine
from actorws.config import ServerConfig
from actorws.events import BackgroundCrashed, ListenerStarted
from actorws.exceptions import ConfigError, UsageError
from actorws.frames import Close, CloseCode
from actorws.io.drivers import open_drivers
from actorws.observability.logs import log_events
from actorws.observability.subscribers import Subscribers, to_all
from actorws.runtime import Runtime, open_runtime
from actorws.server.app import App, Background
from actorws.server.handover import open_handover
from actorws.server.lifespan import open_lifespans
from actorws.server.listener import Listener, identity, open_tcp, open_unix, remove_unix, url_of
from actorws.server.listening import listen
from actorws.server.mount import open_mounts
from actorws.server.shutdown import drain, say_goodbye
from actorws.server.site import Site
from actorws.server.stream_listener import StreamListener
from actorws.transports.rates import TokenBucket

__all__ = ["Served", "run_background", "serve"]


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
    _listen: Callable[[_socket.socket], Callable[[], None]]

    def accept_on(self, socket: _socket.socket) -> Callable[[], None]:
        """Accept on one more listening socket, until what this returns is called; that closes it.

        Not to be begun any more when the shutdown has.
        """
        return self._listen(socket)

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
    sockets: Sequence[_socket.socket] | None = None,
    cluster: str | Engine | None = None,
    messages: Literal["checked", "any"] = "checked",
    siblings: Path | None = None,
    task_status: trio.TaskStatus[Served] = trio.TASK_STATUS_IGNORED,
    **options: Any,
) -> None:
    """Serve ``app``, an ``App`` or a behaviour (at every path), until ``Served.shut_down`` or cancelled.

    ``host`` is a name or address (``None``: every address of this machine), ``port`` 0 takes a free one, ``None`` none;
    ``unix`` is the path of a Unix socket to serve as well. ``tls`` serves TCP with TLS. ``on_event``, or each if
    it is a list, is called with every event (see ``actorws.events``) instead of having them logged. ``sockets`` listen
    already (non-blocking); they are served, and closed at the end, instead of what ``host``, ``port`` and ``unix`` say.
    ``cluster`` is the URL of a Redis or Valkey server by which the names and groups of this process and others are one
    (see ``actorws.cluster``), or an engine; ``messages="any"``, without a cluster, lets actors send each other whatever
    they like, as it is.
    ``siblings`` is the folder by which several processes that serve the same addresses hand over connections to each
    other (see ``run_worker``).
    ``options`` are those of ``ServerConfig``, by name.

    The graceful shutdown stops accepting, tells clients with Close 1001 (or 1012), runs every ``terminate`` and takes
    ``drain_timeout`` at most. Cancellation does the same without waiting for clients; an ``async def terminate`` is
    still given its ``terminate_timeout``. Raises ``EngineUnavailable`` if the cluster can't be
    reached, ``OSError`` for an address that can't be had, ``ConfigError`` for a bad option, ``UsageError`` for a target
    that can't be served, or a mounted app whose startup failed.
    """
    config = ServerConfig.of(**options)
    app = App.of(app)
    engine = engine_of(cluster)
    types = types_of(app, messages, engine)
    emit = log_events() if on_event is None else to_all(on_event)
    ending = _Ending()
    with _sockets(host, port, unix, config) if sockets is None else _closing(sockets) as sockets:
        async with (
            open_lifespans(app.mounts, emit) as state_of,
            open_runtime(emit, engine=engine, messages=types) as runtime,
            open_mounts(runtime, state_of, config.handler_timeout) as mounts,
            open_drivers(runtime) as drivers,
            trio.open_nursery() as backgrounds,
        ):
            site = Site(runtime, app.router, config, mounts)
            site.handover = open_handover(site, siblings, drivers.poller)
            accepts = _accepts(config)
            listeners: list[Listener | StreamListener] = []

            def accept_on(socket: _socket.socket) -> Callable[[], None]:
                listener = listen(socket, site, drivers, _tls_of(socket, tls), accepts)
                listeners.append(listener)

                def close() -> None:
                    if listener in listeners:
                        listeners.remove(listener)
                        listener.close()

                return close

            for socket in sockets:
                accept_on(socket)
            addresses = tuple(url_of(socket, secure=_tls_of(socket, tls) is not None) for socket in sockets)
            ports = [socket.getsockname()[1] for socket in sockets if _is_tcp(socket)]
            for address in addresses:
                runtime.emit(ListenerStarted(address))
            for background in app.backgrounds:
                backgrounds.start_soon(run_background, background, runtime)
            task_status.started(Served(runtime, addresses, ports[0] if ports else None, ending, accept_on))
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
                if site.handover is not None:
                    site.handover.close()
                say_goodbye(runtime, ending.frame)
                backgrounds.cancel_scope.cancel()


# Parts of serve


def engine_of(cluster: str | Engine | None) -> Engine | None:
    """The engine for a URL. Raises ``ConfigError`` for a bad one, or if what it needs isn't installed."""
    if not isinstance(cluster, str):
        return cluster
    try:
        from actorws.cluster.redis import RedisEngine
    except ModuleNotFoundError as error:
        raise ConfigError(f"a cluster needs {error.name}: pip install 'actorws[cluster]'") from None
    return RedisEngine(cluster)


def types_of(app: App, messages: str, engine: Engine | None) -> list[tuple[type, str]] | None:
    """The classes of messages for ``open_runtime``. Raises ``ConfigError`` for a bad word, or "any" in a cluster."""
    if messages not in ("checked", "any"):
        raise ConfigError(f"messages must be 'checked' or 'any', not {messages!r}")
    if messages == "checked":
        return app.message_types()
    if engine is not None and not engine.alone:
        raise ConfigError("messages='any' is for one process alone: between nodes they have to be encoded")
    return None


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


@contextmanager
def _closing(sockets: Sequence[_socket.socket]) -> Iterator[Sequence[_socket.socket]]:
    try:
        yield sockets
    finally:
        for socket in sockets:
            socket.close()


def _accepts(config: ServerConfig) -> TokenBucket | None:
    rate = config.max_accepts_per_second
    return None if rate is None else TokenBucket(rate, 1.0, trio.current_time())


async def run_background(background: Background, runtime: Runtime) -> None:
    """Run a background function of the app; what it raises is told, and ends nothing else."""
    name = getattr(background, "__name__", repr(background))
    try:
        await background(runtime)
    except Exception as error:
        if not (runtime.supervisor.draining and isinstance(error, UsageError)):
            # (That nothing more is connected to, now that the server goes away, is no crash.)
            runtime.emit(BackgroundCrashed(name, error))
    except BaseExceptionGroup as error:
        # Cancelled, and failed while it cleaned up.
        cancelled, failed = error.split(trio.Cancelled)
        if cancelled is None or not isinstance(failed, Exception):
            raise
        runtime.emit(BackgroundCrashed(name, failed))
        raise cancelled from None
