"""Stream driver: one connection over any ``trio.abc.Stream``: TLS, memory streams, sockets where there is no poller.

Rules owned here: a write that fails or is cut ends the connection (whole frames or a dead stream); the stream is closed
on every path. Costs a reader and a writer task per connection. Must not know what the bytes mean.
"""

from __future__ import annotations

import socket as _socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

import trio

from actorws.events import BackgroundCrashed
from actorws.io.readiness import is_readable
from actorws.io.socket_input import READ_SIZE
from actorws.io.socket_wire import RESET
from actorws.transports.contract import Receiver
from actorws.transports.wire import Wire

if TYPE_CHECKING:
    from actorws.config import Backpressure
    from actorws.runtime import Runtime

__all__ = ["BelowTls", "StreamWire", "drive"]

#: Bytes of one ``send_all``: by each that returns a slow peer shows that it is there.
SLICE = 64 * 1024
#: What trio's streams raise when the connection is gone.
GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


async def drive(
    stream: trio.abc.Stream,
    runtime: Runtime,
    options: Backpressure,
    attach: Callable[[StreamWire], Receiver],
    begin: Callable[[StreamWire], None] | None = None,
) -> None:
    """Serve ``stream`` until the connection is over, then close it. ``attach`` makes the receiver for the wire.

    ``begin`` is called when the wire has its receiver, before anything is read. Cancelled, it resets the connection.
    Raises nothing for what a peer or the network does.
    """
    wire = StreamWire(stream, runtime, options)
    wire.receiver = attach(wire)
    try:
        if begin is not None:
            begin(wire)
        with wire.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wire.write_all)
                await wire.read_all()
    except* GONE:
        pass
    finally:
        wire.shut()
        with trio.CancelScope(shield=True), suppress(*GONE):
            await trio.aclose_forcefully(stream)


class BelowTls(trio.abc.Stream):
    """The socket below a ``trio.SSLStream``: closed by TLS, it ends our side only; whoever made the socket closes it.

    So the peer gets close_notify, then FIN, and may finish what it is sending: closing TCP with unread input would
    reset the connection, and could take our last frame with it.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.send_eof()


class StreamWire(Wire):
    """One stream, between a reader and a writer task."""

    buffers_itself: ClassVar[bool] = True

    __slots__ = (
        "_again",
        "_eof",
        "_finished",
        "_leaving",
        "_news",
        "_output",
        "_reading",
        "_stream",
        "_writing",
        "scope",
    )

    def __init__(self, stream: trio.abc.Stream, runtime: Runtime, options: Backpressure) -> None:
        super().__init__(runtime, options, trio.current_time())
        self._stream = stream
        self.scope = trio.CancelScope()
        #: Set when the reader may go on; a new one is made each time it has to wait.
        self._news = trio.Event()
        #: The same for the writer.
        self._output = trio.Event()
        self._writing: memoryview | None = None
        #: While the reader waits for bytes.
        self._reading: trio.CancelScope | None = None
        self._again = self._eof = self._leaving = self._finished = False

    # The reader task

    @trio.lowlevel.enable_ki_protection
    async def read_all(self) -> None:
        """Read until the peer has finished or the wire is shut."""
        while not self._eof:
            while self.paused and not self._leaving:
                await self._wait_for_news()
            if self._again and not self._leaving:
                self._again = False
                self._hand_on(b"")
                await trio.lowlevel.checkpoint()
                continue
            failure: Exception | None = None
            # Only reading is given up: what is read by then is handed on.
            with trio.CancelScope() as self._reading:
                try:
                    data = await self._stream.receive_some(READ_SIZE)
                except GONE as error:
                    # Handled below: in here it would be the context of whatever a `terminate` raises.
                    failure = error.with_traceback(None)
            given_up, self._reading = self._reading.cancelled_caught, None
            if given_up:
                continue
            if failure is not None and self._finished:
                await self._drop_input()
                break
            if failure is not None:
                self._lost(failure)
                return
            if not self._leaving:
                # Told to leave, it shows that it is there by what it takes: else it could stay by what it sends.
                self.last_seen = trio.current_time()
            if not data:
                self._eof = True
            while data and self.paused and not self._leaving:
                # Paused while it was being read: the actor has no room for it yet.
                await self._wait_for_news()
            if not self._leaving:
                self._hand_on(bytes(data))
        while not (self._leaving and self._all_written()):
            await self._wait_for_news()
        self.scope.cancel()

    async def _drop_input(self) -> None:
        """TLS is over, from our side: what the peer still sends is of no interest, its FIN is."""
        try:
            while await self._under.receive_some(READ_SIZE):
                pass
        except GONE:
            pass

    def _hand_on(self, data: bytes) -> None:
        receiver = self.receiver
        if receiver is None:
            return
        self.runtime.engine.check_lease()
        try:
            if self._eof:
                receiver.ended(None)
            elif receiver.receive(data):
                self._again = True
        except Exception as error:
            # A fault of ours must not cost more than the connection in which it showed.
            self.runtime.emit(BackgroundCrashed("connection", error))
            self.abort()

    async def _wait_for_news(self) -> None:
        self._news = trio.Event()
        await self._news.wait()

    def _lost(self, error: Exception) -> None:
        receiver = self.receiver
        self._drop_output()
        if receiver is not None and not self._leaving:
            receiver.ended(OSError(str(error)))
        self.scope.cancel()

    # The writer task

    @trio.lowlevel.enable_ki_protection
    async def write_all(self) -> None:
        """Write what there is, whenever there is something."""
        while True:
            if self._writing is None:
                if self._leaving:
                    await self._finish()
                    return
                self._output = trio.Event()
                await self._output.wait()
                continue
            failure: Exception | None = None
            try:
                await self._stream.send_all(self._writing[:SLICE])
            except GONE as error:
                failure = error.with_traceback(None)
            if failure is not None:
                self._lost(failure)
                return
            if self.paused or self.queue is not None:
                # Not read from, or slow to take what it gets, it shows that it is there by what it takes. (Else only
                # by what it sends: that the kernel has taken our ping says nothing of the peer.)
                self.last_seen = trio.current_time()
            self._written()

    def _written(self) -> None:
        if self._writing is not None and len(self._writing) > SLICE:
            self._writing = self.rest = self._writing[SLICE:]
            return
        self._writing = self.rest = self.next_batch()
        if self._writing is None and self.queue is not None:
            self.unblock()
        if self._writing is None and self.pending:
            self.flush()

    async def _finish(self) -> None:
        """Everything is written: say so, if the stream can, and let the reader see the peer do the same."""
        under, self._finished = self._under, True
        try:
            if isinstance(under, BelowTls):
                await self._stream.aclose()
            elif isinstance(under, trio.abc.HalfCloseableStream):
                await under.send_eof()
            else:
                self.scope.cancel()
        except GONE:
            self.scope.cancel()
        self._news.set()

    @property
    def _under(self) -> trio.abc.Stream:
        """What carries the stream."""
        return self._stream.transport_stream if isinstance(self._stream, trio.SSLStream) else self._stream

    @property
    def is_secure(self) -> bool:
        """Whether it is TLS."""
        return isinstance(self._stream, trio.SSLStream)

    @property
    def socket(self) -> trio.socket.SocketType | None:
        """The socket at the bottom, if there is one."""
        under = self._under.stream if isinstance(self._under, BelowTls) else self._under
        return under.socket if isinstance(under, trio.SocketStream) else None

    def _all_written(self) -> bool:
        return self._writing is None and not self.pending

    # Called by the transport

    def flush(self) -> None:
        try:
            self._flush()
        except MemoryError:
            # This may run inside a callback, so the receiver is not told here: `drive` does that.
            self._drop_output()
            self.scope.cancel()

    def _flush(self) -> None:
        pending = self.pending
        self.pending = None
        self.corked = 0
        if not pending:
            return
        if self.queue is None and self._writing is not None:
            # A write is in progress: from now on chunks wait, these first.
            self.block(self._writing)
        if self.queue is not None:
            self.put_all(pending)
        else:
            self._writing = self.rest = memoryview(pending[0] if len(pending) == 1 else b"".join(pending))
            self._output.set()
            if len(self._writing) > self.options.high_water_mark:
                self.block(self._writing)

    def update(self) -> None:
        self._news.set()

    def has_input(self) -> bool:
        tcp = self.socket
        return not self.paused and tcp is not None and tcp.fileno() >= 0 and is_readable(tcp.fileno())

    def read_again(self) -> None:
        self._again = True
        self._news.set()
        if self._reading is not None:
            # What is held back isn't to wait for what may never come.
            self._reading.cancel()

    def close(self) -> None:
        if self._leaving:
            return
        self._leaving = True
        self.open = False
        self._news.set()
        if self._writing is None and self.pending is None:
            self._output.set()
        elif self.pending is not None:
            self.flush()

    def abort(self) -> None:
        self._drop_output()
        tcp = self.socket
        if tcp is not None and tcp.fileno() >= 0:
            tcp.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, RESET)
        self.scope.cancel()
        self.shut()

    def _drop_output(self) -> None:
        """Whole frames or a dead stream: after a failed write nothing more is written."""
        self.open = False
        self.pending = self.rest = self.queue = self._writing = None

    def shut(self) -> None:
        self.scope.cancel()
        self.open = False
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.ended(None)
            receiver.closed()
            self.runtime.wire_closed()
