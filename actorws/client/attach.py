"""Attach: a connection that was opened, on a runtime's drivers.

Rule owned here: from here on the drivers own it and close it, whatever happens. Must not know what receives its bytes.
"""

from __future__ import annotations

import socket as _socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from actorws.client.opening import Opened
from actorws.events import BackgroundCrashed
from actorws.io.stream import StreamWire, drive

if TYPE_CHECKING:
    from actorws.config import Backpressure
    from actorws.io.drivers import Drivers
    from actorws.runtime import Runtime
    from actorws.transports.contract import Receiver
    from actorws.transports.wire import Wire

__all__ = ["attach"]


async def attach(
    opened: Opened,
    runtime: Runtime,
    drivers: Drivers,
    options: Backpressure,
    make: Callable[[Wire], Receiver],
    begin: Callable[[], None],
) -> None:
    """Have ``drivers`` serve it. ``make`` makes its receiver; then, once, ``begin`` is called: bytes may come.

    Raises what these raise, and ``OSError`` where the system has no room for one more; it is closed then.
    """
    if drivers.poller is not None and opened.stream is opened.tcp and isinstance(opened.stream, trio.SocketStream):
        wire = drivers.poller.add(_taken_out_of(opened.stream), options)
        try:
            wire.receiver = make(wire)
            begin()
        except BaseException:
            wire.shut()
            raise
        feed(wire, opened.rest)
    else:
        await drivers.nursery.start(_drive, opened, runtime, options, make, begin)


def _taken_out_of(stream: trio.SocketStream) -> _socket.socket:
    socket = _socket.socket(fileno=stream.socket.detach())
    socket.setblocking(False)
    return socket


def feed(wire: Wire, rest: bytes) -> None:
    """Hand on what came behind the handshake."""
    if rest and wire.receiver is not None and wire.receiver.receive(rest):
        wire.read_again()


async def _drive(
    opened: Opened,
    runtime: Runtime,
    options: Backpressure,
    make: Callable[[Wire], Receiver],
    begin: Callable[[], None],
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    def make_and_tell(wire: StreamWire) -> Receiver:
        return make(wire)

    def start(wire: StreamWire) -> None:
        begin()
        task_status.started()
        feed(wire, opened.rest)

    try:
        await drive(opened.stream, runtime, options, make_and_tell, start)
    except Exception as error:
        # A fault of ours must not cost more than the connection in which it showed.
        runtime.emit(BackgroundCrashed("connection", error))
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(opened.tcp)
