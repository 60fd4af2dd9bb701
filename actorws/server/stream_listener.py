"""Stream listener: accepts on a socket whose connections need the stream driver: TLS, or a platform without a poller.

Rules owned here: the TLS handshake has its deadline, and a failed one costs its connection only. Must not know what is
done with a connection.
"""

from __future__ import annotations

import socket as _socket
import ssl
from contextlib import suppress

import trio

from actorws.events import AcceptFailed, BackgroundCrashed
from actorws.io.stream import BelowTls, StreamWire, drive
from actorws.server.endpoint import Endpoint, Site
from actorws.server.listener import EXHAUSTED, PAUSE

__all__ = ["StreamListener"]


class StreamListener:
    """Accepts on one socket, in a task of its own, and gives each connection another."""

    def __init__(self, socket: _socket.socket, site: Site, nursery: trio.Nursery, tls: ssl.SSLContext | None) -> None:
        self._site = site
        self._nursery = nursery
        self._tls = tls
        self._socket = trio.socket.from_stdlib_socket(socket)
        self._scope = trio.CancelScope()
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        with self._scope:
            while True:
                try:
                    connection, address = await self._socket.accept()
                except OSError as error:
                    if error.errno in EXHAUSTED:
                        self._site.runtime.emit(AcceptFailed(error, PAUSE))
                        await trio.sleep(PAUSE)
                    continue
                self._nursery.start_soon(self._serve, connection, address)

    async def _serve(self, connection: trio.socket.SocketType, address: tuple[str, int] | str) -> None:
        try:
            tcp = trio.SocketStream(connection)
            stream: trio.abc.Stream = tcp
            if self._tls is not None:
                secure = trio.SSLStream(BelowTls(tcp), self._tls, server_side=True)
                if not await self._handshake(secure):
                    return
                stream = secure
            await serve_stream(stream, self._site, address[:2] if isinstance(address, tuple) else "")
        except Exception as error:
            # A fault of ours must not cost more than the connection in which it showed.
            self._site.runtime.emit(BackgroundCrashed("connection", error))
        finally:
            connection.close()

    async def _handshake(self, stream: trio.SSLStream[BelowTls]) -> bool:
        """Whether there is a secure connection to serve now."""
        with trio.move_on_after(self._site.config.handshake_timeout), suppress(trio.BrokenResourceError):
            await stream.do_handshake()
            return not self._site.draining
        return False

    def close(self) -> None:
        """Accept no more."""
        self._scope.cancel()
        self._socket.close()


async def serve_stream(stream: trio.abc.Stream, site: Site, address: tuple[str, int] | str = "") -> None:
    """Serve one stream as if it had been accepted, until the connection is over."""

    def attach(wire: StreamWire) -> Endpoint:
        return Endpoint(wire, site, address)

    await drive(stream, site.runtime, site.options, attach)
