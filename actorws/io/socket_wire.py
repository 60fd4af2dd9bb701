"""Socket wire: one connected, non-blocking socket on the poller.

Rules owned here: a write that fails is the last one (whole frames or a dead socket); taking leave is half-closing and
dropping what still comes, so that our last frame isn't lost to a reset. How it reads stands in ``socket_input``. Must
not know what the bytes mean, nor who waits for the socket.
"""

from __future__ import annotations

import socket as _socket
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from actorws.io.readiness import READ, WRITE
from actorws.io.socket_input import EOF, EVENTS, HELD, LEAVING, SocketInput

if TYPE_CHECKING:
    from actorws.actor.scheduler import Flushable

__all__ = ["RESET", "SocketWire", "flush_all"]

#: Buffers of one ``sendmsg``; the system's IOV_MAX is 1024.
MAX_BUFFERS = 512
#: Chunks from this size on are not joined but written side by side.
LARGE = 16 * 1024
#: What ends a connection: its own trouble, the kernel's want of memory, and ours.
FAILURES = (OSError, MemoryError)
#: SO_LINGER with no time to linger: close() resets the connection.
RESET = struct.pack("ii", 1, 0)


def flush_all(wires: Sequence[Flushable]) -> None:
    """Write what is pending on each wire: the hot end of a tick, ``SocketWire.flush`` without the calls."""
    last: list[bytes] = []
    data = b""
    for wire in wires:
        if type(wire) is not SocketWire or not wire.open or wire.corked > LARGE:
            wire.flush()
            continue
        pending = wire.pending
        wire.pending = None
        if pending:
            try:
                if len(pending) == 1:
                    data = pending[0]
                elif pending != last:
                    # Members of a group mostly have the same output (as objects, so comparing them is quick).
                    data = b"".join(pending)
                last = pending
                sent = wire.socket.send(data)
            except BlockingIOError:
                sent = 0
            except FAILURES:
                wire.broken()
                continue
            if sent != len(data):
                wire.cut_short([data], sent)


class SocketWire(SocketInput):
    """One connected socket."""

    __slots__ = ()

    # Writing

    def flush(self) -> None:
        pending = self.pending
        self.pending = None
        if not pending or self.fd < 0:
            return
        if self.queue is not None:
            self.put_all(pending)
            return
        try:
            sent = self.socket.sendmsg(pending[:MAX_BUFFERS])
        except BlockingIOError:
            sent = 0
        except FAILURES:
            self.broken()
            return
        self.cut_short(pending, sent)

    def broken(self) -> None:
        """A write failed. The next read, which is sure to come, tells: epoll always reports a broken connection."""
        self._drop_output()
        if self.fd >= 0:
            self._watch(READ, 0)
        try:
            # For where it was the system that failed, not the connection (ENOBUFS, ENOMEM): then it is broken now.
            self.socket.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass  # it was

    def cut_short(self, left: list[bytes], sent: int) -> None:
        """A write was cut short, or may have been."""
        try:
            while left and sent >= len(left[0]):
                sent -= len(left[0])
                left = left[1:]
            if left:
                self.block(memoryview(left[0] if len(left) == 1 else b"".join(left))[sent:])
                self._watch(self._flags & READ, WRITE)
            elif self._flags & LEAVING:
                self._shutdown()
        except MemoryError:
            self.broken()

    def writable(self) -> None:
        """The kernel takes more of what waits."""
        if self.rest is None:
            return
        rest: memoryview | None = self.rest
        try:
            while rest is not None:
                sent = self.socket.send(rest)
                self.last_seen = self._poller.tick_began
                rest = rest[sent:] if sent < len(rest) else self.next_batch()
        except BlockingIOError:
            pass
        except FAILURES:
            self.broken()
            return
        self.rest = rest
        if rest is None:
            self._watch(READ, 0)
            self.unblock()
            if self._flags & LEAVING and self.pending is None:
                self._shutdown()

    def _drop_output(self) -> None:
        """Whole frames or a dead socket: after a failed write nothing more is written."""
        self.open = False
        self.pending = self.rest = self.queue = None

    # Interest

    def update(self) -> None:
        self._watch(READ, self._flags & WRITE)
        if self._flags & HELD and not self.paused:
            self.read_again()

    def _watch(self, read: int, write: int) -> None:
        wanted = write
        if not self._flags & EOF and (self._flags & LEAVING or not self.paused):
            wanted |= read
        if wanted != self._flags & EVENTS and (fd := self.fd) >= 0:
            self._flags = self._flags & ~EVENTS | wanted
            self._poller.set_events(fd, wanted)

    # The end

    def close(self) -> None:
        if self._flags & LEAVING or self.fd < 0:
            return
        self._flags |= LEAVING
        self.open = False
        is_written = self.pending is None and self.rest is None
        if is_written and self._flags & EOF:
            self.shut()
            return
        self.update()
        if is_written:
            self._shutdown()

    def _shutdown(self) -> None:
        """Everything was written: say so, and wait for the peer to do the same."""
        if self._flags & EOF:
            self.shut()
            return
        try:
            self.socket.shutdown(_socket.SHUT_WR)
        except OSError:
            self.shut()

    def abort(self) -> None:
        if self.fd >= 0:
            self._drop_output()
            self.socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, RESET)
            self.shut()

    def shut(self) -> None:
        fd = self.fd
        if fd < 0:
            return
        self.open = False
        self.socket.close()
        self._poller.forget(fd)
        self._gone()

    def give_away(self) -> None:
        """Another process has the socket too, and goes on with it, unseen by the peer. The receiver gets ``closed``."""
        self.open = False
        self._poller.release(self.fd)
        self.socket.close()
        self._gone()

    def _gone(self) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.closed()
        self.runtime.wire_closed()
