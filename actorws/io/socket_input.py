"""Socket input: the reading half of a socket on the poller.

Rules owned here: one read a turn, as small as what mostly comes, and straight into a large payload where one is being
gathered; what a receiver holds back comes before anything that is read. Must not know what the bytes mean, nor how the
other half writes and ends.
"""

from __future__ import annotations

import socket as _socket
from typing import TYPE_CHECKING

from actorws.io.readiness import READ, WRITE, has_broken, is_readable
from actorws.transports.wire import Wire

if TYPE_CHECKING:
    from actorws.config import Backpressure
    from actorws.io.watcher import Watcher
    from actorws.runtime import Runtime
    from actorws.transports.contract import Receiver

__all__ = ["EOF", "EVENTS", "HELD", "LEAVING", "READ_SIZE", "SMALL_READ", "SocketInput"]

#: Bytes of one read. 64 KiB of tiny frames are the most that one connection may put between two others.
READ_SIZE = 64 * 1024
#: And of one that finds little, as most do: a block of CPython's own, not of malloc (0.1 us less of an echo's 9), which
#: it mostly has where there is no memory for more.
SMALL_READ = 448
#: Bytes of one read straight into a large payload, which costs nothing but the copy.
GATHER_SIZE = 256 * 1024
#: What there is to know of a wire, in one number: first, which events are watched.
EVENTS = READ | WRITE
#: Frames that the receiver holds back come before anything that is read. They wait for the next tick (``QUEUED``), or
#: for the end of a pause (``HELD``): then they cost no tick.
QUEUED, HELD = 8, 16
#: The peer has sent all it will. We are taking leave: what still comes is dropped.
EOF, LEAVING = 32, 64
#: Reads find little: see ``SMALL_READ``.
LITTLE = 128
#: All that has to be just ``READ`` where a read is a read, of whatever size, and whether output waits or not.
OF_READING = ~(WRITE | LITTLE)


class SocketInput(Wire):
    """What ``SocketWire`` reads with."""

    __slots__ = ("_flags", "_poller", "socket")

    def __init__(self, socket: _socket.SocketType, runtime: Runtime, options: Backpressure, poller: Watcher) -> None:
        super().__init__(runtime, options, poller.tick_began)
        self.socket = socket
        self._poller = poller
        self._flags = READ

    @property
    def fd(self) -> int:
        """The socket's descriptor, -1 when it was closed. (Kept, the number would take 40 bytes.)"""
        return self.socket.fileno()

    def expect_little(self) -> None:
        self._flags |= LITTLE

    def readable(self) -> None:
        """Read once and hand it on. The hot path: nothing special about the wire, one read, one call."""
        receiver = self.receiver
        if self._flags & OF_READING != READ or receiver is None or receiver.gathering:
            self._read_otherwise()
            return
        try:
            data: bytes | None = self.socket.recv(SMALL_READ if self._flags & LITTLE else READ_SIZE)
        except BlockingIOError:
            return
        except (OSError, MemoryError) as error:
            # Handled below: in here it would be the context of whatever a `terminate` raises.
            data, failure = None, error.with_traceback(None)
        if data:
            self.last_seen = self._poller.tick_began
            if receiver.receive(data):
                self.read_again()
            if len(data) == SMALL_READ or len(data) == READ_SIZE:
                self._adapt(receiver)
        elif data is not None:
            self._finished()
        elif isinstance(failure, OSError):
            self._lost(failure)
        else:
            self._read_little(receiver)

    def _adapt(self, receiver: Receiver) -> None:
        """There is more than usual, and so there will be: reads are large from now on.

        But where most of it is read straight into its place, what comes before that had better be little: it is copied.
        """
        self._flags &= ~LITTLE
        if receiver is self.receiver and receiver.gathering and self._flags & OF_READING == READ:
            with receiver.room() as room:
                is_large = len(room) >= READ_SIZE // 2
            if is_large:
                self._flags |= LITTLE
                self._gather(receiver)

    def _read_little(self, receiver: Receiver) -> None:
        """As ``readable``, out of memory. Raises ``MemoryError`` for who is not in yet, and where that is too much.

        Each of those would take more of what is left, which is kept for the others.
        """
        if not receiver.settled:
            raise MemoryError
        self._poller.shortage(MemoryError())
        data = self.socket.recv(SMALL_READ)
        if not data:
            self._finished()
            return
        self.last_seen = self._poller.tick_began
        if receiver.receive(data):
            self.read_again()

    def _read_otherwise(self) -> None:
        receiver = self.receiver
        if receiver is None:
            return
        if self.paused or self._flags & LEAVING:
            self._not_reading()
        elif not self._flags & (QUEUED | HELD):
            self._gather(receiver)

    def _gather(self, receiver: Receiver) -> None:
        """Read straight into a large payload."""
        room = receiver.room()
        try:
            size = self.socket.recv_into(room, min(len(room), GATHER_SIZE))
        except BlockingIOError:
            return
        except OSError as error:
            size, failure = -1, error.with_traceback(None)
        finally:
            room.release()
        if size < 0:
            self._lost(failure)
            return
        if not size:
            self._finished()
            return
        self.last_seen = self._poller.tick_began
        if receiver.filled(size):
            self.read_again()

    def readable_again(self) -> None:
        """Go on with what the last read left."""
        self._flags &= ~(QUEUED | HELD)
        if self.receiver is None or self._flags & LEAVING:
            return
        if self.paused:
            self._flags |= HELD
        elif self.receiver.receive(b""):
            self.read_again()

    def _not_reading(self) -> None:
        """Ready although nothing is to be read: the connection broke, or what comes is to be dropped."""
        try:
            data: bytes | None = self.socket.recv(READ_SIZE, 0 if self._flags & LEAVING else _socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError as error:
            data, failure = None, error.with_traceback(None)
        if data is None:
            self._lost(failure)
        elif not data:
            self._finished()
        elif not self._flags & LEAVING and has_broken(self.fd):
            # Else it was ready when the turn began, and was paused since: by what a write of its own, or another
            # socket, has led to.
            self._lost(ConnectionResetError("the connection broke while it was not read from"))

    def _finished(self) -> None:
        self._flags |= EOF
        if self._flags & LEAVING:
            self.shut()
            return
        assert self.receiver is not None
        self.receiver.ended(None)
        # Behind it: mostly that was the end, and there is nothing to watch any more.
        self.update()

    def _lost(self, error: OSError) -> None:
        receiver = self.receiver
        self._drop_output()
        # Nothing more comes, so that `close` closes, and waits for nobody.
        self._flags |= EOF
        if receiver is not None and not self._flags & LEAVING:
            receiver.ended(error)
        self.shut()

    def fail(self) -> None:
        """Something of ours went wrong: the peer is gone, as far as the receiver is told."""
        self._lost(ConnectionAbortedError("internal error"))

    def has_input(self) -> bool:
        return not self.paused and is_readable(self.fd)

    def read_again(self) -> None:
        if not self._flags & QUEUED:
            self._flags = self._flags & ~HELD | QUEUED
            self._poller.read_again(self)

    def _drop_output(self) -> None:
        """Write nothing more."""
        raise NotImplementedError
