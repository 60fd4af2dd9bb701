"""Poller: all plain sockets of a runtime, served by one task.

Rules owned here: one tick reads from every ready socket, lets the receivers run, settles the run queue and writes once
per connection that has output; a connection gets at most one read (``READ_SIZE``, or 256 frames) of a tick; other
trio tasks get their turn at least every few ms. An idle connection costs no task and no system call.
Must not know what the bytes mean.

A descriptor of epoll (or kqueue) can itself be waited for, so trio stays in charge: when nothing is ready the task
waits in ``wait_readable``, which is a checkpoint by itself (one per tick would cost a tenth of an echo).
"""

from __future__ import annotations

import socket as _socket
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

import trio

from actorws.events import BackgroundCrashed
from actorws.io.allocator import keep_freed_memory
from actorws.io.crowd import Crowd
from actorws.io.readiness import READ, WRITE, Readiness
from actorws.io.reserve import Reserve
from actorws.io.socket_input import SocketInput
from actorws.io.socket_wire import SocketWire, flush_all

if TYPE_CHECKING:
    from actorws.config import Backpressure
    from actorws.runtime import Runtime

__all__ = ["Poller"]

#: Sockets of one tick.
MAX_EVENTS = 512
#: Seconds after which a tick that finds more and more work lets other trio tasks run.
TURN = 0.004


class Poller:
    """The task that serves sockets, and the table of what they belong to."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._readiness = Readiness()
        runtime.scheduler.flush_all = flush_all
        # A list takes 8 bytes of a descriptor, a dict 40, and it need not be hashed.
        self._by_fd: list[SocketWire | _Listener | None] = []
        self._crowd = Crowd(runtime, self._renew)
        # Wires whose last read left complete frames for the next tick.
        self._again: list[SocketInput] = []
        #: Told when there was no memory for a connection: whoever can stop taking more of them.
        self.on_shortage: list[Callable[[MemoryError], None]] = []
        self._reserve = Reserve()
        #: The runtime's clock at the begin of this tick.
        self.tick_began = trio.current_time()

    def add(self, socket: _socket.SocketType, options: Backpressure) -> SocketWire:
        """Serve a connected, non-blocking socket. The wire owns it; set its ``receiver`` before the next tick.

        Raises ``OSError`` or ``MemoryError`` where the system has no room for it; the socket is the caller's then.
        """
        fd = socket.fileno()
        self._watch(fd)
        wire = self._by_fd[fd] = SocketWire(socket, self._runtime, options, self)
        self._crowd.came()
        return wire

    def _watch(self, fd: int) -> None:
        """Make room in the table, then watch ``fd``: either may fail (no memory), and leaves nothing behind then."""
        by_fd = self._by_fd
        while fd >= len(by_fd):
            by_fd.append(None)
        self._readiness.add(fd, READ)

    def listen(self, socket: _socket.SocketType, on_ready: Callable[[], None]) -> None:
        """Call ``on_ready`` when ``socket``, which listens, has connections to accept."""
        fd = socket.fileno()
        self._watch(fd)
        self._by_fd[fd] = _Listener(on_ready)

    def unlisten(self, socket: _socket.SocketType) -> None:
        """Watch a listening socket no more. It stays open."""
        fd = socket.fileno()
        if 0 <= fd < len(self._by_fd) and self._by_fd[fd] is not None:
            self._by_fd[fd] = None
            self._readiness.remove(fd)

    def _wake(self) -> None:
        """Have the task go round again, if it waits. (A cancel scope around each wait would cost an echo a tenth.)"""
        trio.lowlevel.notify_closing(self._readiness.fileno())

    def set_events(self, fd: int, events: int) -> None:
        """Watch a descriptor for other events."""
        self._readiness.change(fd, events)

    def forget(self, fd: int) -> None:
        """A wire has closed its socket."""
        self._by_fd[fd] = None
        self._readiness.closed(fd)
        self._crowd.left()

    def release(self, fd: int) -> None:
        """A wire is about to close its socket, which stays open in another process: what epoll watches is that."""
        self._readiness.remove(fd)
        self._by_fd[fd] = None
        self._crowd.left()

    def _renew(self) -> None:
        """Make anew what lives from one tick to the next, outside of a tick."""
        by_fd = self._by_fd
        while by_fd and by_fd[-1] is None:
            by_fd.pop()
        self._again = list(self._again)
        self.tick_began = trio.current_time()
        self._wake()

    def read_again(self, wire: SocketInput) -> None:
        """Go on with a wire in the next tick: its last read holds more complete frames."""
        self._again.append(wire)
        self._wake()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Serve until cancelled; then reset every connection that is left."""
        scheduler, engine, poll = self._runtime.scheduler, self._runtime.engine, self._readiness.poll
        clock = trio.lowlevel.current_clock().current_time
        keep_freed_memory()
        turn_ends = 0.0
        try:
            while True:
                events = poll(0, MAX_EVENTS)
                if events or self._again:
                    scheduler.ticking = True
                    self.tick_began = clock()
                    if self.tick_began >= engine.lease_ends:
                        # This process may have been frozen: nobody may act for a name that is another's by now.
                        engine.check_lease()
                    try:
                        self._tick(events)
                        more = scheduler.settle()
                    finally:
                        scheduler.ticking = False
                    if more:
                        scheduler.wake()
                    if perf_counter() > turn_ends:
                        await trio.lowlevel.checkpoint()
                        turn_ends = perf_counter() + TURN
                else:
                    try:
                        await trio.lowlevel.wait_readable(self._readiness.fileno())
                    except trio.ClosedResourceError:
                        pass  # woken by _wake
                    turn_ends = perf_counter() + TURN
        finally:
            self._close()

    def _tick(self, events: list[tuple[int, int]]) -> None:
        again, self._again = self._again, []
        by_fd = self._by_fd
        for fd, ready in events:
            entry = by_fd[fd]
            if entry is None:
                continue
            try:
                if ready & WRITE:
                    entry.writable()
                if ready != WRITE:
                    entry.readable()
            except Exception as error:
                self._failed(entry, error)
        for wire in again:
            try:
                wire.readable_again()
            except Exception as error:
                self._failed(wire, error)

    def _failed(self, entry: SocketInput | _Listener, error: Exception) -> None:
        """A fault of ours must not cost more than the connection in which it showed."""
        if isinstance(error, MemoryError) and self.on_shortage:
            # No traceback, which takes memory too: a crowd that wants more than there is would fill the log.
            self.shortage(error)
        else:
            self._runtime.emit(BackgroundCrashed("connection", error))
        entry.fail()

    def shortage(self, error: MemoryError) -> None:
        """There was no memory: what is kept for that is for those who are in, and nobody else is let in meanwhile."""
        self._reserve.give_up()
        for tell in self.on_shortage:
            tell(error)

    def has_memory(self) -> bool:
        """Whether there is memory for more connections."""
        return self._reserve.has_room()

    def _close(self) -> None:
        for entry in list(self._by_fd):
            if entry is not None:
                entry.shut()
        self._readiness.close()
        self._reserve.give_up()


class _Listener:
    """A listening socket in the table."""

    __slots__ = ("_on_ready",)

    def __init__(self, on_ready: Callable[[], None]) -> None:
        self._on_ready = on_ready

    def readable(self) -> None:
        self._on_ready()

    def writable(self) -> None:
        """Never asked for."""

    def fail(self) -> None:
        """Accepting goes on."""

    def shut(self) -> None:
        """Whoever made the socket closes it."""
