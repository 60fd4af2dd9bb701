"""Listener: sockets that accept connections, on TCP and Unix addresses.

Rules owned here: an address that can't be had is told at once, by an ``OSError`` that names it; the system's refusal to
accept (no descriptors, no memory) pauses accepting and never ends it. Must not know what is done with a connection.
"""

from __future__ import annotations

import errno
import os
import socket as _socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from actorws.actor.timers import Expirable
from actorws.events import AcceptFailed

if TYPE_CHECKING:
    from actorws.io.poller import Poller
    from actorws.runtime import Runtime

__all__ = ["Listener", "identity", "open_tcp", "open_unix", "remove_unix", "url_of"]

#: Connections accepted in one tick, so that a storm of them doesn't hold up those that are open.
ACCEPTS = 64
#: Seconds without accepting after the system refused to give a connection.
PAUSE = 0.1
#: Out of descriptors or memory: the connection stays in the queue, so trying again at once would spin.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
#: A machine without IPv6 still has such addresses in its tables: of several addresses of a host these may be missing.
ABSENT = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


def open_tcp(host: str | None, port: int, backlog: int | None) -> list[_socket.socket]:
    """Listen on every address of ``host`` (``None``: all of this machine). Port 0: one free port for all of them.

    Raises ``OSError`` with the address in it; nothing is left open then.
    """
    try:
        found = _socket.getaddrinfo(host, port, type=_socket.SOCK_STREAM, flags=_socket.AI_PASSIVE)
    except _socket.gaierror as error:
        raise OSError(error.errno, f"{error.strerror}: {_written(str(host), port)}") from None
    sockets: list[_socket.socket] = []
    missing: OSError | None = None
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            if sockets and port == 0:
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            try:
                sockets.append(_listen_tcp(family, kind, protocol, address, backlog))
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                missing = error
    except BaseException:
        for socket in sockets:
            socket.close()
        raise
    if not sockets and missing is not None:
        raise missing
    return sockets


def _listen_tcp(
    family: int, kind: int, protocol: int, address: tuple[object, ...], backlog: int | None
) -> _socket.socket:
    try:
        socket = _socket.socket(family, kind, protocol)
        try:
            socket.setblocking(False)
            if os.name == "posix":
                # A restarted server gets its port back at once. (Elsewhere the option means something else.)
                socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            if family == _socket.AF_INET6:
                socket.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
            # Inherited by accepted sockets on Linux: output leaves once per tick, so there is nothing to wait for.
            socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            socket.bind(address)
            socket.listen(_socket.SOMAXCONN if backlog is None else backlog)
        except BaseException:
            socket.close()
            raise
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {_written(str(address[0]), address[1])}") from None
    return socket


def _written(host: str, port: object) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_unix(path: str | Path, backlog: int | None) -> _socket.socket:
    """Listen on a Unix socket; one that a dead server left behind is replaced. Raises ``OSError`` with the path."""
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    socket.setblocking(False)
    try:
        _remove_stale(path)
        socket.bind(os.fspath(path))
        socket.listen(_socket.SOMAXCONN if backlog is None else backlog)
    except OSError as error:
        socket.close()
        raise OSError(error.errno, f"{error.strerror or error}: {path}") from None
    return socket


def _remove_stale(path: str | Path) -> None:
    """Remove the socket file of a server that is gone: one that refuses connections."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            os.unlink(path)
        except BlockingIOError:
            pass  # alive, and so busy that its backlog is full


def identity(path: str | Path) -> tuple[int, int]:
    """Tells a file from another one that has come into its place."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def remove_unix(path: str | Path, owned: tuple[int, int]) -> None:
    """Remove the file of a Unix socket, unless another server has put its own there since."""
    with suppress(OSError):
        if identity(path) == owned:
            os.unlink(path)


def url_of(socket: _socket.socket, *, secure: bool) -> str:
    """The address as people and programs write it."""
    if socket.family not in (_socket.AF_INET, _socket.AF_INET6):
        return f"unix:{socket.getsockname()}"
    host, port = socket.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{_written(host, port)}"


class Listener(Expirable):
    """Accepts on one socket, in the poller's tick."""

    def __init__(
        self,
        socket: _socket.socket,
        poller: Poller,
        runtime: Runtime,
        on_accept: Callable[[_socket.socket, tuple[str, int] | str], None],
    ) -> None:
        self._socket = socket
        self._poller = poller
        self._runtime = runtime
        self._on_accept = on_accept
        self._inherits_nodelay = socket.family not in (_socket.AF_INET, _socket.AF_INET6) or os.uname()[0] == "Linux"
        poller.listen(socket, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._rest(error)
                    return
                continue  # the client has gone already (ECONNABORTED and the like, accept(2))
            connection.setblocking(False)
            if not self._inherits_nodelay:
                with suppress(OSError):  # the client has gone already
                    connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            self._on_accept(connection, address[:2] if isinstance(address, tuple) else "")

    def _rest(self, error: OSError) -> None:
        self._poller.unlisten(self._socket)
        self._runtime.emit(AcceptFailed(error, PAUSE))
        self._runtime.wheel.schedule(self, PAUSE)

    def expire(self, now: float) -> None:
        """The pause is over."""
        self._poller.listen(self._socket, self._accept)

    def close(self) -> None:
        """Accept no more."""
        self._runtime.wheel.cancel(self)
        self._poller.unlisten(self._socket)
        self._socket.close()
