"""Stream listener: accepts on a socket whose connections need the stream driver: TLS, or a platform without a poller.

Rules owned here: TLS and the first request's head have one deadline together, and a handshake that fails costs its
connection only. Must not know what is done with a connection.
"""

from __future__ import annotations

import socket as _socket
import ssl
from contextlib import suppress

import trio

from actorws.events import AcceptFailed, AcceptsPaused, BackgroundCrashed, HandshakeTimedOut
from actorws.io.stream import BelowTls, StreamWire, drive
from actorws.server.endpoint import Endpoint
from actorws.server.listener import ACCEPTS, PAUSE, as_oserror, is_exhaustion
from actorws.server.site import Site
from actorws.transports.rates import TokenBucket

__all__ = ["StreamListener"]


class StreamListener:
    """Accepts on one socket, in a task of its own, and gives each connection another."""

    def __init__(
        self,
        socket: _socket.socket,
        site: Site,
        nursery: trio.Nursery,
        tls: ssl.SSLContext | None,
        accepts: TokenBucket | None = None,
    ) -> None:
        """``accepts``: tokens of which each connection takes one, shared by all listeners of a server."""
        self._accepts = accepts
        self._site = site
        self._nursery = nursery
        self._tls = tls
        self._socket = trio.socket.from_stdlib_socket(socket)
        self._scope = trio.CancelScope()
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        with self._scope:
            failed = 0
            while True:
                if self._accepts is not None:
                    await self._wait_turn(self._accepts)
                try:
                    connection, address = await self._socket.accept()
                except (OSError, MemoryError) as error:
                    failed += 1  # in a row: as `Listener` does
                    if is_exhaustion(error) or failed >= ACCEPTS:
                        self._site.runtime.emit(AcceptFailed(as_oserror(error), PAUSE))
                        await trio.sleep(PAUSE)
                    continue
                failed = 0
                if self._accepts is not None:
                    self._accepts.take(1, trio.current_time())
                self._nursery.start_soon(self._serve, connection, address)

    async def _wait_turn(self, accepts: TokenBucket) -> None:
        """Wait until another connection may be accepted; told only if there is one."""
        if accepts.take(0, trio.current_time()):
            await trio.lowlevel.wait_readable(self._socket)
            while pause := accepts.take(0, trio.current_time()):
                self._site.runtime.emit(AcceptsPaused(pause))
                await trio.sleep(pause)

    async def _serve(self, connection: trio.socket.SocketType, address: tuple[str, int] | str) -> None:
        deadline = trio.current_time() + self._site.config.handshake_timeout
        try:
            tcp = trio.SocketStream(connection)
            stream: trio.abc.Stream = tcp
            remote = address[:2] if isinstance(address, tuple) else ""
            if self._tls is not None:
                secure = trio.SSLStream(BelowTls(tcp), self._tls, server_side=True)
                if not await self._handshake(secure, deadline, remote):
                    return
                stream = secure
            await serve_stream(stream, self._site, remote, deadline - trio.current_time())
        except Exception as error:
            # A fault of ours must not cost more than the connection in which it showed.
            self._site.runtime.emit(BackgroundCrashed("connection", error))
        finally:
            connection.close()

    async def _handshake(
        self, stream: trio.SSLStream[BelowTls], deadline: float, remote: tuple[str, int] | str
    ) -> bool:
        """Whether there is a secure connection to serve now."""
        with trio.move_on_at(deadline) as scope, suppress(trio.BrokenResourceError):
            await stream.do_handshake()
            return not self._site.draining
        if scope.cancelled_caught:
            self._site.runtime.emit(HandshakeTimedOut(str(remote)))
        return False

    def close(self) -> None:
        """Accept no more."""
        self._scope.cancel()
        self._socket.close()


async def serve_stream(
    stream: trio.abc.Stream, site: Site, address: tuple[str, int] | str = "", patience: float | None = None
) -> None:
    """Serve one stream as if it had been accepted, until the connection is over.

    ``patience``: seconds for the first request's head (default: the option ``handshake_timeout``).
    """

    def attach(wire: StreamWire) -> Endpoint:
        return Endpoint(wire, site, address, patience)

    await drive(stream, site.runtime, site.options, attach)
