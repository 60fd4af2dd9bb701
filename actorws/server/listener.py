"""Listener: sockets that accept connections, on TCP and Unix addresses.

Rules owned here: an address that can't be had is told at once, by an ``OSError`` that names it; the system's refusal to
accept (no descriptors, no memory), or more connections in a second than are wanted, pause accepting and never end it.
Must not know what is done with a connection.
"""

from __future__ import annotations

import errno
import os
import socket as _socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from actorws.actor.timers import Expirable
from actorws.events import AcceptFailed, AcceptsPaused

if TYPE_CHECKING:
    from actorws.io.poller import Poller
    from actorws.runtime import Runtime
    from actorws.transports.rates import TokenBucket

__all__ = ["Listener", "accepting_on", "identity", "open_tcp", "open_unix", "remove_unix", "url_of"]

#: Connections accepted in one tick, so that a storm of them doesn't hold up those that are open.
ACCEPTS = 64
#: Seconds without accepting after the system refused to give a connection.
PAUSE = 0.1
#: Out of descriptors or memory: the connection stays in the queue, so trying again at once would spin.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
#: A machine without IPv6 still has such addresses in its tables: of several addresses of a host these may be missing.
ABSENT = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


def is_exhaustion(error: OSError | MemoryError) -> bool:
    """Whether it is the system that has no room for one more connection, not the client that has gone."""
    return isinstance(error, MemoryError) or error.errno in EXHAUSTED


def as_oserror(error: OSError | MemoryError) -> OSError:
    """``error`` as the system would tell it."""
    return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) if isinstance(error, MemoryError) else error


def open_tcp(host: str | None, port: int, backlog: int | None, *, reuse_port: bool = False) -> list[_socket.socket]:
    """Listen on every address of ``host`` (``None``: all of this machine). Port 0: one free port for all of them.

    ``reuse_port``: others of this user may do the same; where the system can (Linux), each gets its share of the
    connections. Raises ``OSError`` with the address in it; nothing is left open then.
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
                sockets.append(_listen_tcp(family, kind, protocol, address, backlog, reuse_port))
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
    family: int, kind: int, protocol: int, address: tuple[object, ...], backlog: int | None, reuse_port: bool
) -> _socket.socket:
    try:
        socket = _socket.socket(family, kind, protocol)
        try:
            socket.setblocking(False)
            if os.name == "posix":
                # A restarted server gets its port back at once. (Elsewhere the option means something else.)
                socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            if reuse_port:
                socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEPORT, 1)
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


def accepting_on(socket: _socket.socket) -> Callable[[], tuple[_socket.SocketType, Any]]:
    """``socket.accept`` without its enums and the class around each socket: 4 us instead of 6, 48 bytes instead of 96.

    Of a subclass it is its own.
    """
    if type(socket) is not _socket.socket:
        return socket.accept
    family, kind, protocol = int(socket.family), int(socket.type), socket.proto

    def accept() -> tuple[_socket.SocketType, Any]:
        fd, address = socket._accept()  # type: ignore[attr-defined]  # what `socket.accept` itself calls
        try:
            return _socket.SocketType(family, kind, protocol, fd), address
        except BaseException:
            _socket.close(fd)
            raise

    return accept


class Listener(Expirable):
    """Accepts on one socket, in the poller's tick."""

    def __init__(
        self,
        socket: _socket.socket,
        poller: Poller,
        runtime: Runtime,
        on_accept: Callable[[_socket.SocketType, tuple[str, int] | str], None],
        accepts: TokenBucket | None = None,
    ) -> None:
        """``accepts``: tokens of which each connection takes one, shared by all listeners of a server."""
        self._socket = socket
        self._accept_one = accepting_on(socket)
        self._poller = poller
        self._runtime = runtime
        self._on_accept = on_accept
        self._accepts = accepts
        self._inherits_nodelay = socket.family not in (_socket.AF_INET, _socket.AF_INET6) or os.uname()[0] == "Linux"
        poller.listen(socket, self._accept)
        poller.on_shortage.append(self._rest)

    def _accept(self) -> None:
        accepts = self._accepts
        if accepts is not None and (pause := accepts.take(0, trio.current_time())):
            self._pause(AcceptsPaused(pause))
            return
        if not self._poller.has_memory():
            # What there is, is needed for those who are in.
            self._rest(MemoryError())
            return
        failed = 0
        for _ in range(ACCEPTS):
            try:
                connection, address = self._accept_one()
            except BlockingIOError:
                return
            except (OSError, MemoryError) as error:
                # Mostly the client has gone already (ECONNABORTED and the like, accept(2)). But an error that stays,
                # whatever it is, must not become a loop.
                failed += 1
                if is_exhaustion(error) or failed == ACCEPTS:
                    self._fail(error)
                    return
                continue
            try:
                self._take(connection, address[:2] if isinstance(address, tuple) else "")
            except (OSError, MemoryError) as error:
                # No memory for one more, or no room among those that the poller watches.
                connection.close()
                self._fail(error)
                return
            if accepts is not None and accepts.take(1, trio.current_time()):
                return  # if there is another one, it comes back here, and waits

    def _take(self, connection: _socket.SocketType, address: tuple[str, int] | str) -> None:
        connection.setblocking(False)
        if not self._inherits_nodelay:
            with suppress(OSError):  # the client has gone already
                connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self._on_accept(connection, address)

    def _fail(self, error: OSError | MemoryError) -> None:
        if isinstance(error, MemoryError):
            self._poller.shortage(error)  # which tells all listeners
        else:
            self._rest(error)

    def _rest(self, error: OSError | MemoryError) -> None:
        self._pause(AcceptFailed(as_oserror(error), PAUSE))

    def _pause(self, event: AcceptFailed | AcceptsPaused) -> None:
        self._poller.unlisten(self._socket)
        self._runtime.emit(event)
        self._runtime.wheel.schedule(self, event.pause)

    def expire(self, now: float) -> None:
        """The pause is over."""
        self._poller.listen(self._socket, self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._rest in self._poller.on_shortage:
            self._poller.on_shortage.remove(self._rest)
        self._runtime.wheel.cancel(self)
        self._poller.unlisten(self._socket)
        self._socket.close()
