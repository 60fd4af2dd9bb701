"""Wire: the output side of a connection, which the drivers share.

Rules owned here: output of one tick is gathered and leaves in one write; what the kernel doesn't take waits, bounded in
bytes; whole frames or nothing: a frame that is dropped was not begun. Must not know sockets (drivers do), nor what
the bytes mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from actorws.actor.bounded import BoundedQueue, Offered, done_for
from actorws.config import Backpressure, OverflowPolicy
from actorws.conn import SendStatus

if TYPE_CHECKING:
    from actorws.runtime import Runtime
    from actorws.transports.contract import Receiver

__all__ = ["CORK", "MAILBOX", "OUTPUT", "RATE", "Wire"]

#: Reasons not to read from a peer.
MAILBOX: Final = 1
OUTPUT: Final = 2
RATE: Final = 4

#: Bytes that may gather in a tick before they are written at once: corking saves system calls, not memory.
CORK = 64 * 1024
#: Bytes that a chunk costs which waits, beside its own: of tiny frames 16 MiB would take 700. So many of the limit make
#: one chunk that may wait; and so many may in any case.
CHUNK_COST, FEW_CHUNKS = 128, 1000
#: Bytes of waiting chunks that are joined for one write.
BATCH = 256 * 1024


class Wire:
    """One connection's output. Subclassed by the drivers, which write and read."""

    #: Whether output waits for a write in progress although the peer may be quick: up to the high-water mark that is
    #: no backpressure.
    buffers_itself: ClassVar[bool] = False

    # One per connection; read and written by the hot path directly.
    __slots__ = (
        "corked",
        "last_seen",
        "open",
        "options",
        "paused",
        "pending",
        "queue",
        "receiver",
        "rest",
        "runtime",
        "stressed",
    )

    def __init__(self, runtime: Runtime, options: Backpressure, now: float) -> None:
        #: Set by whoever makes the wire, before anything can come; ``None`` when the wire is gone.
        self.receiver: Receiver | None = None
        self.runtime = runtime
        runtime.wire_opened()
        self.options = options
        #: When the peer last gave a sign of life, by the runtime's clock.
        self.last_seen = now
        #: Whether a chunk may simply be appended to ``pending``: nothing waits, and nothing has ended.
        self.open = True
        #: Chunks of this tick; ``None`` if there are none, and then the wire isn't in ``scheduler.dirty``.
        self.pending: list[bytes] | None = None
        #: Bytes in ``pending``, as far as they are counted: small single frames are not, a tick is bounded anyway.
        self.corked = 0
        #: What a write began and the kernel didn't take.
        self.rest: memoryview | None = None
        #: Whole chunks behind ``rest``.
        self.queue: BoundedQueue[bytes] | None = None
        #: Whether ``handle_drain`` is owed: a frame had to wait or found no room, or the high-water mark was passed.
        self.stressed = False
        #: Why the peer is not read from, as a set of bits; 0: it is.
        self.paused = 0

    @property
    def buffered(self) -> int:
        """Bytes that the kernel has not taken."""
        size = sum(map(len, self.pending)) if self.pending else 0
        if self.rest is not None:
            size += len(self.rest)
        if self.queue is not None:
            size += self.queue.bytes
        return size

    def takes_more(self) -> bool:
        """Whether a chunk would not have to wait for the peer. If it would, ``drained`` is sure to be called."""
        if self.queue is None or (self.buffers_itself and self.buffered <= self.options.high_water_mark):
            return True
        self.stressed = True
        return False

    # Writing

    def write(self, chunk: bytes) -> None:
        """Add a chunk that must not be lost (control frames, HTTP) to this tick's write."""
        if self.queue is not None:
            self._let_pending_wait()
            self.queue.put(chunk, len(chunk))
            # Else a client that takes no pongs, and goes on with its pings, would have them pile up here.
            self._check_mark(self.buffered)
        else:
            self.cork(chunk)

    def cork(self, chunk: bytes) -> None:
        """Add a chunk to this tick's write; nothing waits."""
        pending = self.pending
        if pending is None:
            self.pending = [chunk]
            self.corked = len(chunk)
            scheduler = self.runtime.scheduler
            scheduler.dirty.append(self)
            if not scheduler.ticking:
                scheduler.wake()
        else:
            pending.append(chunk)
            self.corked += len(chunk)
        if self.corked > CORK:
            self._uncork()

    def _uncork(self) -> None:
        """Write before the tick ends. The list stays the same: an actor may hold it as its outlet."""
        outlet = self.pending
        assert outlet is not None
        self.pending = outlet[:]
        outlet.clear()
        self.flush()
        self.corked = 0
        if self.pending is None and self.receiver is not None:
            self.pending = outlet

    def offer(self, chunks: tuple[bytes, ...], subject: object) -> tuple[SendStatus, str]:
        """Send a whole frame's chunks within the bound; what became of it, and the policy that was asked, if any."""
        size = sum(map(len, chunks))
        queue, limit = self.queue, self.options.backpressure_limit
        if queue is None:
            if size > limit:
                return self._no_room()
            for chunk in chunks:
                self.cork(chunk)
            if self.queue is None:
                return SendStatus.SENT, ""
            # Corking has written, and the kernel has not taken all of it.
            self.stressed = True
            return SendStatus.BACKPRESSURED, ""
        self._let_pending_wait()
        if self.buffers_itself and self.buffered + size <= min(self.options.high_water_mark, limit):
            queue.put(b"".join(chunks), size)
            return SendStatus.SENT, ""
        self.stressed = True
        queue.max_bytes = limit - (0 if self.rest is None else len(self.rest))
        self._check_mark(self.buffered + size)
        offered = queue.offer(chunks[0] if len(chunks) == 1 else b"".join(chunks), size, subject)
        status = SendStatus.BACKPRESSURED if offered else SendStatus.DROPPED
        return status, done_for(offered, self.policy)

    def _no_room(self) -> tuple[SendStatus, str]:
        """For a frame that could never fit. Nothing waits, so there will be no relief to tell of."""
        return SendStatus.DROPPED, done_for(Offered.DROPPED, self.policy)

    @property
    def policy(self) -> OverflowPolicy:
        """What happens to a frame that finds no room."""
        return "close" if self.options.close_on_backpressure_limit else self.options.output_policy

    # What drivers do

    def expect_little(self) -> None:
        """From now on most of what comes is short, until it isn't."""

    def block(self, rest: memoryview) -> None:
        """The kernel has not taken ``rest``: from now on chunks wait, until ``unblock``."""
        options = self.options
        self.rest = rest
        self.open = False
        limit = options.backpressure_limit
        self.queue = BoundedQueue(max(FEW_CHUNKS, limit // CHUNK_COST), limit, options.output_policy)
        self._check_mark(len(rest))

    def _check_mark(self, size: int) -> None:
        """Above the high-water mark the client is not read from, so that it can't ask for more than it takes."""
        if size > self.options.high_water_mark:
            self.stressed = True
            if not self.paused & OUTPUT:
                self.pause(OUTPUT)
                if self.receiver is not None:
                    self.receiver.passed_mark(size)

    def _let_pending_wait(self) -> None:
        """What an actor put into its outlet since the wire was blocked comes before what waits from now on."""
        if self.pending:
            self.put_all(self.pending)
            self.pending.clear()

    def put_all(self, chunks: list[bytes]) -> None:
        """Let chunks wait that were corked before the wire was blocked."""
        assert self.queue is not None
        for chunk in chunks:
            self.queue.put(chunk, len(chunk))

    def next_batch(self) -> memoryview | None:
        """What to write next of what waits, or ``None`` when all is taken."""
        queue = self.queue
        if not queue:
            return None
        chunks = [queue.take()]
        size = len(chunks[0])
        while queue and size < BATCH:
            chunks.append(queue.take())
            size += len(chunks[-1])
        return memoryview(chunks[0] if len(chunks) == 1 else b"".join(chunks))

    def unblock(self) -> None:
        """The kernel has taken everything. The receiver says whether the wire is open."""
        self.rest = self.queue = None
        self.resume(OUTPUT)
        if self.receiver is not None:
            self.receiver.drained()

    def pause(self, why: int) -> None:
        """Read nothing from the peer until ``resume`` with the same reason."""
        if not self.paused:
            self.paused = why
            self.update()
        self.paused |= why

    def resume(self, why: int) -> None:
        """This reason not to read is over."""
        if self.paused & why:
            self.paused &= ~why
            self.update()

    def update(self) -> None:
        """``paused`` has changed: read, or don't."""
        raise NotImplementedError

    def read_again(self) -> None:
        """Call the receiver's ``receive(b"")`` in the next tick: it holds complete frames back."""
        raise NotImplementedError

    def has_input(self) -> bool:
        """Whether the peer has sent something that will be read."""
        raise NotImplementedError

    def flush(self) -> None:
        """Write what is pending; never raises, never waits."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what waits, tell the peer that no more comes, take in and drop what it still sends, then close.

        (Closing with unread input would reset the connection and could take our last frame with it.) The receiver
        gets ``closed`` and nothing else any more; it aborts the wire if that takes too long.
        """
        raise NotImplementedError

    def shut(self) -> None:
        """Close at once, where nothing was said that could be lost. The receiver gets ``closed``."""
        raise NotImplementedError

    def abort(self) -> None:
        """Drop everything and reset the connection. The receiver gets ``closed``, at once."""
        raise NotImplementedError
