"""Solo: one socket where there is no crowd that a poller would pay for.

Rules owned here: whoever waits for what comes reads it himself, in his own task; while nobody does, a task is there to
do it. As the poller has it: one read a turn, then everything that came of it is written. For the wire this is its
poller. Must not know what the bytes mean.

(That the waiting task reads saves the switch to another one: a third of what an echo costs a client.)
"""

from __future__ import annotations

import socket as _socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from actorws.events import BackgroundCrashed
from actorws.io.readiness import READ, WRITE
from actorws.io.socket_input import SocketInput
from actorws.io.socket_wire import SocketWire, flush_all

if TYPE_CHECKING:
    from actorws.config import Backpressure
    from actorws.runtime import Runtime

__all__ = ["Solo"]

T = TypeVar("T")

#: Seconds after which the socket is looked after when nobody reads any more: longer than most pauses between two
#: messages, shorter than anyone at the other end could take for silence.
GRACE: Final = 0.05


class Solo:
    """The driver of one socket. ``run`` has to run."""

    def __init__(
        self, socket: _socket.socket, runtime: Runtime, options: Backpressure, is_waited_for: Callable[[], bool]
    ) -> None:
        """``is_waited_for``: whether anyone waits for what comes, without leading. Owns ``socket``."""
        #: The runtime's clock at the begin of this turn.
        self.tick_began = trio.current_time()
        self._runtime = runtime
        runtime.scheduler.flush_all = flush_all
        self._socket = socket
        self._is_waited_for = is_waited_for
        self._events = READ
        #: Whether the wire holds something back for the next turn.
        self._again = False
        self._changed = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        #: Whether another's task reads, or ours does.
        self._is_led = self._is_kept = False
        #: How often others have, and when that ended last.
        self._led = 0
        self._led_until = -GRACE
        #: Where our task waits: for a moment, or until the one who leads now leaves.
        self._nap = trio.lowlevel.ParkingLot()
        self._rest = trio.lowlevel.ParkingLot()
        self.wire = SocketWire(socket, runtime, options, self)

    # From the wire

    def set_events(self, fd: int, events: int) -> None:
        """Watch for other events."""
        self._events = events
        self._look_again()

    def read_again(self, wire: SocketInput) -> None:
        """Go on with what the last read left."""
        self._again = True
        self._look_again()

    def _look_again(self) -> None:
        self._changed.unpark_all()
        trio.lowlevel.notify_closing(self._socket)

    def shortage(self, error: MemoryError) -> None:
        """There was no memory. Nobody else is here to be given up for it."""

    def forget(self, fd: int) -> None:
        """The wire has closed the socket."""
        self._scope.cancel()
        self._changed.unpark_all()
        # Whoever leads is in a task of its own.
        trio.lowlevel.notify_closing(fd)

    release = forget

    # From whoever waits

    @property
    def may_be_led(self) -> bool:
        """Whether nobody reads."""
        return not self._is_led and not self._is_kept

    async def lead(self) -> None:
        """Wait for what comes and take one turn, or return because something has changed. If ``may_be_led``."""
        self._is_led = True
        try:
            await self._turn()
        finally:
            self._is_led = False
            self._led += 1
            self._led_until = self.tick_began
            if self._rest:
                self._rest.unpark_all()
            if self._is_waited_for():
                self.look_after()

    def look_after(self) -> None:
        """Somebody begins to wait who doesn't lead."""
        self._led_until = -GRACE
        self._nap.unpark_all()

    def at_once(self, send: Callable[[T], None], what: T) -> None:
        """Call ``send``, which leaves output, and write it."""
        scheduler = self._runtime.scheduler
        scheduler.ticking = True
        try:
            send(what)
        finally:
            self._settle()

    # The tasks

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Look after the socket until the connection is over or this is cancelled; then it is closed."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    await self._keep()
        finally:
            self.wire.shut()

    async def _keep(self) -> None:
        while True:
            if self._is_led:
                led = self._led
                with trio.move_on_after(GRACE):
                    await self._nap.park()
                if self._is_led and self._led == led:
                    # Who leads waits for long: so do we.
                    await self._rest.park()
            elif trio.current_time() < self._led_until + GRACE and not self._is_waited_for():
                with trio.move_on_at(self._led_until + GRACE):
                    await self._nap.park()
            else:
                self._is_kept = True
                try:
                    await self._turn()
                finally:
                    self._is_kept = False
                # Who gets what came may lead from now on.
                self._led_until = self.tick_began

    async def _turn(self) -> None:
        if self._again:
            await trio.lowlevel.checkpoint()
            self._again = False
            self._tick(self.wire.readable_again)
        elif self._events & READ and self.wire.fd >= 0:
            if await _is_ready(trio.lowlevel.wait_readable, self._socket):
                self._tick(self.wire.readable)
        else:
            await self._changed.park()

    @trio.lowlevel.enable_ki_protection
    async def _write(self) -> None:
        while True:
            if self._events & WRITE:
                if await _is_ready(trio.lowlevel.wait_writable, self._socket):
                    self._tick(self.wire.writable)
            else:
                await self._changed.park()

    @trio.lowlevel.enable_ki_protection
    def _tick(self, step: Callable[[], None]) -> None:
        self.tick_began = trio.current_time()
        self._runtime.scheduler.ticking = True
        try:
            step()
        except Exception as error:
            # A fault of ours: the connection ends, and nothing else.
            self._runtime.emit(BackgroundCrashed("connection", error))
            self.wire.fail()
        finally:
            self._settle()

    def _settle(self) -> None:
        scheduler = self._runtime.scheduler
        try:
            more = scheduler.settle()
        finally:
            scheduler.ticking = False
        if more:
            scheduler.wake()


async def _is_ready(wait: Callable[[_socket.socket], Awaitable[None]], socket: _socket.socket) -> bool:
    try:
        await wait(socket)
    except trio.ClosedResourceError:
        return False  # woken, to look again
    return True
