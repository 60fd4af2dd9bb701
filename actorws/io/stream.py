"""Stream driver: one connection over any ``trio.abc.Stream``: TLS, memory streams, sockets where there is no poller.

Rules owned here: a write that fails or is cut ends the connection (whole frames or a dead stream); the stream is closed on
every path. Costs a reader and a writer task per connection. Must not know what the bytes mean.
"""

from __future__ import annotations

import socket as _socket
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import trio

from actorws.events import BackgroundCrashed
from actorws.io.poller import READ_SIZE, RESET
from actorws.transports.contract import Receiver
from actorws.transports.wire import Wire

if TYPE_CHECKING:
    from actorws.config import Backpressure
    from actorws.runtime import Runtime

__all__ = ["StreamWire", "drive"]

#: What trio's streams raise when the connection is gone.
GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


async def drive(
    stream: trio.abc.Stream, runtime: Runtime, options: Backpressure, attach: Callable[[StreamWire], Receiver]
) -> None:
    """Serve ``stream`` until the connection is over, then close it. ``attach`` makes the receiver for the wire.

    Cancelled, it resets the connection. Raises nothing for what a peer or the network does.
    """
    wire = StreamWire(stream, runtime, options)
    wire.receiver = attach(wire)
    try:
        with wire.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wire.write_all)
                await wire.read_all()
    except* GONE:
        pass
    finally:
        wire.shut()
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)


class StreamWire(Wire):
    """One stream, between a reader and a writer task."""

    buffers_itself: ClassVar[bool] = True

    __slots__ = ("_again", "_eof", "_leaving", "_news", "_output", "_stream", "_writing", "scope")

    def __init__(self, stream: trio.abc.Stream, runtime: Runtime, options: Backpressure) -> None:
        super().__init__(runtime, options, trio.current_time())
        self._stream = stream
        self.scope = trio.CancelScope()
        #: Set when the reader may go on; a new one is made each time it has to wait.
        self._news = trio.Event()
        #: The same for the writer.
        self._output = trio.Event()
        self._writing: memoryview | None = None
        self._again = self._eof = self._leaving = False

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
            try:
                data = await self._stream.receive_some(READ_SIZE)
            except GONE as error:
                self._lost(error)
                return
            self.last_seen = trio.current_time()
            if not data:
                self._eof = True
            if not self._leaving:
                self._hand_on(bytes(data))
        while not (self._leaving and self._all_written()):
            await self._wait_for_news()
        self.scope.cancel()

    def _hand_on(self, data: bytes) -> None:
        receiver = self.receiver
        if receiver is None:
            return
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
            try:
                await self._stream.send_all(self._writing)
            except GONE as error:
                self._lost(error)
                return
            self.last_seen = trio.current_time()
            self._written()

    def _written(self) -> None:
        self._writing = self.rest = self.next_batch()
        if self._writing is None and self.queue is not None:
            self.unblock()
        if self._writing is None and self.pending:
            self.flush()

    async def _finish(self) -> None:
        """Everything is written: say so, if the stream can, and let the reader see the peer do the same."""
        # Of TLS the TCP below is half-closed: closing it with unread input could take our last frame with it.
        stream = self._stream.transport_stream if isinstance(self._stream, trio.SSLStream) else self._stream
        if isinstance(stream, trio.abc.HalfCloseableStream):
            try:
                await stream.send_eof()
            except GONE:
                self.scope.cancel()
            self._news.set()
        else:
            self.scope.cancel()

    def _all_written(self) -> bool:
        return self._writing is None and not self.pending

    # Called by the transport

    def flush(self) -> None:
        pending = self.pending
        if pending is None:
            return
        self.pending = None
        self.corked = 0
        data = memoryview(pending[0] if len(pending) == 1 else b"".join(pending))
        if self._writing is None:
            self._writing = data
            self._output.set()
        else:
            # A write is in progress: from now on chunks wait in the queue, these first.
            self.block(memoryview(b""))
            assert self.queue is not None
            self.queue.put(bytes(data), len(data))

    def update(self) -> None:
        self._news.set()

    def read_again(self) -> None:
        self._again = True
        self._news.set()

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
        under = getattr(self._stream, "transport_stream", self._stream)
        if isinstance(under, trio.SocketStream):
            under.socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, RESET)
        self.scope.cancel()
        self.shut()

    def _drop_output(self) -> None:
        """Whole frames or a dead stream: after a failed write nothing more is written."""
        self.open = False
        self.pending = self.rest = self.queue = self._writing = None

    def shut(self) -> None:
        """The stream is over: the receiver is told, once."""
        self.open = False
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.ended(None)
            receiver.closed()
            self.runtime.wire_closed()

