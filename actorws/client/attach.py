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
from actorws.io import readiness
from actorws.io.solo import Solo
from actorws.io.stream import StreamWire, drive

if TYPE_CHECKING:
    from actorws.config import Backpressure
    from actorws.io.drivers import Drivers
    from actorws.runtime import Runtime
    from actorws.transports.contract import Receiver
    from actorws.transports.wire import Wire

__all__ = ["attach", "attach_alone"]


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
    if drivers.poller is not None and _is_plain(opened):
        socket = _taken_out_of(opened.stream)
        try:
            wire = drivers.poller.add(socket, options)
        except BaseException:
            socket.close()
            raise
        try:
            wire.receiver = make(wire)
            begin()
        except BaseException:
            wire.shut()
            raise
        _feed(wire, opened.rest, runtime)
    else:
        await drivers.nursery.start(_drive, opened, runtime, options, make, begin)


def attach_alone(
    opened: Opened,
    runtime: Runtime,
    options: Backpressure,
    make: Callable[[Wire], Receiver],
    is_waited_for: Callable[[], bool],
) -> Solo | None:
    """Have it served alone, which is quicker where it is the only one. ``None``: that can't be, and nothing was done.

    ``is_waited_for`` is as ``Solo`` has it. Raises what ``make`` raises.
    """
    if not readiness.is_supported or not _is_plain(opened):
        return None
    solo = Solo(_taken_out_of(opened.stream), runtime, options, is_waited_for)
    try:
        solo.wire.receiver = make(solo.wire)
    except BaseException:
        solo.wire.shut()
        raise
    runtime.nursery.start_soon(solo.run)
    _feed(solo.wire, opened.rest, runtime)
    return solo


def _is_plain(opened: Opened) -> bool:
    """Whether it is a socket and nothing else."""
    return opened.stream is opened.tcp and isinstance(opened.stream, trio.SocketStream)


def _taken_out_of(stream: trio.abc.Stream) -> _socket.socket:
    assert isinstance(stream, trio.SocketStream)
    socket = _socket.socket(fileno=stream.socket.detach())
    socket.setblocking(False)
    return socket


def _feed(wire: Wire, rest: bytes, runtime: Runtime) -> None:
    """Hand on what came behind the handshake."""
    try:
        if rest and wire.receiver is not None and wire.receiver.receive(rest):
            wire.read_again()
    except Exception as error:
        # As in the drivers: a fault of ours must not cost more than the connection in which it showed.
        runtime.emit(BackgroundCrashed("connection", error))
        wire.abort()


async def _drive(
    opened: Opened,
    runtime: Runtime,
    options: Backpressure,
    make: Callable[[Wire], Receiver],
    begin: Callable[[], None],
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    has_begun = False

    def start(wire: StreamWire) -> None:
        nonlocal has_begun
        begin()
        has_begun = True
        task_status.started()
        _feed(wire, opened.rest, runtime)

    try:
        await drive(opened.stream, runtime, options, make, start)
    except Exception as error:
        if not has_begun:
            raise  # to whoever waits for it to begin
        # A fault of ours must not cost more than the connection in which it showed.
        runtime.emit(BackgroundCrashed("connection", error))
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(opened.tcp)
